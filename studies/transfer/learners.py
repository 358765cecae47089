"""The interface of learners in the benchmark, and the shipped recipe as a learner."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from kappatune.model.domain import Domain
from kappatune.model.folds import Rows
from kappatune.model.graphs import build_graphs
from kappatune.model.heads import KappaNetwork
from kappatune.training.corrections import fit_correction
from kappatune.training.recipe import Recipe
from kappatune.training.run import shipped_crystals
from kappatune.training.stage import all_features
from studies.transfer.cached_training import trained_member, without_formulas
from studies.transfer.dft_sets import DftSets


class LearnerOutput(NamedTuple):
    """What a learner predicts for n crystals.

    Attributes:
        ln_kappa: (n,) ln of kappa in W/(m K).
        spread: (n,) its standard deviation as the learner estimates it, or NaN.
        distance: (n,) distance to the training crystals, above 1 outside their domain, or NaN.
    """

    ln_kappa: NDArray[np.float64]
    spread: NDArray[np.float64]
    distance: NDArray[np.float64]

    @classmethod
    def without_spread(cls, ln_kappa: NDArray[np.float64]) -> LearnerOutput:
        """The output of a learner that estimates neither spread nor distance."""
        unknown = np.full(len(ln_kappa), np.nan)
        return cls(ln_kappa, unknown, unknown)


class Learner(Protocol):
    """Something that trains on some rows of the DFT sets and predicts others."""

    def __call__(self, train: Rows, test: Rows) -> LearnerOutput:
        """Train on rows `train`, predict rows `test`."""


class TreeCorrectedEnsemble:
    """The shipped recipe on the DFT sets: members trained on AGL values, each corrected by trees.

    The AGL values hold no formula of the DFT sets nor of the textbook values, so that one AGL stage per seed serves all
    splits. The rows beside the DFT sets are trained on as well, except for formulas that are tested.
    """

    def __init__(self, recipe: Recipe, sets: DftSets, work: Path) -> None:
        """Train the AGL stage of each member, or read it from `work`."""
        tables = sets.tables
        table = without_formulas(tables.aflow, tables.dft_formulas)
        agl = recipe.stages[0]
        models = [trained_member(recipe, agl, table, s, work / f"{recipe.name}-agl-unseen-{s}") for s in recipe.seeds]
        self.sets = sets
        self.members: list[KappaNetwork] = [model.members[0] for model in models]
        cutoff = models[0].cutoff
        graphs = build_graphs([row.crystal for row in (*tables.mix, *sets.beside)], cutoff)
        elsewhere = build_graphs(shipped_crystals(frozenset(self.members[0].host.supported_elements)), cutoff)
        self.features = [all_features(member, graphs) for member in self.members]
        self.elsewhere = [all_features(member, elsewhere) for member in self.members]
        first = self.members[0]
        self.embedding = self.features[0][:, : first.embedding_size].numpy() / models[0].embedding_scale

    def __call__(self, train: Rows, test: Rows) -> LearnerOutput:
        """Train a correction for each member, predict with all."""
        sets = self.sets
        distance = self.distance(train, test)
        train = self._with_rows_beside(train, test)
        ln_kappa, spread = [], []
        for seed, (member, features, elsewhere) in enumerate(
            zip(self.members, self.features, self.elsewhere, strict=True), 1
        ):
            network = copy.deepcopy(member)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                head = network.new_head("dft")
            head.standardise(network.head_inputs(features[train], "dft").detach())
            network.heads["dft"] = head
            formulas = sets.formulas[train].tolist()
            fit_correction(network, "dft", "trees", features[train], sets.kappa[train], formulas, elsewhere, seed=seed)
            with torch.no_grad():
                outputs = network(features[test], "dft")
                assert outputs.spread is not None
            ln_kappa.append(network.scaler.ln_kappa(outputs.scaled).double().numpy())
            spread.append(network.scaler.std * outputs.spread.double().numpy())
        total = np.sqrt(np.var(ln_kappa, axis=0, ddof=1) + np.square(spread).mean(axis=0))
        return LearnerOutput(np.mean(ln_kappa, axis=0), total, distance)

    def distance(self, train: Rows, test: Rows) -> NDArray[np.float64]:
        """(n,) distances of test rows to the domain of the training rows and of the rows beside them."""
        known = self._with_rows_beside(train, test)
        return Domain.of(self.embedding[known], self.sets.formulas[known].tolist()).distance(self.embedding[test])

    def agl_ln_kappa(self, test: Rows) -> NDArray[np.float64]:
        """(n,) ln kappa of the AGL rung, uncorrected."""
        with torch.no_grad():
            each = [
                m.scaler.ln_kappa(m(f[test], "agl").scaled) for m, f in zip(self.members, self.features, strict=True)
            ]
        mean: NDArray[np.float64] = torch.stack(each).double().numpy().mean(axis=0)
        return mean

    def _with_rows_beside(self, train: Rows, test: Rows) -> Rows:
        return np.concatenate([train, self.sets.unseen(test, self.sets.rows_of["beside"])])
