"""Bodies of requests and responses of the API."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kappatune.model.explanation import Explanation
from kappatune.model.prediction import Prediction
from kappatune.structures import BadCrystal, Crystal, Rejection, check
from kappatune.structures.crystal import atomic_number, element_symbol

Vector = tuple[float, float, float]
Temperature = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]


class ApiModel(BaseModel):
    """Base of all bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Problem(ApiModel):
    """Why a request failed, in a sentence."""

    detail: str


class Structure(ApiModel):
    """A crystal, in the columns of kappatune's tables.

    Attributes:
        id: Name that comes back in the row.
        lattice: Row vectors, Å.
        species: Chemical symbol of each atom.
        frac_coords: Fractional coordinates of each atom.
        remarks: What reading its file found to say; they come back in the row.
    """

    id: str = Field(default="", max_length=400)
    lattice: tuple[Vector, Vector, Vector]
    species: list[str] = Field(min_length=1)
    frac_coords: list[Vector] = Field(min_length=1)
    remarks: list[Annotated[str, Field(max_length=1000)]] = Field(default=[], max_length=10)

    @classmethod
    def of(cls, crystal: Crystal) -> Structure:
        """The structure of a crystal."""
        return cls.model_construct(
            id=crystal.id,
            lattice=crystal.lattice.tolist(),
            species=[element_symbol(z) for z in crystal.numbers.tolist()],
            frac_coords=crystal.frac_coords.tolist(),
            remarks=list(crystal.remarks),
        )

    def crystal(self, position: int = 1) -> Crystal | Rejection:
        """The checked crystal, or why there is none; `position` names one without an id."""
        name = self.id or f"structure {position}"
        try:
            if len(self.species) != len(self.frac_coords):
                raise BadCrystal(f"{len(self.species)} species but {len(self.frac_coords)} frac_coords: give one each")
            numbers = [atomic_number(symbol, site) for site, symbol in enumerate(self.species, 1)]
            return check(
                Crystal(
                    np.array(self.lattice),
                    np.array(numbers),
                    np.array(self.frac_coords),
                    id=name,
                    remarks=tuple(self.remarks),
                )
            )
        except BadCrystal as error:
            return Rejection(name, str(error))


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
    """

    model: str
    fidelity: str
    rows: list[Prediction]


class StreamLine(ApiModel):
    """One line of a streamed answer.

    Attributes:
        files_done: Files answered so far.
        files: Files of the request, those inside archives included.
        row: The prediction.
        structure: The crystal; null where it could not be read.
        error: Why the stream ends early.
    """

    files_done: int
    files: int
    row: Prediction | None = None
    structure: Structure | None = None
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


class ExplainAnswer(ApiModel):
    """Everything about one crystal.

    Attributes:
        row: The prediction at the temperature asked for.
        row_300k: The prediction at 300 K.
        interval: What the interval means, in a sentence.
        members_w_mk: Kappa of each member at 300 K, W/(m K).
        n_atoms: Atoms in the cell that was given.
        classical_from_k: Lowest temperature at which kappa falls as 1/T, K; null if unknown.
        curve: Kappa against temperature, from `classical_from_k` up.
        nearest: The nearest labelled crystals.
        contributions: The factors of kappa; null if the model predicts no Debye temperature.
    """

    row: Prediction
    row_300k: Prediction
    interval: str
    members_w_mk: list[float]
    n_atoms: int
    classical_from_k: float | None
    curve: list[CurvePoint]
    nearest: list[Neighbour]
    contributions: Explanation | None


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
