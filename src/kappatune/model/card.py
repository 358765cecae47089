"""The card of a model: what it is, and how it was made."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kappatune.model.heads import BASE_FIDELITY, PROPERTIES, Composition, TargetScaler
from kappatune.model.hosts import HostCard
from kappatune.model.intervals import NOT_CALIBRATED, IntervalCalibration, IntervalKind
from kappatune.model.rules import GraphRules
from kappatune.structures.table import Fidelity

SCHEMA_VERSION: Literal[3] = 3


class DataCard(BaseModel):
    """A table a model was trained on.

    Attributes:
        stage: Stage that used it.
        file: Its name.
        sha256: Hash of the file.
        rows_sha256: Hash of the rows used: structures, values and properties.
        fidelity: Rung it was used for.
        sources: Sources that the rows name.
        n_rows: Rows used.
        n_left_out: Rows not used, each with its reason in the run folder.
        label_doubts: Doubts about its labels by kind (`conflict`, `shift`, `outlier`, `duplicate`), each described in
            the run folder; empty also in models of earlier versions, which did not look.
    """

    model_config = ConfigDict(extra="forbid")

    stage: str
    file: str
    sha256: str
    rows_sha256: str
    fidelity: Fidelity
    sources: list[str]
    n_rows: int
    n_left_out: int
    label_doubts: dict[str, int] = {}


class ModelCard(BaseModel):
    """What a model is, and how it was made.

    Attributes:
        schema_version: Version of this format; see `kappatune.model.upgrades`.
        name: Name of the model.
        created: Date, ISO 8601.
        description: What it is for.
        recipe: The recipe it was trained by, as a plain record.
        rules: How its graphs are built.
        host: The network below the heads.
        embedding: Embedding level the heads take.
        head: Widths of the heads.
        composition: How kappa comes from the heads.
        fidelities: Rungs it predicts, in the order of training.
        default_fidelity: The one that is predicted by default.
        scaler: The one scale of its targets.
        calibration: Width of the intervals, per rung; a rung without has the spread itself.
        domain_limit: Where the domain of a rung ends (`model.domain.Domain`); a rung without knows its elements only.
        domain_share: Fraction of the labelled crystals of a rung that lies inside its domain if their formulas count as
            unlabelled; formulas that the start model had learnt are left out. Measured when a rung is trained.
        units: Unit of each quantity.
        elements: Atomic numbers seen with a label, per rung.
        formulas: Reduced formulas it was trained on, per rung.
        data: Tables it was trained on.
        members: Index of the stored host each member uses.
        metrics: Result of each stage, per member.
        versions: Library versions.
        licence: Of the weights.
        weights_sha256: Hash of the weights file.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[3] = SCHEMA_VERSION
    name: str
    created: str
    description: str
    recipe: dict[str, Any]
    rules: GraphRules
    host: HostCard
    embedding: str
    head: tuple[int, ...]
    composition: Composition
    fidelities: Annotated[list[Fidelity], Field(min_length=1)]
    default_fidelity: Fidelity
    scaler: TargetScaler
    calibration: dict[Fidelity, IntervalCalibration] = {}
    domain_limit: dict[Fidelity, float] = {}
    domain_share: dict[Fidelity, float] = {}
    units: dict[str, str]
    elements: dict[str, list[int]]
    formulas: dict[str, list[str]]
    data: list[DataCard]
    members: Annotated[list[int], Field(min_length=1)]
    metrics: dict[str, list[dict[str, Any]]]
    versions: dict[str, str]
    licence: str
    weights_sha256: str

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        if sorted(set(self.members)) != list(range(max(self.members) + 1)):
            raise ValueError("members: every stored host has to be used")
        if self.default_fidelity not in self.fidelities:
            raise ValueError(f"default_fidelity: '{self.default_fidelity}' is none of its fidelities")
        if self.composition == "debye" and (
            BASE_FIDELITY not in self.fidelities or len(self.scaler.properties) < len(PROPERTIES)
        ):
            raise ValueError(f"a 'debye' model needs the rung '{BASE_FIDELITY}' and the scale of every property")
        return self

    def interval_kind(self, rung: str) -> IntervalKind:
        """What the intervals of a rung rest on."""
        calibration = self.calibration.get(rung)  # type: ignore[call-overload]
        return calibration.kind if calibration else NOT_CALIBRATED

    @property
    def recipe_name(self) -> str:
        """Name of the recipe."""
        return str(self.recipe.get("name", self.name))

    @property
    def pretrained_columns(self) -> dict[str, str]:
        """Column that the host was pretrained on, for each pretraining stage by name."""
        stages = self.recipe.get("stages", [])
        return {stage["name"]: stage["pretrain"] for stage in stages if stage.get("pretrain")}

    @property
    def n_labels(self) -> dict[str, int]:
        """Number of labelled crystals of each rung, in the order of `fidelities`."""
        counts = Counter[str]()
        for table in self.data:
            if table.stage not in self.pretrained_columns:
                counts[table.fidelity] += table.n_rows
        return {fidelity: counts[fidelity] for fidelity in self.fidelities}
