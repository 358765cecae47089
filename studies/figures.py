"""The folder of figures, and a figure that several studies draw."""

from __future__ import annotations

from matplotlib import pyplot as plt

from studies.markdown import DOCS

FIGURES = DOCS / "figures"


def draw_kappa_parity(name: str, panels: dict[str, tuple[list[float], list[float]]], reference: str) -> None:
    """Draw one panel per comparison: our kappa over a reference, both in W/(m K) on log scales.

    Args:
        name: Name of the file in `docs/figures`, without `.png`.
        panels: By title two lists: the reference, ours.
        reference: Label of the horizontal axis, without unit.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 4.2), layout="constrained", squeeze=False)
    for axis, (title, (x, y)) in zip(axes[0], panels.items(), strict=True):
        ends = [0.7 * min(x + y), 1.4 * max(x + y)]
        axis.fill_between(ends, [e / 2 for e in ends], [e * 2 for e in ends], color="0.92", lw=0)
        axis.plot(ends, ends, color="0.5", lw=1)
        axis.scatter(x, y, s=9, alpha=0.6, color="#0072b2", lw=0)
        axis.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title=title, xlabel=f"{reference}, W/(m K)")
    axes[0][0].set_ylabel("kappatune AGL, W/(m K)")
    figure.savefig(FIGURES / f"{name}.png", dpi=110)
    plt.close(figure)
