"""The page on accuracy: errors on crystals that no stage had seen, intervals, families, and where not to trust."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from studies.markdown import note, number, table
from studies.phonix.accuracy_rows import FIGURES, Figure
from studies.phonix.agl_rung import IN_FOLDS, OF_DFT
from studies.phonix.continuity_section import continuity_section
from studies.phonix.evaluations import ALL_SETS
from studies.phonix.interval_goals import intervals_section
from studies.phonix.labels import PHONIX_SET
from studies.phonix.metrics import PhonixMetrics
from studies.phonix.reproducibility import reproducibility_text
from studies.phonix.results import PhonixResults
from studies.shipped_models import MODELS
from studies.transfer.comparisons import split_kind
from studies.transfer.evaluations import Evaluation
from studies.transfer.goals import weighted_mean

BEFORE = ("accurate-0.1", "fast-0.1")
"""The models of version 0.1, which today's are compared with."""

AGL_GOAL = 0.19
_THIRDS = ("low", "middle", "high")


def accuracy_page(
    results: PhonixResults,
    transfer: Sequence[Evaluation],
    agreement: Mapping[str, Any],
    continuity: Mapping[str, Any],
    again: Mapping[str, Any],
) -> str:
    """The page as Markdown.

    Args:
        results: Stored results on Phonix.
        transfer: Stored evaluations of the transfer study, with the models of version 0.1.
        agreement: Agreement of labels with a second set of values, as `studies.transfer.labels` stores it.
        continuity: What `studies.phonix.continuity` stores.
        again: What `studies.phonix.reproducibility` stores.
    """
    parts = [
        "# How accurate",
        note("accuracy", "phonix.jsonl", "python -m studies.phonix.recipes accurate fast --data FOLDER")
        + f" Computed {' and '.join(results.dates(MODELS)) or 'not yet'}; each record holds seed, time and versions.",
        "Errors are mean |log10 κ/κ′| unless another measure is named: 0.15 is a factor of 1.4, 0.30 a factor of 2. "
        "Models of the recipes of `accurate` and `fast` are trained again for each test. **No stage of them has seen "
        "the formula of a tested crystal, the AGL stage included**; only random folds leave other rows of a formula "
        "in, as published work does. Folds are fixed by a hash of the formula. A *prototype* is an anonymous formula, "
        "a space group and a number of sites; a *family* is what a table names, else anion and prototype. The shipped "
        "weights were then trained on everything, so no number here is of these weights themselves. A dash is a number "
        "that is not computed.",
        "## Figures",
        _figures_table(results, transfer, agreement),
        _legend(results, agreement),
        _misses(results),
        reproducibility_text(again),
        *intervals_section(results, MODELS),
        *_families_section(results),
        *continuity_section(continuity),
        _where_not_to_trust(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _figures_table(results: PhonixResults, transfer: Sequence[Evaluation], agreement: Mapping[str, Any]) -> str:
    columns = ("what", *(f"`{m}`" for m in MODELS), "0.1: `accurate`, `fast`", "trees", "published", "goal", "noise")
    rows = [
        [
            figure.title,
            *(figure.shown(results.metrics(f"{m} {figure.rung}", figure.protocol, figure.tested)) for m in MODELS),
            _before(figure, results, transfer),
            figure.shown(_trees(figure, results)),
            figure.published,
            figure.goal_text,
            f"{agreement[figure.noise]['mean_abs_log10']:.3f}" if figure.noise else "–",
        ]
        for figure in FIGURES
    ]
    return table(columns, [*rows, *_agl_rows(results, transfer, agreement)])


def _before(figure: Figure, results: PhonixResults, transfer: Sequence[Evaluation]) -> str:
    """The same number of the models of version 0.1, where it was measured on formulas that they had not seen."""
    if figure.protocol != "formula" or figure.tested not in (PHONIX_SET, "L96", "HH143"):
        return "–"
    if figure.tested == PHONIX_SET:
        found = [figure.shown(results.metrics(f"{m} dft", "shipped", PHONIX_SET)) for m in BEFORE]
    else:
        found = [number(_error_before(transfer, m, "grouped", figure.tested), 3) for m in BEFORE]
    return ", ".join(found)


def _error_before(transfer: Sequence[Evaluation], model: str, study: str, tested: str) -> float | None:
    chosen = [
        e
        for e in transfer
        if (e.model, e.study, e.train, e.test) == (model, study, tested, tested) and split_kind(e.split) == "formula"
    ]
    return weighted_mean(chosen, "mean_abs_log10") if chosen else None


def _trees(figure: Figure, results: PhonixResults) -> PhonixMetrics | None:
    return results.metrics(f"{MODELS[0]} trees", figure.protocol, figure.tested) if figure.rung == "dft" else None


def _agl_rows(
    results: PhonixResults, transfer: Sequence[Evaluation], agreement: Mapping[str, Any]
) -> Iterator[list[str]]:
    """Errors of the AGL rung: on all formulas in five folds, and on those of the DFT sets."""
    before = _error_before(transfer, BEFORE[0], "aflow", "AFLOW")
    noise = f"{agreement['AFLOW']['mean_abs_log10'] * math.log(10):.3f}"
    for protocol, title, of_before, goal in (
        (IN_FOLDS, "5 folds by formula", before, f"≤ {AGL_GOAL}"),
        (OF_DFT, "formulas of the DFT sets", None, "–"),
    ):
        agl = [results.agl_of(model, protocol) for model in MODELS]
        n = f"{agl[0].n:,} crystals" if agl[0] else "crystals"
        yield [
            f"AGL values of {n}, {title}, rung `agl`: mean abs ln",
            *(number(one.mean_abs_ln if one else None, 3) for one in agl),
            f"{number(None if of_before is None else of_before * math.log(10), 3)}, –",
            "–",
            "–",
            goal,
            noise,
        ]


def _legend(results: PhonixResults, agreement: Mapping[str, Any]) -> str:
    before = results.metrics(f"{BEFORE[0]} dft", "shipped", PHONIX_SET)
    n_before = f"{before.n} crystals" if before else "crystals"
    return (
        "*0.1*: the models of version 0.1, whose `dft` rung learnt 238 DFT values; on Phonix the shipped weights on "
        f"{n_before} of formulas without a label in them, on L96, HH143 and AFLOW their recipes by formula "
        "([benchmark](benchmark.md)). *Trees*: extremely randomised trees on what the correction of `accurate` sees, "
        "which a learner of a minute reaches. *Published*: (a) arXiv 2602.12109, 3,273 rows of the same source, random "
        "folds, MODNet; (b) arXiv 2605.11610, 6,966 rows, Orb embeddings with TabPFN, and eqV2-MEX for low κ. "
        "*Noise*: a second DFT calculation of the same crystals, as if it predicted the labels (`python -m "
        "studies.transfer.labels`): Phonix beside L96 "
        f"({agreement['L96, Phonix']['n']} crystals), L96 beside PBE, HH143 beside Phonix or measured values. The AGL "
        "stage has seen AFLOW's values of some measured Heuslers, which are in no DFT set; no rung has learnt a DFT or "
        "measured value of a tested formula."
    )


def _misses(results: PhonixResults) -> str:
    lines = []
    for model in MODELS:
        measured = [(f, results.metrics(f"{model} {f.rung}", f.protocol, f.tested)) for f in FIGURES]
        missed = [
            f"{f.title} ({f.shown(m)}, {f.goal_text}{_where(f, m)})" for f, m in measured if m and not f.is_met(m)
        ]
        reached = sum(1 for f, m in measured if m and f.is_met(m))
        if agl := results.agl_of(model, IN_FOLDS):
            if agl.mean_abs_ln <= AGL_GOAL:
                reached += 1
            else:
                missed.append(f"AGL values, 5 folds by formula ({agl.mean_abs_ln:.3f}, ≤ {AGL_GOAL})")
        if missed:
            lines.append(f"- `{model}` reaches {reached} of these goals and misses: {'; '.join(missed)}.")
    return "\n".join(lines)


def _where(figure: Figure, metrics: PhonixMetrics) -> str:
    """In which third of kappa the error is largest, for figures that are errors."""
    if figure.is_least:
        return ""
    name, worst = max(zip(_THIRDS, metrics.thirds_kappa, strict=False), key=lambda item: item[1].mean_abs_log10)
    return f"; most in the {name} third of κ, {worst.mean_abs_log10:.2f}, bias {worst.bias_log10:+.2f}"


def _families_section(results: PhonixResults) -> list[str]:
    rows = []
    for model in MODELS:
        own, base = (results.metrics(f"{model} {rung}", "family", ALL_SETS) for rung in ("dft", "agl and one constant"))
        if own is None or base is None:
            continue
        for name, part in own.families.items():
            plain = base.families[name].mean_abs_log10
            ends = (f"{part.bias_log10:+.2f}", f"{plain:.3f}", number(part.coverage))
            rows.append([f"`{model}`", name, str(part.n), f"{part.mean_abs_log10:.3f}", *ends])
        ranks = (number(own.spearman), f"{base.mean_abs_log10:.3f} (rank {number(base.spearman)})")
        rows.append([f"`{model}`", "all of them", str(own.n), f"{own.mean_abs_log10:.3f} (rank {ranks[0]})"])
        quality = own.intervals
        rows[-1] += [f"{own.bias_log10:+.2f}", ranks[1], number(quality.coverage if quality else None)]
    if not rows:
        return []
    columns = ("model", "family left out", "n", "error", "bias (log10)", "AGL rung and one constant", "held by 90 %")
    return [
        "## Families left out\n\nEach family of at least 20 crystals, predicted by models that have seen none of its "
        "crystals and no other crystal of their formulas, beside the Slack formula of the AGL rung times one constant "
        "fitted to the training rows. Half-Heuslers and rocksalts of Phonix are families of their own, by anion.",
        table(columns, rows),
    ]


_FAMILIES = {
    True: "The table of families says what to expect.",
    False: "Families left out are not computed yet; new prototypes and anions say what to expect.",
}
"""Where to look, by whether families left out are stored."""


def _where_not_to_trust(results: PhonixResults) -> str:
    return (
        "## Where not to trust\n\n"
        "- **Kinds of crystals unlike all labels.** "
        + _FAMILIES[results.metrics(f"{MODELS[0]} dft", "family", ALL_SETS) is not None]
        + _tetrahedral(results)
        + "\n- **The lowest and the highest κ.**"
        + _ends_of_kappa(results)
        + "\n- **Strong anharmonicity, glass-like and molecular crystals, mobile ions.** Labels have three-phonon "
        "scattering, some with coherences; none has four-phonon processes, disorder or rotating molecules.\n"
        "- **What a number means:** κ at 300 K of a perfect infinite crystal, the lattice's part alone, and the mean "
        "over directions."
    )


def _tetrahedral(results: PhonixResults) -> str:
    found = results.metrics(f"{MODELS[0]} dft", "tetrahedral", ALL_SETS)
    if found is None:
        return ""
    return (
        f" Diamonds, zincblendes and wurtzites, left out of everything, are off by {found.mean_abs_log10:.2f}, biased "
        f"by {found.bias_log10:+.2f}: nothing in other crystals tells how well they conduct. The shipped models know "
        "many of them."
    )


def _ends_of_kappa(results: PhonixResults) -> str:
    found = results.metrics(f"{MODELS[0]} dft", "formula", PHONIX_SET)
    if found is None:
        return ""
    low, _, high = found.thirds_kappa
    return (
        f" Of new formulas of Phonix, the lowest third in κ is biased by {low.bias_log10:+.2f}, the highest by "
        f"{high.bias_log10:+.2f}."
    )
