"""A figure of one crystal's AGL: E(V) with its fit, and kappa(T)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kappatune.calculations.agl_result import AglResult
from kappatune.physics.equation_of_state import Fit, fit_equation_of_state
from kappatune.plotting import file_name, new_figure, save_png


def plot_agl(result: AglResult, folder: Path, index: int, fit: Fit = "averaged") -> Path:
    """Draw E(V) of a crystal, and kappa(T) from its `lowest_reliable_k` on.

    Args:
        result: With a kappa.
        folder: Made if it is not there.
        index: Number of the crystal, which keeps the names of the files apart.
        fit: The equation of state the result was made with.

    Returns:
        The PNG.

    Raises:
        NoMatplotlib: matplotlib is not installed.
    """
    n = result.n_atoms or 1
    volumes, energies = np.array(result.curve_volumes_a3), np.array(result.curve_energies_ev)
    curve = fit_equation_of_state(volumes, energies, fit)
    fine = np.linspace(volumes[0], volumes[-1], 300)
    figure = new_figure(9, 3.8)
    left, right = figure.subplots(1, 2)
    left.plot(volumes / n, energies / n, "o", label=result.potential)
    left.plot(fine / n, curve.derivatives(fine)[0] / n, "-", label="fit")
    if result.volume_a3:
        left.axvline(result.volume_a3 / n, color="grey", linestyle=":", label="300 K")
    left.set(xlabel="volume per atom, Å³", ylabel="energy per atom, eV")
    left.legend()
    lowest = result.lowest_reliable_k or 0.0
    temperatures, kappa = np.array(result.temperatures_k), np.array(result.kappa_by_temperature_w_mk)
    right.plot(temperatures[temperatures >= lowest], kappa[temperatures >= lowest], "o-")
    right.set(xlabel="temperature, K", ylabel="κ, W/(m K)", yscale="log")
    right.set_title(f"from a third of the acoustic Debye temperature up: {lowest:.0f} K", fontsize="small")
    figure.suptitle(
        f"{result.id} ({result.formula}): κ {result.kappa_w_mk:.3g} W/(m K) at 300 K, "
        f"θ {result.debye_temperature_k:.0f} K, γ {result.gruneisen:.2f}, B {result.bulk_modulus_gpa:.0f} GPa"
    )
    return save_png(figure, folder / f"{index:04d}-{file_name(result.id)}.png")
