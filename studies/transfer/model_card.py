"""The model card of the shipped models, made from their own cards and the stored results."""

from __future__ import annotations

from collections.abc import Sequence

from kappatune.model.card import ModelCard
from studies.markdown import table
from studies.transfer.page import goals
from studies.transfer.results import Results


def model_card(cards: Sequence[ModelCard], results: Results) -> str:
    """The card as Markdown."""
    parts = [
        "# Model card",
        "Made by `scripts/ship_models.py` from the cards of the shipped models and the results in "
        "`studies/results/transfer`; do not edit by hand.",
        "Both predict the lattice thermal conductivity of an ordered crystal at 300 K in W/(m K), with a 90 % "
        "interval, from its structure alone. `accurate` is the default of `kappatune predict`; `fast` has a smaller "
        "host and is the one to scan millions with. The table below compares them rung by rung.",
        *(_one(card) for card in cards),
        "## Protocol and figures\n\nWhat was asked and what was measured on formulas a model had not seen; splits, "
        "baselines and paired tests are in the [benchmark](benchmark.md). The recipes (`accurate.yaml`, `fast.yaml`) "
        "then retrain on everything, so that no figure here is of the shipped weights themselves.",
        goals(results.cells),
        _intervals(cards, results),
        "## Where not to trust them\n\n"
        "- **Other families of compounds.** `dft` was learnt from rocksalts, zincblendes, wurtzites, half-Heuslers and "
        "a few textbook crystals. For a family of which nothing was known the error is that of the row *each left out* "
        "above, and tetrahedral crystals are predicted far too low. `in_domain` is false for most of them; their "
        "intervals are wide and may still be too narrow.\n"
        "- **Strong anharmonicity, glass-like and molecular crystals, moving ions.** No label knows of "
        "four-phonon processes, disorder or rotating molecules.\n"
        "- **Metals.** The value is the lattice's part alone.\n"
        "- **Defects, grains, isotopes, films, pressure.** A perfect infinite crystal at no pressure is meant.\n"
        "- **Other temperatures.** Labels are at 300 K; κ(T) is a [model](temperature.md).\n"
        "- **Structures far from a relaxed one.** The cell volume enters the physics; relax first, or `kappatune "
        "verify` does.",
    ]
    return "\n\n".join(parts) + "\n"


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
        f"{card.licence}. Trained on this number of formulas: {counts}; their list stands in the model's `card.json` "
        f"(`KappaModel.card.formulas`).\n\n"
        + table(("stage", "table", "fidelity", "source", "rows used", "left out", "sha256"), rows)
    )


def _sources(sources: Sequence[str]) -> str:
    return sources[0] if len(sources) == 1 else f"{len(sources)} named documents"


def _intervals(cards: Sequence[ModelCard], results: Results) -> str:
    rows = []
    for card in cards:
        for rung, calibration in card.calibration.items():
            coverage = next(r.coverage for r in results.calibrations if (r.model, r.fidelity) == (card.name, rung))
            outside = calibration.factor_outside
            ratio = coverage.median_error_ratio
            rows.append(
                [
                    card.name,
                    rung,
                    f"{coverage.coverage:.3f} ({coverage.n})",
                    f"{coverage.median_factor:.2f}",
                    f"{calibration.factor:.2f}",
                    "–" if outside is None else f"{outside:.2f}",
                    "–" if ratio is None else f"{ratio:.1f}",
                ]
            )
    columns = ("model", "rung", "coverage (n)", "median factor", "times spread inside", "outside", "error out / in")
    return (
        "## Intervals and domain\n\nSplit conformal 90 % intervals, normalised by what a model says of itself, with a "
        "factor of their own outside the domain ([how they fare](benchmark.md#90--intervals), [what the domain "
        "is](benchmark.md#the-domain)).\n\n" + table(columns, rows)
    )
