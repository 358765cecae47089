"""The figure of a verification: dispersion, density of states, cumulative kappa, mean free paths, and kappa(T)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from kappatune.plotting import file_name, new_figure, save_png
from kappatune.verification.row import Verification

if TYPE_CHECKING:
    from kappatune.verification.phonons import PhononResult


@dataclass(frozen=True)
class Curves:
    """What a figure is drawn from; units as in `harmonic.Dispersion` and `modes.Modes`."""

    distance: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    labels: NDArray[np.str_]
    label_distances: NDArray[np.float64]
    dos_frequencies: NDArray[np.float64]
    dos: NDArray[np.float64]
    mode_frequencies: NDArray[np.float64]
    cumulative: NDArray[np.float64]
    mean_free_paths: NDArray[np.float64]
    cumulative_by_path: NDArray[np.float64]

    @classmethod
    def from_phonons(cls, phonons: PhononResult) -> Self:
        """The curves of a result."""
        bands, modes = phonons.dispersion, phonons.transport.modes
        return cls(
            bands.distance,
            bands.frequencies,
            np.array(bands.labels),
            bands.label_distances,
            bands.dos_frequencies,
            bands.dos,
            *modes.by_frequency,
            *modes.by_mean_free_path,
        )


def figure_path(row: Verification, folder: Path) -> Path:
    """The path of the figure of a row."""
    potential = (row.potential or "").split(" ")[0]
    return folder / f"{file_name(row.id)}-{file_name(potential)}.png"


def plot_verification(row: Verification, curves: Curves, folder: Path) -> Path:
    """Draw dispersion, density of states, cumulative kappa (by frequency, by mean free path) and kappa(T) of a crystal.

    Args:
        row: With a kappa.
        curves: Of the same crystal.
        folder: Created if it does not exist.

    Returns:
        The PNG.

    Raises:
        NoMatplotlib: matplotlib is not installed.
    """
    figure = new_figure(14, 4.2)
    bands, dos, share, paths, temperature = figure.subplots(1, 5, width_ratios=(3, 1, 1.3, 2, 2.4))
    top = 1.05 * float(curves.frequencies.max())
    bottom = min(0.0, 1.05 * float(curves.frequencies.min()))
    for place in curves.label_distances:
        bands.axvline(place, color="0.85", linewidth=0.8)
    breaks = np.flatnonzero(np.diff(curves.distance) == 0) + 1
    for part in np.split(np.arange(len(curves.distance)), breaks):
        bands.plot(curves.distance[part], curves.frequencies[part], color="C0", linewidth=1)
    names = ["Γ" if label == "G" else label.replace("G|", "Γ|").replace("|G", "|Γ") for label in curves.labels]
    bands.set_xticks(curves.label_distances, names)
    bands.set(xlim=(0, curves.distance[-1]), ylim=(bottom, top), ylabel="frequency, THz", title="dispersion")
    dos.fill_betweenx(curves.dos_frequencies, curves.dos, color="C0", alpha=0.4, linewidth=0)
    dos.set(ylim=(bottom, top), xlim=(0, None), xlabel="states per THz", title="DOS")
    share.plot(curves.cumulative, curves.mode_frequencies, color="C1")
    share.set(ylim=(bottom, top), xlim=(0, None), xlabel="W/(m K)", title="cumulative κ, 300 K")
    for axis in (dos, share):
        axis.tick_params(labelleft=False)
    paths.plot(curves.mean_free_paths, curves.cumulative_by_path, color="C1")
    paths.set(xscale="log", xlabel="mean free path, nm", ylabel="W/(m K)", ylim=(0, None), title="cumulative κ, 300 K")
    _kappa_of_t(temperature, row)
    potential = (row.potential or "").split(" ")[0]
    born = "with" if row.born else "without"
    figure.suptitle(
        f"{row.id} ({row.formula}): κ {row.kappa_bte_w_mk:.3g} W/(m K) at 300 K by {potential}, {row.solution}, "
        f"{born} Born charges; {row.verdict}"
    )
    return save_png(figure, figure_path(row, folder))


def _kappa_of_t(axis: Any, row: Verification) -> None:
    kappa, temperatures = np.array(row.kappa_by_temperature_w_mk), np.array(row.temperatures_k)
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    axis.plot(temperatures, kappa, "o-", color="C1", label="phonons")
    beside = 0.02 * (temperatures[-1] - temperatures[0] or 200.0)
    if row.likely_lower_w_mk and row.likely_upper_w_mk:
        middle = np.sqrt(row.likely_lower_w_mk * row.likely_upper_w_mk)
        spread = [[middle - row.likely_lower_w_mk], [row.likely_upper_w_mk - middle]]
        axis.errorbar(
            [300.0 + beside], [middle], spread, fmt="none", color="C1", capsize=6, alpha=0.6, label="bias removed"
        )
    if row.predicted_w_mk and row.lower_w_mk and row.upper_w_mk:
        spread = [[row.predicted_w_mk - row.lower_w_mk], [row.upper_w_mk - row.predicted_w_mk]]
        axis.errorbar([300.0 - beside], [row.predicted_w_mk], spread, fmt="s", color="C2", capsize=4, label="predicted")
    if row.agl_w_mk:
        axis.plot([300.0 - 2 * beside], [row.agl_w_mk], "D", color="C3", label="AGL")
    axis.set(xlabel="temperature, K", ylabel="κ, W/(m K)", yscale="log", title="κ(T)")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.yaxis.set_minor_formatter(NullFormatter())
    if len(temperatures) == 1:
        axis.set_xlim(200, 400)
    axis.legend(frameon=False, fontsize="small")
