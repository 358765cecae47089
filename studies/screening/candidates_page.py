"""The page of candidates of low conductivity, made from the stored result alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.markdown import note, table
from studies.store import load_result

BELOW_W_MK = 1.0
"""The paper's rule: every member predicts less than this, W/(m K); candidates are sorted by relative spread."""

LISTED = 15
LOWEST = 50


def candidates_page() -> str:
    """The page as Markdown."""
    result = load_result("candidates")
    models: dict[str, dict[str, Any]] = result["models"]
    titles = [_title(name) for name in models]
    parts = [
        "# Crystals of low conductivity in the pool",
        note("candidates", "candidates.json", "python -m studies.screening.candidates --data FOLDER")
        + f" Computed on {result['date']} with kappatune {result['versions']['kappatune']}; five members each, seeds "
        "1 to 5.",
        f"Four models scanned {result['n_crystals']:,} crystals of [phonondb](https://github.com/atztogo/phonondb) "
        "(PBEsol cells, CC BY 4.0). *Step III* is the paper's sequence of trainings on one scale: formation energies, "
        "AGL values, then L96, HH143 or both (MIX). `accurate` is the model that kappatune "
        f"{result['versions']['kappatune']} shipped; [today's lowest](lowest.md) are others. The paper calls a crystal "
        f"a candidate if all members predict less than {BELOW_W_MK:g} W/(m K), and sorts by their relative spread.",
        table(
            ("model", "median κ, W/(m K)", "lowest 5 % below", "candidates by the rule"),
            [
                [
                    _title(name),
                    f"{about['median_w_mk']:.1f}",
                    f"{about['lowest_5_percent_w_mk']:.2f}",
                    str(about["n_all_members_below"]),
                ]
                for name, about in models.items()
            ],
        ),
        "Spearman rank correlation between the models:",
        table(
            ("", *titles),
            [
                [_title(name), *(f"{rho:.2f}" for rho in row.values())]
                for name, row in result["spearman_between_models"].items()
            ],
        ),
        "## Candidates",
        "The interval is that of `accurate`, [calibrated](benchmark.md) on binaries and half-Heuslers: nearly all of "
        "these crystals are neither, and for them it covers fewer than nine values in ten. *Domain* is the row's "
        "`in_domain`; *trained on* is yes if the formula is in L96, in HH143 or among the textbook crystals.",
    ]
    for name, rows in result["candidates"].items():
        n = models[name]["n_all_members_below"]
        first = f", the first {LISTED}" if n > LISTED else ""
        parts.append(f"### By the rule, {_title(name)}: {n or 'none'}{first}")
        parts += [_crystals(rows, list(models))] if rows else []
    parts += [
        f"### The lowest {LISTED} of `accurate`",
        _crystals(result["lowest"], list(models)),
        "## Compared with the authors' scan",
        "The rows of the authors' stored predictions are shifted against their ids; this comparison uses the realigned "
        "values. They carry no licence and are not reprinted here: the study writes them beside ours into "
        "`candidates.csv`.",
        "![Our values over the authors'](figures/candidates.png)",
        _comparison(result["against_published_scan"]),
        "The paper predicts 1.23 W/(m K) for its showcase BaSb2O6 (mp-9127), because of the shift, and computes 7.1 "
        "from first principles. The prediction here is "
        + ", ".join(f"{kappa:.1f} ({_title(name)})" for name, kappa in result["showcase"].items())
        + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _crystals(rows: Sequence[Mapping[str, Any]], models: Sequence[str]) -> str:
    steps = [name for name in models if name != "accurate"]
    columns = ("id", "formula", "atoms", "`accurate`", "interval", *map(_title, steps), "domain", "trained on")
    return table(
        columns,
        [
            [
                row["id"],
                row["formula"],
                str(row["n_atoms"]),
                f"{row['kappa_w_mk']['accurate']:.2f}",
                f"{row['lower_w_mk']:.2f} to {row['upper_w_mk']:.2f}",
                *(f"{row['kappa_w_mk'][name]:.2f}" for name in steps),
                _yes(row["in_domain"]),
                _yes(row["trained_on"]),
            ]
            for row in rows
        ],
    )


def _comparison(against: Mapping[str, Any]) -> str:
    columns = (
        "trained on",
        "crystals",
        "authors' candidates",
        "ours",
        "Spearman",
        f"of the lowest {LOWEST} in common",
        "candidates confirmed",
    )
    return table(
        columns,
        [
            [
                name,
                str(theirs["n_crystals"]),
                str(theirs["n_theirs_all_members_below"]),
                _title(label),
                f"{ours['spearman']:.2f}",
                str(ours[f"lowest_{LOWEST}_in_common"]),
                str(ours["n_theirs_that_all_our_members_confirm"]),
            ]
            for name, theirs in against.items()
            for label, ours in theirs["ours"].items()
        ],
    )


def _title(name: str) -> str:
    return "`accurate`" if name == "accurate" else f"step III, {name}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
