"""Baselines a model has to beat: simple learners on composition and structure, and the Slack formula alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kappatune.model.folds import Rows
from kappatune.model.graphs import build_graphs
from kappatune.model.heads import descriptors
from kappatune.model.hosts import ElementStatistics, MEGNet, load_host
from kappatune.structures import Crystal
from studies.transfer.dft_sets import DftSets
from studies.transfer.learners import Learner, LearnerOutput, TreeCorrectedEnsemble

Features = NDArray[np.float64]
_PROPERTY_HOSTS = (
    "megnet-mp-2019.4.1-formation-energy",
    "megnet-mp-2018.6.1-log10K",
    "megnet-mp-2018.6.1-log10G",
)


def composition_and_structure(crystals: list[Crystal]) -> Features:
    """(n, 91) statistics of elemental properties, and ln of mean mass, volume per atom and atoms in primitive cell."""
    host = load_host("element-statistics")
    assert isinstance(host, ElementStatistics)
    batch = build_graphs(crystals, 5.0).batch()
    with torch.no_grad():
        return torch.cat([host.embed(batch), descriptors(batch)], dim=1).double().numpy()


def predicted_properties(crystals: list[Crystal]) -> Features:
    """(n, 3) formation energy (eV/atom), log10 K and log10 G (GPa) as networks predict them."""
    columns = []
    for name in _PROPERTY_HOSTS:
        host = load_host(name)
        assert isinstance(host, MEGNet)
        with torch.no_grad():
            columns.append(host.predict_property(build_graphs(crystals, host.cutoff_angstrom).batch()).double().numpy())
    return np.stack(columns, axis=1)


def atoms_by_site(crystals: list[Crystal]) -> Features:
    """(n, 9) mass, atomic radius and electronegativity of the three sites of a half-Heusler.

    After Miyazaki et al., Sci. Rep. 11, 13410 (2021), who use masses and radii by crystallographic site. Here the sites
    are ordered by electronegativity, since the stored order of atoms does not identify them in all crystals.
    """
    from pymatgen.core import Element

    rows = []
    for crystal in crystals:
        elements = sorted({Element.from_Z(int(z)) for z in crystal.numbers}, key=lambda e: e.X)
        elements = (elements * 3)[:3]
        rows.append([value for e in elements for value in (float(e.atomic_mass), float(e.atomic_radius), e.X)])
    return np.array(rows, dtype=np.float64)


def baselines(sets: DftSets, ensemble: TreeCorrectedEnsemble) -> dict[str, Learner]:
    """The baselines by name.

    Args:
        sets: The DFT sets.
        ensemble: Gives the Slack value of its AGL rung.
    """
    crystals = [row.crystal for row in (*sets.tables.mix, *sets.beside)]
    plain = composition_and_structure(crystals)
    with_properties = np.concatenate([plain, predicted_properties(crystals)], axis=1)
    sites = atoms_by_site(crystals)
    return {
        "median": _learner(sets, plain, _Median),
        "slack": lambda _, test: LearnerOutput.without_spread(ensemble.agl_ln_kappa(test)),
        "gradient-boosting": _learner(sets, plain, _gradient_boosting),
        "gaussian-process": _learner(sets, plain, _gaussian_process),
        "feature-transfer": _learner(sets, with_properties, _gaussian_process),
        "atoms-by-site": _learner(sets, sites, _gaussian_process),
    }


class _Regressor(Protocol):
    def fit(self, x: Features, y: NDArray[np.float64]) -> Any: ...

    def predict(self, x: Features) -> NDArray[np.float64]: ...


class _Median:
    def fit(self, x: Features, y: NDArray[np.float64]) -> _Median:
        self.value = float(np.median(y))
        return self

    def predict(self, x: Features) -> NDArray[np.float64]:
        return np.full(len(x), self.value)


def _gradient_boosting() -> _Regressor:
    regressor: _Regressor = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=300, learning_rate=0.05, min_samples_leaf=5, random_state=0
    )
    return regressor


def _gaussian_process() -> _Regressor:
    kernel = ConstantKernel(1.0) * Matern(5.0, (0.3, 300.0), nu=1.5) + WhiteKernel(0.05, (1e-4, 1.0))
    process = GaussianProcessRegressor(kernel, normalize_y=True, alpha=1e-6)
    regressor: _Regressor = make_pipeline(StandardScaler(), process)
    return regressor


def _learner(sets: DftSets, features: Features, make: Callable[[], _Regressor]) -> Learner:
    def train_and_predict(train: Rows, test: Rows) -> LearnerOutput:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = make()
            model.fit(features[train], np.log(sets.kappa[train]))
            return LearnerOutput.without_spread(model.predict(features[test]))

    return train_and_predict
