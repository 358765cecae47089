"""Recipes: YAML files that describe how a model is trained, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kappatune.errors import UserError
from kappatune.model.heads import BASE_FIDELITY, Composition, Property, Target
from kappatune.model.rules import GraphRules
from kappatune.storage import ASSETS
from kappatune.structures.table import Fidelity

SHIPPED = ASSETS / "recipes"

Learner = Literal["gradient", "trees", "gaussian-process"]
TEACHERS: dict[Learner, str] = {"trees": "trees fit", "gaussian-process": "a Gaussian process fits"}
"""Learners of corrections that are distilled into the head, and how a message speaks of them."""


class BadRecipe(UserError):
    """A recipe that does not fit; the message names the field."""


class BadRun(UserError):
    """A training run that cannot start or continue; the message says why."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Validation(_Strict):
    """The inner validation part, split by formula from the training data of the stage.

    Attributes:
        fraction: Fraction of the formulas that is held out.
        patience: Epochs without improvement after which the stage stops.
    """

    fraction: float = Field(default=0.1, gt=0, lt=1)
    patience: int | None = Field(default=None, ge=1)


class Stage(_Strict):
    """How one rung is trained: tables, fidelity, and the settings of the fit.

    Attributes:
        name: Name of the stage, used in logs and folders.
        data: Tables inside the data folder; `shipped:prototypes` and `shipped:textbook` come with the package; empty:
            the table given to `train --data` itself.
        pretrain: Column on which the host is pretrained, with a head that is then discarded; kappa is not used.
        fidelity: Rows of this fidelity are used; without it, the only fidelity in the table.
        joined: Rows of these fidelities are used as if they were of that one.
        learner: `gradient` fits what is not frozen; `trees` fits trees to a correction and distils them into its head
            (`kappatune.training.corrections`), without loss, learning rate and epochs; `gaussian-process` does the same
            with a Gaussian process, for hundreds to thousands of values.
        frozen: Prefixes of the names of parameters that are not trained (`host`, `host.blocks.0`, ...).
        properties: Columns that hold further targets of the `agl` rung of a `debye` model.
        loss_weights: Weight of each target; kappa alone by default.
        loss: `l1` and `smooth_l1` act on scaled targets, `mape` on W/(m K) as in the paper.
        learning_rate: Peak rate of the optimiser (AdamW; Adam at zero `weight_decay`).
        schedule: `constant`, `cosine` (to 1 % over the stage's epochs) or `one_cycle`.
        weight_decay: Decoupled weight decay.
        gradient_clip: Largest norm of the gradient.
        average: Decay of the running average of the weights, which replaces them at the end.
        epochs: Largest number of passes over the training data.
        batch_size: Crystals per step.
        volume_strain: Crystals are strained at random, by up to this |ln V|. On the `agl` rung of a `debye` model their
            targets follow their Grüneisen parameters; a correction by trees or a process learns to stay as it is. The
            rules of the model must let bonds fall smoothly.
        validation: Inner validation part, which chooses the epoch; without it, the last epoch is used.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    data: tuple[str, ...] = ()
    pretrain: str | None = None
    fidelity: Fidelity | None = None
    joined: tuple[Fidelity, ...] = ()
    learner: Learner = "gradient"
    frozen: tuple[str, ...] = ()
    properties: dict[Property, str] = {}
    loss_weights: dict[Literal["kappa"] | Property, Annotated[float, Field(ge=0)]] = {"kappa": 1.0}
    loss: Literal["l1", "smooth_l1", "mape"] = "l1"
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["constant", "cosine", "one_cycle"] = "one_cycle"
    weight_decay: float = Field(default=0.0, ge=0)
    gradient_clip: float | None = Field(default=None, gt=0)
    average: float | None = Field(default=None, gt=0, lt=1)
    epochs: int = Field(default=1, ge=1)
    batch_size: int = Field(default=32, ge=1)
    volume_strain: float = Field(default=0.0, ge=0, le=0.1)
    validation: Validation | None = Validation()


class Recipe(_Strict):
    """How a model is made.

    Attributes:
        schema_version: Version of this format.
        name: Name of the model it makes.
        description: What it is for.
        start: Model (name or path) to start from; its host, head and scaler are kept.
        host: Host (shipped name or path), or a list of hosts to combine, if there is no `start`.
        pretrained: Whether the pretrained weights of the host are used; otherwise it starts from random ones.
        embedding: Which embedding of the host the heads take.
        head: Widths of the head's hidden layers.
        composition: How kappa comes from the heads: `direct` or `debye` (see `kappatune.model.heads`).
        target: Scale of the targets.
        rules: By which crystals become graphs, of a new model (see `kappatune.model.rules`).
        seeds: One member of the ensemble per seed; with `start`, one seed per member, or one for all.
        default_fidelity: The rung that is predicted by default: that of the last stage unless another one is named.
        stages: What is trained, in order.
    """

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    description: str = ""
    start: str | None = None
    host: str | Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    pretrained: bool = True
    embedding: str = "pooled"
    head: tuple[Annotated[int, Field(ge=1)], ...] = (450, 350, 350)
    composition: Composition = "direct"
    target: Target = "ln"
    rules: GraphRules = GraphRules()
    seeds: tuple[int, ...] = Field(default=(1,), min_length=1)
    default_fidelity: Fidelity | None = None
    stages: tuple[Stage, ...] = Field(min_length=1)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of the hosts; none with `start`."""
        return (self.host,) if isinstance(self.host, str) else self.host or ()

    def starting_from(self, start: str) -> Recipe:
        """The recipe with another model to start from.

        Raises:
            BadRecipe: It names a host, so it starts from no model.
        """
        if self.host is not None:
            raise BadRecipe(f"recipe '{self.name}' names a host, so it cannot start from a model (--start)")
        return Recipe.model_validate({**self.model_dump(exclude_unset=True), "start": start})

    @model_validator(mode="after")
    def _is_consistent(self) -> Recipe:
        self._check_origin()
        self._check_order()
        self._check_unique_names()
        for stage in self.stages:
            self._check_learner(stage)
            self._check_targets(stage)
            self._check_strain(stage)
        return self

    def _check_origin(self) -> None:
        if (self.start is None) == (self.host is None):
            raise ValueError("give either 'start' (a model to start from) or 'host' (a pretrained network)")
        if self.start is not None:
            from_model = {"pretrained", "embedding", "head", "composition", "target", "rules"} & self.model_fields_set
            changed = [name for name in from_model if getattr(self, name) != type(self).model_fields[name].default]
            if changed:
                raise ValueError(f"with 'start', {', '.join(sorted(changed))} come from the model: remove them here")

    def _check_order(self) -> None:
        others = [stage for stage in self.stages if not stage.pretrain]
        n_pretraining = len(self.stages) - len(others)
        if not others or tuple(others) != self.stages[n_pretraining:]:
            raise ValueError("stages that pretrain come first, and at least one other stage follows")
        if self.start and n_pretraining:
            raise ValueError("a recipe with 'start' cannot pretrain: its host is trained already")
        if self.composition == "debye" and (self.target != "ln" or others[0].fidelity != BASE_FIDELITY):
            raise ValueError(
                f"a 'debye' model has the target 'ln' and begins with a stage of fidelity '{BASE_FIDELITY}'"
            )

    def _check_unique_names(self) -> None:
        if len({stage.name for stage in self.stages}) < len(self.stages):
            raise ValueError("two stages have the same name")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("two seeds are the same")
        if self.default_fidelity not in {None, *(stage.fidelity for stage in self.stages if not stage.pretrain)}:
            raise ValueError(f"default_fidelity: no stage trains '{self.default_fidelity}'")

    def _check_learner(self, stage: Stage) -> None:
        corrects = self.start is not None or self.composition == "debye"
        if stage.learner != "gradient" and (stage.pretrain or stage.fidelity == BASE_FIDELITY or not corrects):
            raise ValueError(
                f"stage '{stage.name}': {TEACHERS[stage.learner]} corrections only: rungs of a 'debye' model above "
                f"'{BASE_FIDELITY}'"
            )

    def _check_strain(self, stage: Stage) -> None:
        if not stage.volume_strain:
            return
        if self.host is not None and self.rules.bond_envelope != "smooth":
            raise ValueError(f"stage '{stage.name}': volume_strain needs the rule bond_envelope: smooth")
        followed = {"debye_temperature_k", "gruneisen"}
        if stage.learner == "gradient" and (stage.fidelity != BASE_FIDELITY or not followed <= stage.properties.keys()):
            raise ValueError(
                f"stage '{stage.name}': where a stage learns by gradient, volume_strain needs the fidelity "
                f"'{BASE_FIDELITY}' and, beside debye_temperature_k, the property gruneisen, which the targets follow"
            )

    def _check_targets(self, stage: Stage) -> None:
        if stage.pretrain and (stage.loss == "mape" or stage.properties):
            raise ValueError(f"stage '{stage.name}' pretrains: it takes no properties, and not the loss 'mape'")
        if stage.properties and (stage.loss == "mape" or (self.host and self.composition == "direct")):
            raise ValueError(
                f"stage '{stage.name}' names properties: only a 'debye' model learns them, and not by 'mape'"
            )
        unknown = stage.loss_weights.keys() - {"kappa"} - stage.properties.keys()
        if unknown:
            raise ValueError(f"stage '{stage.name}' has loss weights for {', '.join(unknown)} but no column of it")


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def read_recipe(name: str | Path) -> Recipe:
    """Read a recipe.

    Args:
        name: Path of a YAML file, or the name of a shipped recipe, with or without `.yaml`.

    Raises:
        BadRecipe: No such recipe, not YAML, or a field that does not fit; the message names it.
    """
    path = Path(name).expanduser()
    if not path.is_file() and path.parent == Path():
        path = SHIPPED / f"{path.name.removesuffix('.yaml')}.yaml"
    if not path.is_file():
        raise BadRecipe(f"no recipe '{name}': neither a file nor one of the shipped {', '.join(shipped_recipes())}")
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path}: not readable as YAML ({error})") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise BadRecipe(f"{path}: {faults}") from error
