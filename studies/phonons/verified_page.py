"""The page of verified candidates, made from stored results alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kappatune.model.prediction import Prediction
from kappatune.potentials import Potential
from kappatune.verification import VerifySettings
from kappatune.verification.calibration import shipped_calibrations
from kappatune.verification.verdict import Assessment, assess
from studies.markdown import note, table
from studies.phonons.candidate_choice import MAX_ATOMS, N_CANDIDATES, N_PER_ANION, N_PER_PROTOTYPE
from studies.store import load_result, load_results

RESULT_PREFIX = "verify_candidates_"
SHOWCASE = "mp-9127"
"""BaSb2O6, which the paper checks."""

DEFAULT = "nequix"
"""The potential that the headline counts: how its name begins."""

BELOW_W_MK = 1.0
_PAPER = "1.23 predicted, 7.1 computed (arXiv 2411.18259)"
_COLUMNS = ("id", "formula", "predicted (interval)", "AGL", "phonons", "best estimate", "verdict", "remark")


def verified_page() -> str:
    """The page as Markdown: one table per potential, the default first."""
    results = sorted(load_results(RESULT_PREFIX), key=lambda result: not result["potential"].startswith(DEFAULT))
    command = "python -m studies.phonons.verify_candidates --data FOLDER --scan SCAN"
    parts = [
        "# Candidates, verified",
        note("verified", f"{RESULT_PREFIX}*.json", command),
        _headline(results, load_result("lowest")),
        f"Quality standard, RTA with coherences, no Born charges, phono3py {results[0]['phono3py']}. [What the columns "
        f"mean](verify.md). The candidates are the {N_CANDIDATES} lowest in the domain of `accurate` in its [scan of "
        f"the pool](lowest.md) that have at most {MAX_ATOMS} atoms and a formula in no table of any rung: one of each "
        f"formula, at most {N_PER_PROTOTYPE} of an anonymous formula and {N_PER_ANION} of an anion. {SHOWCASE} is "
        f"BaSb2O6, the discovery of the paper, which reports {_PAPER}. "
        "κ in W/(m K) at 300 K; verdict and best estimate follow today's [calibration](calibration.md), AGL is of the "
        "day of the run, with equal weights in [the fit of the energies](agl-calibration.md#the-fit-of-the-energies).",
        f"![{SHOWCASE}](figures/verified_showcase.png)",
    ]
    for result in results:
        rows = result["rows"]
        counts = Counter(_verdict(row) for row in rows if row["id"] != SHOWCASE)
        summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        missing = N_CANDIDATES - counts.total()
        parts += [
            f"## {result['potential']}, {result['date']}",
            f"Of {counts.total()} candidates: {summary}." + (f" {missing} were not computed." if missing else ""),
            table(_COLUMNS, [_cells(row) for row in rows]),
        ]
    return "\n\n".join(parts) + "\n"


def _headline(results: Sequence[Mapping[str, Any]], scan: Mapping[str, Any]) -> str:
    """How many candidates hold, and how many would by chance."""
    default = results[0]
    rows = [row for row in default["rows"] if row["id"] != SHOWCASE]
    answered = [found for row in rows if (found := _assessed(row))]
    hold = sum(1 for found in answered if (found.kappa_best_w_mk or BELOW_W_MK) < BELOW_W_MK)
    surely = sum(1 for found in answered if (found.best_upper_w_mk or BELOW_W_MK) < BELOW_W_MK)
    failed = Counter(row["outcome"] for row in rows if row["outcome"] != "answered")
    sentences = [
        f"**{hold} of {len(rows)} hold**: {default['potential']} has no imaginary modes, and the best estimate lies "
        f"below {BELOW_W_MK:g} W/(m K); for {surely} of these the whole interval does.",
        f"Of the {len(answered)} with a phonon value {hold} hold; of the others "
        + " and ".join(f"{count} have the outcome *{outcome}*" for outcome, count in failed.most_common())
        + ".",
        f"By chance, {len(rows) * scan['share_below_in_pool']:.0f} of {len(rows)} crystals of the pool would be "
        f"predicted below {BELOW_W_MK:g} W/(m K), imaginary modes not counted.",
        "Imaginary modes are no proof against a crystal: this calculation at rest does not know that many soft halides "
        "are stabilised by their anharmonicity at 300 K. Without a value nothing is confirmed either.",
    ]
    return " ".join([*sentences, *(_beside(result, rows) for result in results[1:])])


def _beside(result: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Where another potential gives values and imaginary modes as the default does."""
    outcome = {row["id"]: row["outcome"] for row in rows}
    both = [row["outcome"] for row in result["rows"] if outcome.get(row["id"]) == "answered"]
    imaginary = [row["outcome"] for row in result["rows"] if outcome.get(row["id"]) == "imaginary modes"]
    return (
        f"{result['potential']} has values for {both.count('answered')} and imaginary modes for "
        f"{both.count('imaginary modes')} of the {len(both)} that it was asked for and that have a value above, and "
        f"imaginary modes for {imaginary.count('imaginary modes')} of {len(imaginary)} that have them above."
    )


def _cells(row: Mapping[str, Any]) -> list[str]:
    interval = ""
    if row["lower_w_mk"] and row["upper_w_mk"]:
        interval = f" ({row['lower_w_mk']:.2g} to {row['upper_w_mk']:.2g})"
    found = _assessed(row)
    best = "–"
    if found and found.kappa_best_w_mk:
        best = f"{found.kappa_best_w_mk:.2g} ({found.best_lower_w_mk:.2g} to {found.best_upper_w_mk:.2g})"
    return [
        row["id"],
        row["formula"],
        _two_digits(row["predicted_w_mk"]) + interval,
        _two_digits(row["agl_w_mk"]),
        _two_digits(row["kappa_bte_w_mk"]),
        best,
        _verdict(row),
        row["reason"] or "; ".join(row["warnings"]),
    ]


def _verdict(row: Mapping[str, Any]) -> str:
    found = _assessed(row)
    verdict: str = found.verdict if found else row["outcome"]
    return verdict


def _assessed(row: Mapping[str, Any]) -> Assessment | None:
    """The verdict by today's rule; None without a phonon value."""
    if row["outcome"] != "answered":
        return None
    prediction = Prediction(
        id=row["id"],
        kappa_w_mk=row["predicted_w_mk"],
        lower_w_mk=row["lower_w_mk"],
        upper_w_mk=row["upper_w_mk"],
        interval=row["interval"] or "calibrated",
    )
    potential = Potential(row["potential"].split(" ")[0], "", None)
    settings = VerifySettings.of("standard", wigner=True)
    return assess(row["kappa_bte_w_mk"], potential, settings, shipped_calibrations(), prediction, row["agl_w_mk"])


def _two_digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"
