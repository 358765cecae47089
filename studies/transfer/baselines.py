"""What a model has to beat: simple learners on composition and structure, and the Slack formula by itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kappatune.model.graphs import build_graphs
from kappatune.model.heads import descriptors
from kappatune.model.hosts import ElementStatistics, MEGNet, load_host
from kappatune.structures import Crystal
from studies.transfer.dft_sets import Answer, DftSets, Learner, Rows, TreeCorrectedEnsemble

Features = NDArray[np.float64]
_EASIER = (
    "megnet-mp-2019.4.1-formation-energy",
    "megnet-mp-2018.6.1-log10K",
    "megnet-mp-2018.6.1-log10G",
)


def composition_and_structure(crystals: list[Crystal]) -> Features:
    """(n, 91) statistics of elemental properties, and ln of mean mass, volume per atom and primitive cell's atoms."""
    host = load_host("element-statistics")
    assert isinstance(host, ElementStatistics)
    batch = build_graphs(crystals, 5.0).batch()
    with torch.no_grad():
        return torch.cat([host.embed(batch), descriptors(batch)], dim=1).double().numpy()


def easier_properties(crystals: list[Crystal]) -> Features:
    """(n, 3) formation energy (eV/atom), log10 K and log10 G (GPa) as networks predict them."""
    columns = []
    for name in _EASIER:
        host = load_host(name)
        assert isinstance(host, MEGNet)
        with torch.no_grad():
            columns.append(host.predict_property(build_graphs(crystals, host.cutoff_angstrom).batch()).double().numpy())
    return np.stack(columns, axis=1)


def atoms_by_site(crystals: list[Crystal]) -> Features:
    """(n, 9) mass, atomic radius and electronegativity of the three sites of a half-Heusler.

    The sites are told apart by electronegativity: Miyazaki et al., Sci. Rep. 11, 13410 (2021), use masses and radii by
    crystallographic site, which the stored order of atoms does not tell for all crystals.
    """
    from pymatgen.core import Element

    rows = []
    for crystal in crystals:
        elements = sorted({Element.from_Z(int(z)) for z in crystal.numbers}, key=lambda e: e.X)
        elements = (elements * 3)[:3]
        rows.append([value for e in elements for value in (float(e.atomic_mass), float(e.atomic_radius), e.X)])
    return np.array(rows, dtype=np.float64)


def baselines(sets: DftSets, ladder: TreeCorrectedEnsemble) -> dict[str, Learner]:
    """The baselines by name.

    Args:
        sets: The small sets.
        ladder: Gives the Slack value of its AGL rung.
    """
    crystals = [row.crystal for row in (*sets.research.mix, *sets.beside)]
    plain = composition_and_structure(crystals)
    easier = np.concatenate([plain, easier_properties(crystals)], axis=1)
    sites = atoms_by_site(crystals)
    return {
        "median": _learner(sets, plain, lambda: _Median()),
        "slack": lambda train, test: Answer.alone(ladder.zero_shot(test)),
        "gradient-boosting": _learner(sets, plain, _boosting),
        "gaussian-process": _learner(sets, plain, _process),
        "feature-transfer": _learner(sets, easier, _process),
        "atoms-by-site": _learner(sets, sites, _process),
    }


class _Median:
    def fit(self, _: Features, y: NDArray[np.float64]) -> _Median:
        self.value = float(np.median(y))
        return self

    def predict(self, x: Features) -> NDArray[np.float64]:
        return np.full(len(x), self.value)


def _boosting() -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=300, learning_rate=0.05, min_samples_leaf=5, random_state=0
    )


def _process() -> object:
    kernel = ConstantKernel(1.0) * Matern(5.0, (0.3, 300.0), nu=1.5) + WhiteKernel(0.05, (1e-4, 1.0))
    return make_pipeline(StandardScaler(), GaussianProcessRegressor(kernel, normalize_y=True, alpha=1e-6))


def _learner(sets: DftSets, features: Features, make: Callable[[], object]) -> Learner:
    def learn(train: Rows, test: Rows) -> Answer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = make().fit(features[train], np.log(sets.kappa[train]))  # type: ignore[attr-defined]
            return Answer.alone(model.predict(features[test]))

    return learn
