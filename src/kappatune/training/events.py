"""What a training run reports while it works; `kappatune.progress.Advanced` counts the epochs of a stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kappatune.progress import Event
from kappatune.training.label_doubts import LabelDoubt, count_kinds, first_lines, kinds_in_words


@dataclass(frozen=True)
class StagePrepared(Event):
    """The rows of a stage are read and chosen.

    Attributes:
        stage: Name of the stage.
        n_crystals: Labelled crystals it trains on, its validation part among them.
        fidelity: Rung it trains.
    """

    stage: str
    n_crystals: int
    fidelity: str

    def __str__(self) -> str:
        """Stage, number of crystals and fidelity."""
        return f"stage {self.stage}: {self.n_crystals} crystals of the fidelity {self.fidelity}"


@dataclass(frozen=True)
class RowsLeftOut(Event):
    """Some rows of the tables cannot be used.

    Attributes:
        n_rows: How many.
        examples: The first of them, each with its reason.
        reasons: File that holds one JSON object per row, with its reason; None if the run is not kept.
    """

    n_rows: int
    examples: str
    reasons: Path | None

    def __str__(self) -> str:
        """How many, and why or where the reasons are."""
        rows = "1 row was" if self.n_rows == 1 else f"{self.n_rows} rows were"
        return f"{rows} left out: " + (f"see {self.reasons}" if self.reasons else self.examples)


@dataclass(frozen=True)
class LabelsDoubted(Event):
    """Some labels may be wrong; the training goes on.

    Attributes:
        doubts: The doubts, the grave ones first.
        report: File that holds them, one JSON object a line; None if the run is not kept.
    """

    doubts: tuple[LabelDoubt, ...]
    report: Path | None

    def __str__(self) -> str:
        """How many of each kind, and the first of them, one a line."""
        see = f"; all of them: {self.report}" if self.report else ""
        return f"labels in doubt: {kinds_in_words(count_kinds(self.doubts))}{see}\n{first_lines(self.doubts)}"


@dataclass(frozen=True)
class StageFinished(Event):
    """One member of the ensemble has finished one stage, in this run or in an earlier one that is resumed.

    Attributes:
        member: Number of the member, counted from 1.
        n_members: Members of the ensemble.
        stage: Name of the stage.
        epochs: Epochs run.
        validation_error: Mean absolute error on the inner validation part; None without one.
        error_of: What the error is an error of: `ln kappa`, or the column that the stage pretrains on.
    """

    member: int
    n_members: int
    stage: str
    epochs: int
    validation_error: float | None
    error_of: str = "ln kappa"

    def __str__(self) -> str:
        """Member, stage, epochs and error."""
        error = "no validation part"
        if self.validation_error is not None:
            error = f"validation error of {self.error_of}: {self.validation_error:.3f}"
        return f"member {self.member} of {self.n_members}, stage {self.stage}: {self.epochs} epochs, {error}"
