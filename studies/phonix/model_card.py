"""The model card of the shipped models, made from their own cards and the stored results."""

from __future__ import annotations

from collections.abc import Sequence

from kappatune.model.card import ModelCard
from kappatune.model.intervals import IntervalCalibration
from studies.markdown import note, number, table
from studies.phonix.evidence import evidence
from studies.phonix.results import PhonixResults
from studies.transfer.intervals import CalibrationResult

_SOURCES = (
    "**Sources of the labels.** AGL values: AFLOW (Curtarolo et al., Comput. Mater. Sci. 58, 218 (2012); Toher et al., "
    "Phys. Rev. B 90, 174107 (2014)). DFT values: Phonix (Ohnishi et al., npj Comput. Mater. 12, 150 (2026); cells of "
    "phonondb, CC BY 4.0), and the two sets of Klochko et al., arXiv 2411.18259, L96 and HH143. None of these values "
    "is part of the package. Measured values of textbook crystals are, and count as `dft`: the rows from `values.csv` "
    "are of fidelity `experiment`, and the recipes join them into that rung ([what each value cites, and which have "
    "changed since](textbook.md))."
)


def model_card(cards: Sequence[ModelCard], results: PhonixResults) -> str:
    """The card as Markdown.

    Args:
        cards: Of the shipped models.
        results: Stored results on Phonix.
    """
    parts = [
        "# Model card",
        note("model-card", "phonix.jsonl", "python -m studies.phonix.recipes accurate fast --data FOLDER")
        + " The descriptions of the models come from their own cards, which `scripts/ship_models.py` writes.",
        "Both predict the lattice thermal conductivity of an ordered crystal at 300 K in W/(m K), with a 90 % "
        "interval, from its structure alone. `accurate` is the default of `kappatune predict`; `fast` has two of "
        "its three members and is meant for scans of millions of crystals.",
        *(_one(card) for card in cards),
        _SOURCES,
        "## Results\n\nWhat was measured on crystals that no stage had seen ([how, and beside which "
        "goals](accuracy.md)). The shipped weights were then trained on everything with the same recipes, so that no "
        "number of this section is of these weights themselves.",
        _results(cards, results),
        _intervals(cards, results),
        "## Where not to trust them\n\n"
        "- **Kinds of crystals unlike all labels.** A family that is left out is predicted worse "
        "([by how much](accuracy.md#families-left-out)).\n"
        "- **Strong anharmonicity, glass-like and molecular crystals, mobile ions.** No label includes "
        "four-phonon processes, disorder or rotating molecules.\n"
        "- **Metals.** The value is the lattice contribution alone.\n"
        "- **Defects, grain boundaries, isotopes, films, pressure.** The value is that of a perfect infinite crystal "
        "at zero pressure.\n"
        "- **Other temperatures.** Labels are at 300 K; κ(T) is a [model](temperature.md).\n"
        "- **Unrelaxed structures.** The cell volume enters the physics. Relax the structure first, or use `kappatune "
        "verify`, which does.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _one(card: ModelCard) -> str:
    rows = [
        [d.stage, d.file, d.fidelity, _sources(d.sources), str(d.n_rows), str(d.n_left_out), d.sha256[:12]]
        for d in card.data
    ]
    counts = ", ".join(f"{len(formulas)} ({rung})" for rung, formulas in card.formulas.items())
    return (
        f"## `{card.name}`\n\n{card.description.strip()}\n\n"
        f"Made {card.created} with kappatune {card.versions['kappatune']}, torch {card.versions['torch']}. "
        f"{len(card.members)} members on {card.host.name.replace(' + ', ', ')}. Weights `{card.weights_sha256[:12]}`, "
        f"{card.licence}. Numbers of formulas trained on: {counts}; they are listed in the model's `card.json` "
        f"(`KappaModel.card.formulas`).\n\n"
        + table(("stage", "table", "rung", "source", "rows used", "left out", "sha256"), rows)
    )


def _sources(sources: Sequence[str]) -> str:
    return sources[0] if len(sources) == 1 else f"{len(sources)} named documents"


def _results(cards: Sequence[ModelCard], results: PhonixResults) -> str:
    """The first table of each model's evidence, one after the other."""
    rows = []
    for card in cards:
        first = evidence(card.name, results).tables[0]
        rows += [[card.name, *("–" if cell is None else str(cell) for cell in row)] for row in first.rows]
    return table(("model", *first.columns), rows) + f"\n\n{first.note}"


def _intervals(cards: Sequence[ModelCard], results: PhonixResults) -> str:
    rows = []
    for card in cards:
        stored = results.calibration_of(card.name)
        for rung, calibration in card.calibration.items():
            measured = _measured(calibration, stored.get(rung))
            widths = (f"{calibration.factor:.2f}", number(calibration.factor_outside))
            rows.append([card.name, rung, *measured[:2], *widths, measured[2]])
    columns = ("model", "rung", "coverage (n)", "median half-width", "multiple inside", "outside", "error out / in")
    return (
        "## Intervals and domain\n\nSplit conformal 90 % intervals, normalised by the spread that the model estimates, "
        "with one factor inside the domain and one outside ([coverage](accuracy.md#intervals), "
        "[domain](architecture.md#intervals-and-domain)). *Median half-width* is the factor by which intervals reach "
        "up and down; it comes from the spread of each prediction, times the *multiple* inside or outside the domain."
        "\n\n" + table(columns, rows)
    )


def _measured(calibration: IntervalCalibration, stored: CalibrationResult | None) -> tuple[str, str, str]:
    """Coverage, typical factor and error ratio of a rung; of one without a stored result, as training measured them."""
    if stored:
        coverage = stored.coverage
        shown = f"{coverage.coverage:.3f} ({coverage.n})", f"{coverage.median_factor:.2f}"
        return *shown, number(coverage.median_error_ratio, 1)
    return f"{number(calibration.coverage, 3)} ({calibration.n})", number(calibration.width), "–"
