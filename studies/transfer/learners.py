"""The interface of learners in the benchmark, and a recipe with a correction as a learner."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from kappatune.model.domain import Domain
from kappatune.model.folds import Rows
from kappatune.model.heads import KappaNetwork
from kappatune.model.intervals import ln_kappa_spread
from kappatune.model.kappa_model import KappaModel
from kappatune.structures.table import LabelledCrystal, LabelledTable
from kappatune.training.corrections import CorrectionData, fit_correction, strained_features
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


class CorrectedEnsemble:
    """A recipe on any part of some labelled crystals: members trained on AGL values, each with a correction.

    The AGL values hold no formula of the labels, so that one AGL stage per seed serves all splits.

    Attributes:
        models: Models of one member each, without a correction.
        members: Their networks.
    """

    def __init__(
        self, recipe: Recipe, rows: Sequence[LabelledCrystal], agl: LabelledTable, folders: Sequence[Path]
    ) -> None:
        """Train the AGL stage of each member, or read it from its folder.

        Args:
            recipe: The first stage is that of the AGL values; learner and strain of the second one are those of the
                corrections.
            rows: The labelled crystals.
            agl: AGL values, of other formulas.
            folders: One for each member.
        """
        first, second, *_ = recipe.stages
        assert second.learner != "gradient"
        self._learner, self._strain = second.learner, second.volume_strain
        self.models: list[KappaModel] = [
            trained_member(recipe, first, agl, seed, folder) for seed, folder in zip(recipe.seeds, folders, strict=True)
        ]
        self.members: list[KappaNetwork] = [model.members[0] for model in self.models]
        self._kappa = np.array([row.kappa for row in rows])
        self._formulas = np.array([row.crystal.formula_key for row in rows])
        model = self.models[0]
        graphs = model.build_graphs([row.crystal for row in rows])
        elsewhere = model.build_graphs(shipped_crystals(self.members[0].host.supported_elements))
        strain = self._strain
        self._features, self._elsewhere = (
            [all_features(member, g) for member in self.members] for g in (graphs, elsewhere)
        )
        self._strained = [
            [strained_features(m, g, strain, k) if strain else None for k, m in enumerate(self.members, 1)]
            for g in (graphs, elsewhere)
        ]
        size = self.members[0].embedding_size
        self._embedding = self._features[0][:, :size].numpy() / model.embedding_scale

    def __call__(self, train: Rows, test: Rows) -> LearnerOutput:
        """Train a correction for each member, predict with all."""
        return self._output([("dft", train)], test, self.distance(train, test))

    def above(self, train: Rows, measured: Rows, test: Rows) -> LearnerOutput:
        """Train a correction for each member, and a second one above it on measured values; predict the latter."""
        domain = self._domain(train).extended(self._embedding[measured], self._formulas[measured].tolist())
        return self._output([("dft", train), ("experiment", measured)], test, domain.distance(self._embedding[test]))

    def _output(self, rungs: Sequence[tuple[str, Rows]], test: Rows, distance: NDArray[np.float64]) -> LearnerOutput:
        """What all members predict by the last of some rungs, each fitted to its rows above the one before."""
        ln_kappa, spread = [], []
        for k, member in enumerate(self.members):
            network = copy.deepcopy(member)
            for rung, train in rungs:
                self._fit(network, rung, train, k)
            with torch.no_grad():
                outputs = network(self._features[k][test], rungs[-1][0])
                assert outputs.spread is not None
            ln_kappa.append(network.scaler.ln_kappa(outputs.scaled).double().numpy())
            spread.append(network.scaler.std * outputs.spread.double().numpy())
        total = ln_kappa_spread(np.array(ln_kappa), np.array(spread))
        return LearnerOutput(np.mean(ln_kappa, axis=0), total, distance)

    def _fit(self, network: KappaNetwork, rung: str, train: Rows, k: int) -> None:
        """Fit one rung of member `k` in place: it starts as the correction that is there, else with random weights."""
        data = self._data(k, train)
        if "dft" in network.heads:
            network.heads[rung] = copy.deepcopy(network.heads["dft"])
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(k + 1)
                head = network.new_head(rung)
            head.standardise(network.head_inputs(data.features, rung).detach())
            network.heads[rung] = head
        fit_correction(network, rung, self._learner, data, k + 1)

    def _data(self, k: int, train: Rows) -> CorrectionData:
        labelled, elsewhere = (strained[k] for strained in self._strained)
        strained = None if labelled is None or elsewhere is None else torch.cat([labelled[train], elsewhere])
        return CorrectionData(
            self._features[k][train],
            self._kappa[train],
            self._formulas[train].tolist(),
            self._elsewhere[k],
            strained,
            self._strain,
        )

    def distance(self, train: Rows, test: Rows) -> NDArray[np.float64]:
        """(n,) distances of test rows to the domain of the training rows."""
        return self._domain(train).distance(self._embedding[test])

    def _domain(self, train: Rows) -> Domain:
        return Domain.of(self._embedding[train], self._formulas[train].tolist())

    @property
    def first_inputs(self) -> torch.Tensor:
        """(n, d) what the correction of the first member sees of each crystal."""
        with torch.no_grad():
            return self.members[0].head_inputs(self._features[0], "dft")

    def agl_ln_kappa(self, test: Rows) -> NDArray[np.float64]:
        """(n,) ln kappa of the AGL rung, uncorrected."""
        with torch.no_grad():
            each = [
                m.scaler.ln_kappa(m(f[test], "agl").scaled) for m, f in zip(self.members, self._features, strict=True)
            ]
        mean: NDArray[np.float64] = torch.stack(each).double().numpy().mean(axis=0)
        return mean


class TreeCorrectedEnsemble:
    """A recipe of version 0.1 on the DFT sets. The rows beside them are trained on as well, without tested formulas."""

    def __init__(self, recipe: Recipe, sets: DftSets, work: Path) -> None:
        """Train the AGL stage of each member, or read it from `work`; it sees no formula of the sets."""
        tables = sets.tables
        agl = without_formulas(tables.aflow, tables.dft_formulas)
        folders = [work / f"{recipe.name}-agl-unseen-{seed}" for seed in recipe.seeds]
        self._ensemble = CorrectedEnsemble(recipe, (*tables.mix, *sets.beside), agl, folders)
        self.sets = sets

    def __call__(self, train: Rows, test: Rows) -> LearnerOutput:
        """Train a correction for each member, predict with all."""
        return self._ensemble(self._with_rows_beside(train, test), test)

    def distance(self, train: Rows, test: Rows) -> NDArray[np.float64]:
        """(n,) distances of test rows to the domain of the training rows and of the rows beside them."""
        return self._ensemble.distance(self._with_rows_beside(train, test), test)

    def agl_ln_kappa(self, test: Rows) -> NDArray[np.float64]:
        """(n,) ln kappa of the AGL rung, uncorrected."""
        return self._ensemble.agl_ln_kappa(test)

    def _with_rows_beside(self, train: Rows, test: Rows) -> Rows:
        return np.concatenate([train, self.sets.unseen(test, self.sets.rows_of["beside"])])
