"""The figure of one crystal's AGL: E(V) with its fit, and kappa(T)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kappatune.calculations.agl_result import AglResult
from kappatune.physics.equation_of_state import Fit, fit_equation_of_state
from kappatune.plotting import file_name, new_figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    n = result.n_atoms or 1
    volumes, energies = np.array(result.curve_volumes_a3), np.array(result.curve_energies_ev)
    curve = fit_equation_of_state(volumes, energies, fit)
    fine = np.linspace(volumes[0], volumes[-1], 300)
    axes.plot(volumes / n, energies / n, "o", label=result.potential)
    axes.plot(fine / n, curve.derivatives(fine)[0] / n, label=f"fit, off by {1e3 * curve.residual / n:.2g} meV/atom")
    if result.volume_a3:
        axes.axvline(result.volume_a3 / n, color="grey", linestyle=":", label="300 K")
    axes.set(xlabel="volume per atom, Å³", ylabel="energy per atom, eV")
    axes.legend(fontsize="small")


def _draw_kappa(axes: Axes, result: AglResult) -> None:
    lowest = result.lowest_reliable_k or 0.0
    temperatures, kappa = np.array(result.temperatures_k), np.array(result.kappa_by_temperature_w_mk)
    axes.plot(temperatures[temperatures >= lowest], kappa[temperatures >= lowest], "o-")
    axes.set(xlabel="temperature, K", ylabel="κ, W/(m K)", yscale="log")
    axes.set_title(f"from a third of the acoustic Debye temperature up: {lowest:.0f} K", fontsize="small")
