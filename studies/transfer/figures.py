"""Figures of the benchmark's page: the error of each step, and the coverage of the intervals."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from kappatune.plotting import NoMatplotlib
from studies.transfer.goals import weighted_mean
from studies.transfer.intervals import CalibrationResult
from studies.transfer.published import TESTS
from studies.transfer.results import TransferResults
from studies.transfer.steps import STEPS

_LABELS = ("I", "II", "III", "III, formulas seen")


def draw(results: TransferResults, folder: Path) -> list[Path]:
    """Draw the figures there are results for: `benchmark_steps.png` and `benchmark_intervals.png`.

    Args:
        results: Stored results.
        folder: Made if it is not there.

    Returns:
        The PNGs.

    Raises:
        NoMatplotlib: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise NoMatplotlib("figures need matplotlib: pip install 'kappatune[mlip]'")
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    if any(e.model in STEPS for e in results.evaluations):
        figure = Figure(figsize=(11, 6.5), layout="constrained")
        _steps(figure, results)
        drawn.append(folder / "benchmark_steps.png")
        figure.savefig(drawn[-1], dpi=100)
    if results.calibrations:
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        _intervals(figure, results)
        drawn.append(folder / "benchmark_intervals.png")
        figure.savefig(drawn[-1], dpi=100)
    return drawn


def _steps(figure: Any, results: TransferResults) -> None:
    """A panel per training set: mean |log10| error per test set and step, a dot per run."""
    for axis, train in zip(figure.subplots(2, 2, sharey=True).flat, TESTS, strict=True):
        for k, (step, label) in enumerate(zip(STEPS, _LABELS, strict=True)):
            shown = False
            for place, test in enumerate(TESTS):
                runs = [e for e in results.evaluations if (e.model, e.train, e.test) == (step, train, test)]
                if not runs:
                    continue
                errors = np.array([e.metrics.mean_abs_log10 for e in runs])
                mean = weighted_mean(runs, "mean_abs_log10")
                x = place + 0.2 * (k - 1.5)
                axis.bar(x, mean, 0.18, color=f"C{k}", alpha=0.55, label=None if shown else label)
                axis.plot(np.full(len(errors), x), errors, ".", color=f"C{k}", markersize=4)
                shown = True
        names = [test + (" †" if (train == "AFLOW") != (test == "AFLOW") else "") for test in TESTS]
        axis.set_xticks(range(len(TESTS)), [f"on {name}" for name in names])
        axis.set_xlim(-0.6, len(TESTS) - 0.4)
        axis.set_title(f"trained on {train}")
        axis.grid(axis="y", alpha=0.3)
    axes = figure.axes
    axes[0].legend(title="step", fontsize="small", ncols=4, loc="upper right")
    for axis in (axes[0], axes[2]):
        axis.set_ylabel("mean |log10 κ error|")
    figure.suptitle("Bars: means over all tested rows; dots: runs; † between AGL and DFT labels")


def _intervals(figure: Any, results: TransferResults) -> None:
    """Left: nominal and observed coverage; right: that of 90 % intervals, by third of kappa and by family."""
    curve, parts = figure.subplots(1, 2, width_ratios=(1, 1.6))
    curve.plot((0, 1), (0, 1), color="0.6", linewidth=1)
    for k, result in enumerate(results.calibrations):
        name = f"{result.model}, {result.fidelity}"
        curve.plot(result.coverage.nominal, result.coverage.observed, ".-", color=f"C{k}", label=name, markersize=4)
        names, shares = _parts(result)
        parts.plot(shares, names, "o", color=f"C{k}", label=name, alpha=0.8)
    curve.set(xlabel="nominal", ylabel="observed", title="coverage on formulas not seen", aspect="equal")
    curve.legend(fontsize="small")
    parts.axvline(0.9, color="0.6", linewidth=1)
    parts.axvline(0.8, color="0.6", linewidth=1, linestyle=":")
    parts.set(xlabel="coverage of 90 % intervals", title="by third of κ, and by family of at least 20")
    parts.set_xlim(0.5, 1.02)
    parts.invert_yaxis()
    parts.grid(axis="y", alpha=0.3)


def _parts(result: CalibrationResult) -> tuple[list[str], list[float]]:
    coverage = result.coverage
    named = dict(zip(("low κ", "middle κ", "high κ"), coverage.by_third, strict=True)) | coverage.by_family
    return list(named), list(named.values())
