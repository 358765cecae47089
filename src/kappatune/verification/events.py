"""Progress of a verification: events that name their crystal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kappatune.progress import Event
from kappatune.verification.cost import Cost

Step = Literal["relaxation", "forces", "transport", "AGL"]


@dataclass(frozen=True)
class NequixMissing(Event):
    """The most accurate potential is not on this machine, and another one is used.

    Attributes:
        used: Name of the other one.
    """

    used: str

    def __str__(self) -> str:
        """In one line, with what to do."""
        return (
            f"nequix-mp-1-pft, the most accurate potential for phonons, is not on this machine, so {self.used} is used "
            "instead, without a verdict: `kappatune data fetch nequix` downloads its weights (3 MB, CC BY 4.0)"
        )


@dataclass(frozen=True)
class CrystalEvent(Event):
    """Something about one crystal.

    Attributes:
        crystal: Its id.
    """

    crystal: str


@dataclass(frozen=True)
class CostEstimated(CrystalEvent):
    """What a crystal will cost, before it begins.

    Attributes:
        cost: Force calculations, time and memory.
        n_on_disk: Forces that an earlier run left in the folder of this crystal.
    """

    cost: Cost
    n_on_disk: int = 0

    def __str__(self) -> str:
        """In one line."""
        on_disk = f"; {self.n_on_disk} of the forces are on disk already" if self.n_on_disk else ""
        return f"{self.crystal}: {self.cost}{on_disk}"


@dataclass(frozen=True)
class StepStarted(CrystalEvent):
    """A step begins.

    Attributes:
        step: Its name.
    """

    step: Step

    def __str__(self) -> str:
        """In one line."""
        return f"{self.crystal}: {self.step}"


@dataclass(frozen=True)
class ForcesProgress(CrystalEvent):
    """How far the force calculations of a crystal are.

    Attributes:
        done: Displaced cells whose forces are known.
        total: Displaced cells in all.
    """

    done: int
    total: int

    def __str__(self) -> str:
        """In one line."""
        return f"{self.crystal}: forces of {self.done} of {self.total} displaced cells"


@dataclass(frozen=True)
class CrystalFinished(CrystalEvent):
    """The row of a crystal is ready.

    Attributes:
        outcome: As in the row.
    """

    outcome: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.crystal}: {self.outcome}"
