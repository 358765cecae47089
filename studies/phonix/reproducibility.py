"""Does another run, from the first stage on, give the same numbers?

    python -m studies.phonix.recipes accurate --data FOLDER --results AGAIN --work NEW [--protocol formula ...]
    python -m studies.phonix.reproducibility AGAIN

The second command compares every error that both runs have, and stores how far they differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kappatune.errors import UserError
from studies.phonix.evaluations import PhonixEvaluation
from studies.phonix.labels import PHONIX_SET
from studies.phonix.results import PhonixResults
from studies.store import save_result

AGAIN = "phonix_again"
"""Name of the stored result."""

NAMED = (
    ("accurate dft", "formula", PHONIX_SET),
    ("accurate dft", "low", PHONIX_SET),
    ("accurate dft", "tetrahedral", "L96"),
)
"""Model, protocol and tested set of the errors that the page shows by name."""


def main(again: Annotated[Path, typer.Argument(help="Results of the second run.")]) -> None:
    """Compare a second run of `studies.phonix.recipes` with the stored one."""
    save_result(AGAIN, compared(PhonixResults.read().evaluations, PhonixResults.read(again).evaluations))


def compared(first: Sequence[PhonixEvaluation], second: Sequence[PhonixEvaluation]) -> dict[str, Any]:
    """Errors of two runs beside each other.

    Raises:
        UserError: The second run has not all errors of `NAMED`.
    """
    errors, again = _errors(first), _errors(second)
    common = sorted(errors.keys() & again.keys())
    if missing := set(NAMED) - set(common):
        raise UserError(f"the second run has no error of {', '.join(min(missing))}")
    return {
        "dates": [sorted({one.date for one in run if _key(one) in common}) for run in (first, second)],
        "n": len(common),
        "largest_difference": max(abs(again[key] / errors[key] - 1.0) for key in common),
        "named": [{"name": ", ".join(key), "first": errors[key], "second": again[key]} for key in NAMED],
    }


def reproducibility_text(result: Mapping[str, Any]) -> str:
    """What the page says of it."""
    named = "; ".join(f"{one['name']}: {one['first']:.4f}, {one['second']:.4f}" for one in result["named"])
    largest = result["largest_difference"]
    difference = f"differ by at most {largest:.1g} of their value" if largest else "are equal to the last digit"
    return (
        f"All stages and corrections of `accurate` were trained a second time in an empty folder "
        f"({' and '.join(result['dates'][1])}, `python -m studies.phonix.reproducibility`): {result['n']} errors "
        f"{difference} ({named})."
    )


def _key(one: PhonixEvaluation) -> tuple[str, str, str]:
    return one.model, one.protocol, one.tested


def _errors(run: Sequence[PhonixEvaluation]) -> dict[tuple[str, str, str], float]:
    return {_key(one): one.metrics.mean_abs_log10 for one in run}


if __name__ == "__main__":
    typer.run(main)
