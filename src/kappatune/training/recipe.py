"""Recipes: YAML files that say how a model climbs the ladder, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kappatune.errors import UserError
from kappatune.model.heads import BASE_FIDELITY, Composition, Property, Target
from kappatune.storage import ASSETS
from kappatune.structures.table import Fidelity

SHIPPED = ASSETS / "recipes"


class BadRecipe(UserError):
    """A recipe that cannot be followed; the message names the field."""


class BadRun(UserError):
    """A training run that cannot begin or go on; the message says why."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Validation(_Strict):
    """The inner validation part, cut by formula from the training data of the stage.

    Attributes:
        fraction: Part of the formulas that is held out of the fit.
        patience: Epochs without improvement after which the stage stops.
    """

    fraction: float = Field(default=0.1, gt=0, lt=1)
    patience: int | None = Field(default=None, ge=1)


class Stage(_Strict):
    """One rung: a table, a fidelity, and how to fit it.

    Attributes:
        name: Name of the stage, used in logs and folders.
        data: Tables inside the data folder; `shipped:prototypes` and `shipped:textbook` come with the package; empty:
            the table given to `train --data` itself.
        pretrain: Column that the host learns with a head that is then thrown away; kappa plays no part.
        fidelity: Rows of this fidelity are used; without it, the one fidelity the table holds.
        joined: Rows of these fidelities are learnt as if they were of that one.
        learner: `gradient` fits what is not frozen; `trees` grows trees for a correction and distils them into its
            head (`kappatune.training.trees`), where loss, rate and epochs play no part.
        frozen: Prefixes of parameter names that stay as they are (`host`, `host.blocks.0`, ...).
        properties: Columns that hold further targets of the `agl` rung of a `debye` model.
        loss_weights: Weight of each target; kappa alone by default.
        loss: `l1` and `smooth_l1` act on scaled targets, `mape` on W/(m K) as in the paper.
        learning_rate: Peak rate of the optimiser (AdamW; Adam at zero `weight_decay`).
        schedule: `constant`, `cosine` (to 1 % over the stage's epochs) or `one_cycle`.
        weight_decay: Decoupled weight decay.
        gradient_clip: Largest norm of the gradient.
        average: Decay of the running average of the weights, which replaces them in the end.
        epochs: Passes over the training data, at most.
        batch_size: Crystals per step.
        validation: Inner validation; without it the weights of the last epoch are kept.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    data: tuple[str, ...] = ()
    pretrain: str | None = None
    fidelity: Fidelity | None = None
    joined: tuple[Fidelity, ...] = ()
    learner: Literal["gradient", "trees"] = "gradient"
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
    validation: Validation | None = Validation()


class Recipe(_Strict):
    """How a model is made.

    Attributes:
        schema_version: Version of this format.
        name: Name of the model it makes.
        description: What it is for.
        start: A model (name or path) to go on from; its host, head and scaler are kept.
        host: A host (shipped name or path) to begin with, or a list of hosts to combine, if there is no `start`.
        pretrained: Whether the host's weights are used; if not it starts at random.
        embedding: Which of the host's embeddings the heads take.
        head: Widths of the head's hidden layers.
        composition: How kappa comes from the heads: `direct` or `debye` (see `kappatune.model.heads`).
        target: Scale of the targets.
        seeds: One member of the ensemble per seed; with `start`, one seed per member, or one for all.
        stages: What is climbed, in order.
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
    seeds: tuple[int, ...] = Field(default=(1,), min_length=1)
    stages: tuple[Stage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if (self.start is None) == (self.host is None):
            raise ValueError("give either 'start' (a model to go on from) or 'host' (a network to begin with)")
        if self.start is not None:
            own = {"pretrained", "embedding", "head", "composition", "target"} & self.model_fields_set
            changed = sorted(name for name in own if getattr(self, name) != type(self).model_fields[name].default)
            if changed:
                raise ValueError(f"with 'start', {', '.join(changed)} come from the model: remove them here")
        climbing = [stage for stage in self.stages if not stage.pretrain]
        n_pretraining = len(self.stages) - len(climbing)
        if tuple(climbing) != self.stages[n_pretraining:] or not climbing or (self.start and n_pretraining):
            raise ValueError("stages that pretrain come first, in a recipe with 'host', and others follow")
        if self.composition == "debye" and (self.target != "ln" or climbing[0].fidelity != BASE_FIDELITY):
            raise ValueError(
                f"a 'debye' model has the target 'ln' and begins with a stage of fidelity '{BASE_FIDELITY}'"
            )
        for stage in self.stages:
            corrects = self.start is not None or (self.composition == "debye" and stage.fidelity != BASE_FIDELITY)
            if stage.learner == "trees" and (stage.pretrain or stage.fidelity == BASE_FIDELITY or not corrects):
                raise ValueError(f"stage '{stage.name}': trees learn corrections, of a 'debye' model's higher rungs")
            if stage.pretrain and (stage.loss == "mape" or stage.properties):
                raise ValueError(f"stage '{stage.name}' pretrains: it has no properties, and no loss 'mape'")
            if stage.properties and (stage.loss == "mape" or (self.host and self.composition == "direct")):
                raise ValueError(
                    f"stage '{stage.name}' names properties, which only a 'debye' model learns, not by mape"
                )
            unknown = stage.loss_weights.keys() - {"kappa"} - stage.properties.keys()
            if unknown:
                raise ValueError(f"stage '{stage.name}' weighs {', '.join(unknown)} but names no column for it")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError("every stage needs a name of its own")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("every seed may stand once")
        return self


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
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors())
        raise BadRecipe(f"{path}: {faults}") from error
