"""What intervals and domains of a model rest on, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kappatune.cli.output import note

if TYPE_CHECKING:
    from kappatune.model.card import ModelCard
    from kappatune.model.evidence import Evidence
    from kappatune.model.intervals import IntervalKind

_FEWEST_FOR_PERCENT = 20


def note_intervals(kinds: Iterable[IntervalKind | None]) -> None:
    """Say on stderr what the intervals of a table rest on, unless they are calibrated."""
    from kappatune.model.intervals import INTERVAL_MEANING

    for kind in sorted({kind for kind in kinds if kind and kind != "calibrated"}):
        note(f"intervals are {kind}: {INTERVAL_MEANING[kind]}")


def rung_lines(card: ModelCard, evidence: Evidence | None = None) -> list[str]:
    """Coverage and width of the intervals, and the domain, of each rung.

    Args:
        card: Of the model.
        evidence: What was measured of it elsewhere, if anything.
    """
    lines = []
    for rung in card.fidelities:
        lines += [f"  {rung:10s} {_interval(card, rung, evidence)}", f"  {'':10s} {_domain(card, rung)}"]
    return lines


def _interval(card: ModelCard, rung: str, evidence: Evidence | None) -> str:
    calibration = card.calibration.get(rung)  # type: ignore[call-overload]
    parts = [f"intervals {card.interval_kind(rung)}"]
    if calibration:
        parts[0] += f" on {calibration.n} {'value' if calibration.n == 1 else 'values'} of formulas not learnt"
        if calibration.n_start:
            parts.append(f"the start model's count as {calibration.n_start}")
    measured = [one for one in evidence.calibration if one.fidelity == rung] if evidence else []
    if measured:
        nearest = min(range(len(measured[0].nominal)), key=lambda k: abs(measured[0].nominal[k] - 0.9))
        parts.append(f"held {measured[0].observed[nearest]:.0%} of values not learnt")
    elif calibration and calibration.coverage is not None:
        parts.append(
            f"held {_fraction(calibration.coverage, calibration.n)} values, each predicted without its formula"
        )
    if calibration and calibration.width:
        parts.append(f"for them typically a factor of {calibration.width:.2f} up and down")
    return ", ".join(parts)


def _domain(card: ModelCard, rung: str) -> str:
    limit, share = (values.get(rung) for values in (card.domain_limit, card.domain_share))  # type: ignore[call-overload]
    if limit is None:
        return "domain unknown beyond its elements"
    if share is None:
        inside = ""
    else:
        calibration = card.calibration.get(rung)  # type: ignore[call-overload]
        part = _fraction(share, calibration.n if calibration else None)
        inside = f", {part} labelled crystals inside, each without its formula"
    return f"domain reaches {limit:.2f} from its labelled crystals{inside}"


def _fraction(share: float, n: int | None) -> str:
    """A fraction of n things in words: `95% of the`, or `1 of 3` where there are too few for a percentage."""
    return f"{share:.0%} of the" if n is None or n >= _FEWEST_FOR_PERCENT else f"{round(share * n)} of {n}"
