"""Figures that several benchmarks draw."""

from __future__ import annotations

from pathlib import Path

from matplotlib import pyplot as plt

FOLDER = Path(__file__).parents[1] / "docs" / "figures"


def kappa_against(name: str, panels: dict[str, tuple[list[float], list[float]]], theirs: str) -> None:
    """One panel per comparison: our kappa over somebody else's, both in W/(m K) on log scales.

    Args:
        name: File below `docs/figures`, without `.png`.
        panels: Title, and the two lists: theirs, ours.
        theirs: Label of the horizontal axis.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 4.2), layout="constrained", squeeze=False)
    for axis, (title, (x, y)) in zip(axes[0], panels.items(), strict=True):
        ends = [0.7 * min(x + y), 1.4 * max(x + y)]
        axis.fill_between(ends, [e / 2 for e in ends], [e * 2 for e in ends], color="0.92", lw=0)
        axis.plot(ends, ends, color="0.5", lw=1)
        axis.scatter(x, y, s=9, alpha=0.6, color="#0072b2", lw=0)
        axis.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title=title, xlabel=f"{theirs}, W/(m K)")
    axes[0][0].set_ylabel("kappatune AGL, W/(m K)")
    figure.savefig(FOLDER / f"{name}.png", dpi=110)
    plt.close(figure)
