"""Benchmark figures and calibration of a model, beside its card.

`evidence.json` lies beside `card.json` and is optional. Whoever evaluates a model writes it, and the
page shows it as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kappatune.errors import UserError
from kappatune.model.intervals import IntervalCalibration

EVIDENCE = "evidence.json"

TableValue = str | int | float | None
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class BadEvidence(UserError):
    """An evidence file that cannot be shown; the message names the fault."""


class EvidenceTable(BaseModel):
    """The figures of one benchmark.

    Attributes:
        title: What was measured.
        columns: Names of the columns, with units.
        rows: Cells, as many per row as columns.
        note: How it was measured: command, date, seed, what was left out.
    """

    model_config = ConfigDict(extra="forbid")

    title: str
    columns: list[str] = Field(min_length=1)
    rows: list[list[TableValue]]
    note: str = ""

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(f"row {number} has {len(row)} cells for {len(self.columns)} columns")
        return self


class IntervalCoverage(BaseModel):
    """How often intervals contain the value, on crystals the model was not trained on.

    Attributes:
        fidelity: Rung.
        nominal: Nominal shares of values inside, 0 to 1.
        observed: Observed shares of measured or computed values inside, one per nominal one.
        n: Number of crystals, if known.
    """

    model_config = ConfigDict(extra="forbid")

    fidelity: str
    nominal: list[Share] = Field(min_length=1)
    observed: list[Share]
    n: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if len(self.nominal) != len(self.observed):
            raise ValueError(f"{len(self.nominal)} nominal shares but {len(self.observed)} observed ones")
        return self


class Evidence(BaseModel):
    """Everything in an evidence file.

    Attributes:
        date: When it was measured, ISO 8601.
        tables: Benchmark figures.
        calibration: One entry per rung.
    """

    model_config = ConfigDict(extra="forbid")

    date: str
    tables: list[EvidenceTable] = []
    calibration: list[IntervalCoverage] = []


def read_evidence(folder: Path) -> Evidence | None:
    """The evidence in a model's folder, or None if there is none.

    Raises:
        BadEvidence: The file is there but does not fit the schema.
    """
    path = folder / EVIDENCE
    if not path.is_file():
        return None
    try:
        return Evidence.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise BadEvidence(f"{path}: {faults}") from error
    except ValueError as error:
        raise BadEvidence(f"{path}: not readable as JSON ({error})") from error


def interval_note(evidence: Evidence | None, fidelity: str, calibration: IntervalCalibration | None = None) -> str:
    """What the interval of a rung means, in a sentence or two for people.

    Args:
        evidence: What was measured of the model, if it came with it.
        fidelity: The rung.
        calibration: Of its intervals, if they are calibrated.
    """
    measured = [c for c in evidence.calibration if c.fidelity == fidelity] if evidence else []
    if measured:
        nearest = min(zip(measured[0].nominal, measured[0].observed, strict=True), key=lambda pair: abs(pair[0] - 0.9))
        return (
            "The 90 % interval was checked on formulas the model was not trained on, of the kinds of crystals it was "
            f"trained on: a nominal {nearest[0]:.0%} interval contained {nearest[1]:.0%} of their values."
        )
    if calibration is None:
        return (
            "The 90 % interval is the spread of the ensemble's members. It is not calibrated: it is too narrow "
            "where all members share an error."
        )
    held = "" if calibration.coverage is None else f", of which it held {calibration.coverage:.0%}"
    own = f"{calibration.n} values of formulas that had not been learnt{held}"
    if calibration.kind == "calibrated":
        return f"The 90 % interval was calibrated in training on {own}."
    return f"The 90 % interval rests mainly on that of the model that training started from, and on {own}."
