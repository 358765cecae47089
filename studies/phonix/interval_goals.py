"""How often intervals hold, and how wide they are, beside the goals that were set."""

from __future__ import annotations

from collections.abc import Sequence

from studies.markdown import table
from studies.phonix.evaluations import ALL_SETS
from studies.phonix.metrics import PartErrors, PhonixMetrics
from studies.phonix.results import PhonixResults

_WIDTH_INSIDE, _WIDTH_OUTSIDE = 4.0, 12.0
_ERROR_RATIO = 1.5
_KINDS = {
    "new formulas": ("formula", 0.87, 0.93),
    "new prototypes": ("prototype", 0.85, 1.0),
    "anions left out": ("anion", 0.0, 1.0),
    "families left out": ("family", 0.75, 1.0),
}
"""Protocol of each kind of crystals, and the least and most coverage that was set as its goal."""

_IN_EVERY_PART = 0.80


def intervals_section(results: PhonixResults, models: Sequence[str]) -> list[str]:
    """The section as paragraphs; none without results."""
    rows, missed = [], []
    for model in models:
        for name, (protocol, least, most) in _KINDS.items():
            metrics = results.metrics(f"{model} dft", protocol, ALL_SETS)
            if metrics and metrics.intervals:
                rows.append([f"`{model}`", name, *_cells(metrics)])
                missed += [f"`{model}`, {name}: {what}" for what in misses(metrics, protocol, least, most)]
    if not rows:
        return []
    columns = (
        "model",
        "tested on",
        "held",
        "thirds of κ",
        "thirds of atoms",
        "least of families",
        "upper / lower in and out",
        "out of domain",
        "error out / in",
    )
    agl = [
        f"`{model}` {found['agl'].coverage.coverage:.2f} of {found['agl'].coverage.n} AGL values"
        for model in models
        if "agl" in (found := results.calibration_of(model))
    ]
    return [
        "## Intervals\n\nIntervals are meant to hold nine values in ten. Each is calibrated by [conformal prediction]"
        "(architecture.md#intervals-and-domain) on predictions of new formulas, new prototypes and anions left "
        "out, of which none is of a formula that it is tested on. *Held* is the share of values inside, in all "
        "and in the low, middle and high third of κ, of the number of atoms in the cell, and in the worst family of at "
        "least 20 crystals; widths are medians. Goals: on new formulas 0.87 to 0.93 in all, 0.80 in every third and "
        "every family, and widths of 4 inside the domain and 12 outside; 0.85 on new prototypes; with a family left "
        "out 0.75, and an error outside 1.5 times that inside.",
        table(columns, rows),
        f"On the rung `agl` the intervals hold {', '.join(agl)}." if agl else "",
        f"Not reached: {'; '.join(missed)}." if missed else "All goals for intervals are reached.",
    ]


def misses(metrics: PhonixMetrics, protocol: str, least: float, most: float) -> list[str]:
    """What intervals miss of the goals, in words."""
    quality = metrics.intervals
    assert quality is not None
    found = [] if least <= quality.coverage <= most else [f"held {quality.coverage:.3f}"]
    if protocol == "formula":
        parts = {
            **dict(zip(("low κ", "middle κ", "high κ"), metrics.thirds_kappa, strict=True)),
            **dict(zip(("few atoms", "middle atoms", "many atoms"), metrics.thirds_n_sites, strict=True)),
            **metrics.families,
        }
        low = {name: part.coverage for name, part in parts.items() if (part.coverage or 0.0) < _IN_EVERY_PART}
        found += [f"{name} held {share:.2f}" for name, share in low.items()]
        widths = ((quality.median_width_inside, _WIDTH_INSIDE), (quality.median_width_outside, _WIDTH_OUTSIDE))
        found += [f"width {width:.1f} above {most:.0f}" for width, most in widths if width and width > most]
    if protocol == "family" and (quality.error_ratio or 0.0) < _ERROR_RATIO:
        found.append(f"error out / in {quality.error_ratio or 0.0:.2f}")
    return found


def _cells(metrics: PhonixMetrics) -> list[str]:
    quality = metrics.intervals
    assert quality is not None
    worst = min(metrics.families.items(), key=lambda item: item[1].coverage or 0.0, default=None)
    widths = (quality.median_width_inside, quality.median_width_outside)
    return [
        f"{quality.coverage:.3f}",
        _held(metrics.thirds_kappa),
        _held(metrics.thirds_n_sites),
        f"{worst[1].coverage:.2f} ({worst[0]})" if worst else "–",
        ", ".join("–" if width is None else f"{width:.1f}" for width in widths),
        f"{quality.outside:.0%}",
        "–" if quality.error_ratio is None else f"{quality.error_ratio:.2f}",
    ]


def _held(parts: Sequence[PartErrors]) -> str:
    return ", ".join(f"{part.coverage:.2f}" for part in parts)
