"""A verification whose time was measured, beside its estimate."""

from __future__ import annotations

from typing import Literal

from kappatune.verification.cost import relaxation_calls
from kappatune.verification.phono3py_time import Phono3pyWork
from kappatune.verification.settings import Quality
from studies.store import Record

Purpose = Literal["constants", "judged"]
"""Whether the constants of the estimate are fitted to a crystal, or the estimate is judged on it."""


class TimedVerification(Record):
    """One crystal; times are processor times on one thread, s.

    Attributes:
        record: Kind of the record.
        purpose: What it serves.
        crystal: Name.
        space_group: International number of the crystal as given.
        quality: Quality of the verification.
        outcome: `answered`, or what went wrong.
        work: What phono3py has to do, as `Phono3pyWork` says beforehand.
        n_forces: Force calculations.
        n_found: Forces that the folder of the crystal held already.
        primitive_s: One evaluation of the primitive cell.
        estimated_forces_s: The estimate of the force calculations; None where the constants are fitted, for the
            forces were there.
        taken_s: By part, as in a row of `verify`.
        meshes: Points and time of each mesh.
        potential: Name and version.
        date: When.
    """

    record: Literal["timed_verification"] = "timed_verification"
    purpose: Purpose
    crystal: str
    space_group: int
    quality: Quality
    outcome: str
    work: Phono3pyWork
    n_forces: int
    n_found: int
    primitive_s: float
    estimated_forces_s: float | None
    taken_s: dict[str, float]
    meshes: list[tuple[int, float]]
    potential: str
    date: str

    @property
    def name(self) -> str:
        """Purpose, crystal and quality."""
        return f"{self.purpose} {self.crystal} {self.quality}"

    @property
    def estimated_phono3py_s(self) -> float:
        """With today's constants."""
        return self.work.setup_seconds + self.work.transport_seconds

    @property
    def ratio(self) -> float:
        """Estimated over taken time, with today's constants; only of crystals that the estimate is judged on."""
        assert self.estimated_forces_s is not None
        relaxation = relaxation_calls(self.space_group) * self.primitive_s
        return (relaxation + self.estimated_forces_s + self.estimated_phono3py_s) / self.taken_s["total"]

    @property
    def phono3py_ratio(self) -> float:
        """The same of phono3py's share, the preparation of the estimate included."""
        return self.estimated_phono3py_s / (self.taken_s["estimate"] + self.taken_s["phono3py"])
