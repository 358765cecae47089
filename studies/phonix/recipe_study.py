"""One recipe on the DFT labels: its learners, those that it has to beat, and where their predictions are kept."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from kappatune.structures.table import LabelledCrystal, LabelledTable
from kappatune.training.recipe import Recipe
from kappatune.training.rows import rows_sha256
from studies.phonix.agl_rung import AglPredictions
from studies.phonix.labels import DftLabels
from studies.phonix.measured import AboveDft, measured_splits
from studies.phonix.predictions import ProtocolPredictions, cross_validate
from studies.phonix.simple import AglWithConstant, TreesOnInputs
from studies.phonix.splits import PROTOCOLS
from studies.transfer.cached_training import without_formulas
from studies.transfer.learners import CorrectedEnsemble, Learner

Kind = Literal["dft", "experiment", "trees", "agl and one constant"]
"""A rung of the recipe, or what it has to beat: trees on the same inputs, and its AGL rung with one fitted constant."""


class RecipeStudy:
    """One recipe and the learners beside it.

    Attributes:
        recipe: The recipe.
        labels: All DFT labels.
        measured: The same, and after them the measured values of Heuslers, which only the rung `experiment` learns.
        member_folders: Folders of the members' AGL stages.
        predictions: Folder of the predictions.
        agl_rows: AFLOW rows of formulas in the labels, which no member has seen.
    """

    def __init__(self, recipe: Recipe, labels: DftLabels, measured: DftLabels, agl: LabelledTable, work: Path) -> None:
        """Prepare the study; nothing is trained before it is asked for.

        Args:
            recipe: Its first stages are those of the AGL and the DFT values; later ones are not looked at.
            labels: All DFT labels.
            measured: The same and the measured values of Heuslers.
            agl: All AGL values.
            work: Folder of trained members and predictions.
        """
        known = set(labels.formulas.tolist())
        learnt = recipe.model_copy(update={"stages": recipe.stages[:2]})
        unused = {"name", "description", "default_fidelity"}
        inputs = learnt.model_dump_json(exclude=unused) + rows_sha256(labels.rows)
        self.recipe, self.labels, self.measured = recipe, labels, measured
        self.member_folders = [work / recipe.name / f"agl-{seed}" for seed in recipe.seeds]
        self.predictions = work / recipe.name / hashlib.sha256(inputs.encode()).hexdigest()[:12]
        self.agl_rows: list[LabelledCrystal] = [row for row in agl.rows if row.crystal.formula_key in known]
        self._unseen = without_formulas(agl, known)

    @cached_property
    def ensemble(self) -> CorrectedEnsemble:
        """The recipe as a learner; its members are trained, or read from their folders."""
        return CorrectedEnsemble(self.recipe, self.measured.rows, self._unseen, self.member_folders)

    def learner(self, kind: Kind) -> Learner:
        """A learner of one kind."""
        if kind == "dft":
            return self.ensemble
        if kind == "experiment":
            return AboveDft(self.ensemble, self.measured)
        base = self.ensemble.agl_ln_kappa(np.arange(len(self.labels.rows)))
        if kind == "trees":
            return TreesOnInputs(self.ensemble.first_inputs, base, self.labels)
        return AglWithConstant(base, self.labels.kappa)

    def predicted(self, kind: Kind, protocol: str) -> ProtocolPredictions:
        """Predictions for the tested rows of a protocol, kept split by split."""
        splits = list(PROTOCOLS[protocol](self.labels))
        folder = self.predictions / kind.replace(" ", "-") / protocol
        return cross_validate(lambda: self.learner(kind), splits, len(self.labels.rows), folder)

    @property
    def predicted_measured(self) -> ProtocolPredictions:
        """Predictions of the measured values by the rung `experiment`, in the folds by formula."""
        folder = self.predictions / "experiment" / "formula"
        splits = list(measured_splits(self.measured))
        return cross_validate(lambda: self.learner("experiment"), splits, len(self.measured.rows), folder)

    @cached_property
    def agl_predictions(self) -> AglPredictions:
        """What the AGL rung predicts for `agl_rows`."""
        return AglPredictions.stored(lambda: self.ensemble.models, self.agl_rows, self.predictions / "agl.npz")
