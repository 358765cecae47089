"""The model card of the shipped models, made from their own cards and the stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kappatune.model.card import ModelCard
from studies.markdown import note, number, table
from studies.transfer.goals import goals_table, noise_note
from studies.transfer.results import TransferResults


def model_card(
    cards: Sequence[ModelCard], results: TransferResults, labels: Mapping[str, Any], out_of_sample: Mapping[str, Any]
) -> str:
    """The card as Markdown.

    Args:
        cards: Of the shipped models.
        results: Stored results of the benchmark.
        labels: Stored result of `studies.transfer.labels`.
        out_of_sample: Stored result of `studies.transfer.out_of_sample`.
    """
    parts = [
        "# Model card",
        note("model-card", "transfer.jsonl", "python -m studies.transfer --data FOLDER")
        + " The descriptions of the models come from their own cards, which `scripts/ship_models.py` writes.",
        "Both predict the lattice thermal conductivity of an ordered crystal at 300 K in W/(m K), with a 90 % "
        "interval, from its structure alone. `accurate` is the default of `kappatune predict`; `fast` has a smaller "
        "host and is meant for scans of millions of crystals.",
        *(_one(card) for card in cards),
        "**Measured values count as `dft`.** The rows from `values.csv` are of fidelity `experiment`; the recipes join "
        "them into the `dft` rung. [What each value cites, and which have changed since](textbook.md).",
        "## Protocol and results\n\nWhat was measured on formulas a model had not seen; splits, baselines "
        "and paired tests are in the [benchmark](benchmark.md). The shipped weights were then trained on everything "
        "with the same recipes (`accurate-0.1`, `fast-0.1`), so that no number of this section is of these weights "
        "themselves.",
        goals_table(results.evaluations, labels["agreement"]),
        noise_note(labels["agreement"]),
        _intervals(cards, results),
        _other_crystals(cards, out_of_sample),
        "## Where not to trust them\n\n"
        "- **Other families of compounds.** The `dft` rung was trained on rocksalts, zincblendes, wurtzites, "
        "half-Heuslers and a few textbook crystals. On others it is biased high, on soft ones several times too high, "
        "and the rung `agl` is nearer to DFT (table above). Left out of training, tetrahedral crystals are predicted "
        "far too low. `in_domain` does not tell families apart: most crystals of other families are inside.\n"
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
        + table(("stage", "table", "rung", "source", "rows used", "left out", "sha256"), rows)
    )


def _sources(sources: Sequence[str]) -> str:
    return sources[0] if len(sources) == 1 else f"{len(sources)} named documents"


def _other_crystals(cards: Sequence[ModelCard], out_of_sample: Mapping[str, Any]) -> str:
    rows = []
    for card in cards:
        for rung, groups in out_of_sample["errors"][card.name].items():
            inside, outside = groups["inside the domain"], groups["outside the domain"]
            rows.append(
                [
                    card.name,
                    rung,
                    f"{groups['all']['mean_abs_log10']:.3f}",
                    f"{groups['all']['mean_signed_log10']:+.2f}",
                    f"{groups['all']['spearman']:.2f}",
                    f"{groups['soft']['median_ratio']:.1f}",
                    f"{groups['all']['in_domain']:.0%}",
                    f"{inside['mean_abs_log10']:.3f} and {outside['mean_abs_log10']:.3f}",
                    f"{inside['coverage']:.2f} and {outside['coverage']:.2f}",
                    f"{inside['interval_ratio']:.0f} and {outside['interval_ratio']:.0f}",
                ]
            )
    columns = (
        "model",
        "rung",
        "mean abs log10",
        "bias (log10)",
        "rho",
        "soft: median ratio",
        "in domain",
        "error in and out",
        "coverage in and out",
        "upper / lower in and out",
    )
    n = out_of_sample["errors"][cards[0].name]["dft"]["all"]["n"]
    return (
        f"## Other kinds of crystals\n\nThe shipped weights themselves on {n} DFT values of crystals of all kinds, of "
        "which they learnt none ([more](out-of-sample.md)). Intervals of `agl` are those of AGL values.\n\n"
        + table(columns, rows)
    )


def _intervals(cards: Sequence[ModelCard], results: TransferResults) -> str:
    rows = []
    for card in cards:
        for rung, calibration in card.calibration.items():
            of_rung = (f"{card.name}-0.1", rung)
            coverage = next(r.coverage for r in results.calibrations if (r.model, r.fidelity) == of_rung)
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
