"""The figure of one crystal's AGL: E(V) with its fit, and kappa(T)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.calculations.agl_result import AglResult
from kappatune.physics.equation_of_state import BadCurve, EquationOfState, Fit, fit_equation_of_state
from kappatune.plotting import file_name, new_figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_LOCAL = 7
"""Points around the lowest energy that are also fitted by themselves: the fewest that an equation of state takes."""


def plot_agl(result: AglResult, folder: Path, index: int, fit: Fit = "averaged") -> Path:
    """Draw E(V) of a crystal, and kappa(T) from `lowest_reliable_k` on.

    Args:
        result: With a kappa.
        folder: Made if it is not there.
        index: Number of the crystal, with which the name of the file begins.
        fit: The equation of state the result was made with.

    Returns:
        The PNG.

    Raises:
        NoMatplotlib: matplotlib is not installed.
    """
    figure = new_figure(9, 3.8)
    left, right = figure.subplots(1, 2)
    _draw_energies(left, result, fit)
    _draw_kappa(right, result)
    figure.suptitle(
        f"{result.id} ({result.formula}): κ {result.kappa_w_mk:.3g} W/(m K) at 300 K, "
        f"θ {result.debye_temperature_k:.0f} K, γ {result.gruneisen:.2f}, B {result.bulk_modulus_gpa:.0f} GPa"
    )
    return save_png(figure, folder / f"{index:04d}-{file_name(result.id)}.png")


def _draw_energies(axes: Axes, result: AglResult, fit: Fit) -> None:
    """E(V) with the fit that gives kappa, which follows the whole window, and one of the points near the minimum."""
    n = result.n_atoms or 1
    volumes, energies = np.array(result.curve_volumes_a3), np.array(result.curve_energies_ev)
    used, local = fit_equation_of_state(volumes, energies, fit), _local_fit(volumes, energies)
    axes.plot(volumes / n, energies / n, "o", label=result.potential)
    fine = np.linspace(volumes[0], volumes[-1], 300)
    deviation = f"{1e3 * used.residual / n:.2g} meV/atom"
    axes.plot(fine / n, used.derivatives(fine)[0] / n, "-", label=f"fit, off by {deviation} (rms)")
    if local:
        fine = np.linspace(local.lowest_volume, local.highest_volume, 100)
        label = f"fit of these {N_LOCAL} points, not used"
        axes.plot(fine / n, local.derivatives(fine)[0] / n, "--", color="black", linewidth=1, label=label)
    if result.volume_a3:
        axes.axvline(result.volume_a3 / n, color="grey", linestyle=":", label="300 K")
    axes.set(xlabel="volume per atom, Å³", ylabel="energy per atom, eV")
    axes.legend(fontsize="small")


def _local_fit(volumes: NDArray[np.float64], energies: NDArray[np.float64]) -> EquationOfState | None:
    """The Birch-Murnaghan equation through the points around the lowest energy, or None if it does not follow them."""
    first = int(np.clip(np.argmin(energies) - N_LOCAL // 2, 0, len(volumes) - N_LOCAL))
    near = slice(first, first + N_LOCAL)
    try:
        return fit_equation_of_state(volumes[near], energies[near], "birch-murnaghan")
    except BadCurve:
        return None


def _draw_kappa(axes: Axes, result: AglResult) -> None:
    lowest = result.lowest_reliable_k or 0.0
    temperatures, kappa = np.array(result.temperatures_k), np.array(result.kappa_by_temperature_w_mk)
    axes.plot(temperatures[temperatures >= lowest], kappa[temperatures >= lowest], "o-")
    axes.set(xlabel="temperature, K", ylabel="κ, W/(m K)", yscale="log")
    axes.set_title(f"from a third of the acoustic Debye temperature up: {lowest:.0f} K", fontsize="small")
