"""Bodies of requests and responses of the API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kappatune.model.prediction import Prediction
from kappatune.structures.plain import Structure

Temperature = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]


class ApiModel(BaseModel):
    """Base of all bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Problem(ApiModel):
    """Why a request failed, in a sentence."""

    detail: str


class TextFile(ApiModel):
    """A structure file as text.

    Attributes:
        name: Its name.
        text: Its content: CIF, POSCAR, extxyz or pymatgen JSON; the kind is recognised.
    """

    name: str = Field(default="", max_length=400)
    text: str


class PredictBody(ApiModel):
    """What to predict: files, structures, or both."""

    files: list[TextFile] = []
    structures: list[Structure] = []


class PredictAnswer(ApiModel):
    """Rows in the order of the request.

    Attributes:
        model: Name of the model.
        fidelity: Rung of the values.
        rows: One per crystal, as `kappatune predict --json` prints them; a file that cannot be read is one row.
        crystals: The hash of each crystal for `/crystals/HASH`; null where a row has no answer.
    """

    model: str
    fidelity: str
    rows: list[Prediction]
    crystals: list[str | None]


class StreamLine(ApiModel):
    """One line of a streamed answer.

    Attributes:
        files_done: Files answered so far.
        files: Files of the request, those inside archives included.
        row: The prediction.
        structure: The crystal; null where it could not be read.
        crystal: Its hash for `/crystals/HASH`; null without an answer.
        error: Why the stream ends early.
    """

    files_done: int
    files: int
    row: Prediction | None = None
    structure: Structure | None = None
    crystal: str | None = None
    error: str | None = None


class CurvePoint(ApiModel):
    """Kappa at a temperature, K and W/(m K)."""

    temperature_k: float
    kappa_w_mk: float
    lower_w_mk: float | None = None
    upper_w_mk: float | None = None


class Neighbour(ApiModel):
    """A labelled crystal near the one asked for.

    Attributes:
        id: Its name.
        formula: Reduced formula.
        kappa_w_mk: Its value at 300 K, W/(m K).
        fidelity: Where the value comes from.
        source: Who measured or computed it.
        distance: In the embedding of the first member, in units of its spread over the training crystals.
    """

    id: str
    formula: str
    kappa_w_mk: float
    fidelity: str
    source: str
    distance: float


class LabelledValue(ApiModel):
    """A labelled crystal, for comparison."""

    formula: str
    kappa_w_mk: float
    fidelity: str


class LabelTable(ApiModel):
    """A table of labelled crystals: its name, what its values are, and how many."""

    name: str
    fidelity: str
    sources: list[str]
    n: int


class LabelsAnswer(ApiModel):
    """All labelled crystals that the page compares with."""

    tables: list[LabelTable]
    values: list[LabelledValue]


class Health(ApiModel):
    """The state of the server.

    Attributes:
        status: Always `ok`.
        version: Version of kappatune.
        model: Name of the model.
        batches: Batches predicted since the start.
        crystals: Crystals in them.
    """

    status: Literal["ok"] = "ok"
    version: str
    model: str
    batches: int
    crystals: int
