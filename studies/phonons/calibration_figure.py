"""The figure of phonon values beside DFT values, which may be shown but not passed on: the study itself draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kappatune.plotting import new_figure, save_png
from studies.figures import FIGURES
from studies.phonons.calibration_values import PhononValue

FIGURE = FIGURES / "calibration.png"
COLOURS = {"nequix-mp-1-pft": "C0", "SevenNet-0": "C1", "SevenNet-l3i5": "C2"}
MARKERS = {"quick": "o", "standard": "s", "converged": "D"}


def draw(values: Sequence[PhononValue], ln_dft: Mapping[str, float], path: Path = FIGURE) -> None:
    """Draw the values with coherences of each potential and quality.

    Args:
        values: Our own values.
        ln_dft: ln of the DFT value in W/(m K), by `source id`.
        path: The PNG.
    """
    figure = new_figure(4.6, 4.4)
    axis = figure.subplots()
    ends = [0.1, 1000.0]
    axis.loglog(ends, ends, color="0.7", linewidth=1)
    for potential, quality in sorted({(value.potential, value.quality) for value in values}):
        own = [v for v in values if (v.potential, v.quality) == (potential, quality) and v.kappa_w_mk is not None]
        theirs = np.exp([ln_dft[value.reference] for value in own])
        ours = np.array([value.kappa_w_mk for value in own], dtype=np.float64)
        (drawn,) = axis.plot(theirs, ours, MARKERS[quality], label=f"{potential}, {quality}", fillstyle="none")
        drawn.set(color=COLOURS.get(potential, "C3"), markersize=4)
    axis.set(xlabel="DFT, κ in W/(m K)", ylabel="phonons with the potential, κ in W/(m K)", xlim=ends, ylim=ends)
    axis.legend(frameon=False, fontsize="small")
    save_png(figure, path)
