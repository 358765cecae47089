"""The model card of the shipped models, made from their own cards and the stored results."""

from __future__ import annotations

from collections.abc import Sequence

from kappatune.model.card import ModelCard
from studies.markdown import note, number, table
from studies.transfer.goals import goals_table
from studies.transfer.results import TransferResults


def model_card(cards: Sequence[ModelCard], results: TransferResults) -> str:
    """The card as Markdown."""
    parts = [
        "# Model card",
        note("model-card", "transfer.jsonl", "python -m studies.transfer --data FOLDER")
        + " The descriptions of the models come from their own cards, which `scripts/ship_models.py` writes.",
        "Both predict the lattice thermal conductivity of an ordered crystal at 300 K in W/(m K), with a 90 % "
        "interval, from its structure alone. `accurate` is the default of `kappatune predict`; `fast` has a smaller "
        "host and is meant for scans of millions of crystals.",
        *(_one(card) for card in cards),
        "## Protocol and results\n\nGoals and what was measured on formulas a model had not seen; splits, baselines "
        "and paired tests are in the [benchmark](benchmark.md). The shipped weights were then trained on everything "
        "with the same recipes (`accurate.yaml`, `fast.yaml`), so that no number here is of these weights themselves.",
        goals_table(results.evaluations),
        _intervals(cards, results),
        "## Where not to trust them\n\n"
        "- **Other families of compounds.** The `dft` rung was trained on rocksalts, zincblendes, wurtzites, "
        "half-Heuslers and a few textbook crystals. For a family that it was not trained on, expect the error of the "
        "rows *each left out* above: left out of training, tetrahedral crystals are predicted far too low. `in_domain` "
        "is false for most crystals of such families; their intervals are wide and may still be too narrow.\n"
        "- **Strong anharmonicity, glass-like and molecular crystals, mobile ions.** No label includes "
        "four-phonon processes, disorder or rotating molecules.\n"
        "- **Metals.** The value is the lattice contribution alone.\n"
        "- **Defects, grain boundaries, isotopes, films, pressure.** The value is that of a perfect infinite crystal "
        "at zero pressure.\n"
        "- **Other temperatures.** Labels are at 300 K; κ(T) is a [model](temperature.md).\n"
        "- **Unrelaxed structures.** The cell volume enters the physics. Relax the structure first, or use `kappatune "
        "verify`, which does.",
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
        f"{card.licence}. Numbers of formulas trained on: {counts}; they are listed in the model's `card.json` "
        f"(`KappaModel.card.formulas`).\n\n"
        + table(("stage", "table", "fidelity", "source", "rows used", "left out", "sha256"), rows)
    )


def _sources(sources: Sequence[str]) -> str:
    return sources[0] if len(sources) == 1 else f"{len(sources)} named documents"


def _intervals(cards: Sequence[ModelCard], results: TransferResults) -> str:
    rows = []
    for card in cards:
        for rung, calibration in card.calibration.items():
            coverage = next(r.coverage for r in results.calibrations if (r.model, r.fidelity) == (card.name, rung))
            rows.append(
                [
                    card.name,
                    rung,
                    f"{coverage.coverage:.3f} ({coverage.n})",
                    f"{coverage.median_factor:.2f}",
                    f"{calibration.factor:.2f}",
                    number(calibration.factor_outside),
                    number(coverage.median_error_ratio, 1),
                ]
            )
    columns = (
        "model",
        "rung",
        "coverage (n)",
        "median factor",
        "factor inside",
        "outside",
        "error out / in",
    )
    return (
        "## Intervals and domain\n\nSplit conformal 90 % intervals, normalised by the spread that the model estimates, "
        "with one factor inside the domain and one outside ([coverage](benchmark.md#interval-coverage), "
        "[domain](benchmark.md#the-domain)).\n\n" + table(columns, rows)
    )
