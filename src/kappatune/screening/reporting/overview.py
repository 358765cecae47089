"""What a report shows about a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

DECADES = (-3, 5)
"""Range of log10 of kappa in W/(m K) that figures show; values beyond are counted in the outermost bin."""

STEPS_PER_DECADE = 20
"""Finest bins of kappa in figures."""


class ReasonCount(NamedTuple):
    """Crystals that share a reason.

    Attributes:
        reason: The reason, with … for what differs between crystals; empty for all other reasons.
        n: How many.
        example: Id of one of them.
    """

    reason: str
    n: int
    example: str


class RemarkCount(NamedTuple):
    """Crystals with an answer that share a kind of remark.

    Attributes:
        remark: The remark of one of them.
        n: How many.
        example: Id of that one.
    """

    remark: str
    n: int
    example: str


class KappaBin(NamedTuple):
    """A bin of the distribution of kappa.

    Attributes:
        step: Lower end, log10(kappa in W/(m K)) times `STEPS_PER_DECADE`.
        in_domain: Crystals in domain.
        other: Other crystals with an answer.
    """

    step: int
    in_domain: int
    other: int


class DensityCell(NamedTuple):
    """Crystals of about the same property and kappa, a box of a density plot.

    Attributes:
        x: The property, rounded down to a whole number.
        step: As in `KappaBin`.
        n: How many.
    """

    x: int
    step: int
    n: int


class SampleCrystal(NamedTuple):
    """One crystal of the sample that figures show.

    Attributes:
        id: Its id.
        formula: Its formula.
        kappa: W/(m K).
        mean_mass: u; None if unknown.
        n_atoms: In the cell; None if unknown.
        in_domain: Whether it is in domain.
    """

    id: str
    formula: str | None
    kappa: float
    mean_mass: float | None
    n_atoms: int | None
    in_domain: bool | None


class ElementMedian(NamedTuple):
    """Crystals that contain an element.

    Attributes:
        n: How many have an answer.
        in_domain: How many of these are in domain.
        kappa: Their median, W/(m K) (of an even number the lower middle one, within 0.25 %).
    """

    n: int
    in_domain: int
    kappa: float


class ExtremeCrystal(NamedTuple):
    """A crystal in domain with one of the lowest or highest values.

    Attributes:
        id: Its id.
        formula: Its formula.
        n_atoms: In the cell.
        kappa: W/(m K).
        lower: Lower end of the interval, W/(m K).
        upper: Upper end of the interval, W/(m K).
        known_rungs: Rungs whose training data contain the formula.
        structure_hash: Hash of its structure.
        remarks: What to know although the number stands.
    """

    id: str
    formula: str | None
    n_atoms: int | None
    kappa: float
    lower: float | None
    upper: float | None
    known_rungs: list[str] | None
    structure_hash: str | None
    remarks: list[str] | None = None


@dataclass(frozen=True)
class ScanOverview:
    """All that a report shows about a scan.

    Attributes:
        name: Name of the scan's folder.
        complete: Whether the scan has finished.
        about: What the scan records about itself: model, time, command, versions.
        n_rows: All crystals.
        n_answered: Crystals with a value.
        n_in_domain: Crystals with a value that are in domain.
        n_low: Crystals in domain with kappa below 1 W/(m K).
        unanswered: Why crystals have no value, most frequent first.
        out_of_domain: Why crystals with a value are not in domain.
        remarks: Remarks on crystals with a value, one of each kind, most frequent first.
        bins: Distribution of kappa.
        by_mass: kappa over mean atomic mass, u.
        by_n_atoms: kappa over the number of atoms in the cell.
        sample: Some crystals, the same for the same scan.
        median: Over all crystals with an answer.
        elements: Medians by element symbol.
        lowest: In domain, lowest kappa first, each structure once.
        highest: In domain, highest kappa first, each structure once.
    """

    name: str
    complete: bool
    about: dict[str, Any]
    n_rows: int
    n_answered: int
    n_in_domain: int
    n_low: int
    unanswered: list[ReasonCount]
    out_of_domain: list[ReasonCount]
    remarks: list[RemarkCount]
    bins: list[KappaBin]
    by_mass: list[DensityCell]
    by_n_atoms: list[DensityCell]
    sample: list[SampleCrystal]
    median: ElementMedian | None
    elements: dict[str, ElementMedian]
    lowest: list[ExtremeCrystal]
    highest: list[ExtremeCrystal]
