"""Precise values of crystals a model has not seen, from a few dozen others: L96, HH143 and both.

The AGL rung below holds no formula of the small sets nor of the textbook values, so one per seed serves all cells.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from kappatune.model.domain import Domain
from kappatune.model.folds import Split, group_folds
from kappatune.model.graphs import build_graphs
from kappatune.model.heads import KappaNetwork
from kappatune.structures.table import LabelledCrystal
from kappatune.training.recipe import Recipe
from kappatune.training.run import shipped_crystals
from kappatune.training.stage import all_features
from kappatune.training.trees import fit_trees
from studies.transfer.cached_training import trained_member, without_formulas
from studies.transfer.evaluations import Answered, Store, Study, evaluation_name
from studies.transfer.research_tables import ResearchTables
from studies.transfer.splits import anion, kind_of_bonding, one_group_out

Rows = NDArray[np.int64]
N_FOLDS = 5
REPEATS = (0, 1)
SMALLEST_GROUP = 10
"""Crystals an anion or a family needs to be left out as a whole."""


class Answer(NamedTuple):
    """What a learner says of n crystals.

    Attributes:
        ln_kappa: (n,) ln of kappa in W/(m K).
        spread: (n,) its standard deviation as the learner judges it, or NaN.
        distance: (n,) distance to what it learnt from, above 1 outside its domain, or NaN.
    """

    ln_kappa: NDArray[np.float64]
    spread: NDArray[np.float64]
    distance: NDArray[np.float64]

    @classmethod
    def alone(cls, ln_kappa: NDArray[np.float64]) -> Answer:
        """Of a learner that does not judge itself."""
        unknown = np.full(len(ln_kappa), np.nan)
        return cls(ln_kappa, unknown, unknown)


class Learner(Protocol):
    """Something that learns from some rows of the small sets and answers for others."""

    def __call__(self, train: Rows, test: Rows) -> Answer:
        """Answer for test rows."""


@dataclass(frozen=True)
class DftSets:
    """The small sets, row by row: L96, then HH143, then what is trained on beside them.

    Attributes:
        research: All tables.
        beside: Crystals trained on beside the small sets, but for formulas that are tested: the textbook values, and
            others if there are.
        formulas: (n,) reduced formulas.
        kappa: (n,) W/(m K).
        rows_of: Rows of `L96`, `HH143`, `MIX` and `beside`.
    """

    research: ResearchTables
    beside: list[LabelledCrystal]
    formulas: NDArray[np.str_]
    kappa: NDArray[np.float64]
    rows_of: dict[str, Rows]

    @classmethod
    def of(cls, research: ResearchTables, more: Sequence[LabelledCrystal] = ()) -> DftSets:
        """Number the rows; `more` crystals stand beside the textbook values."""
        beside = [*research.textbook, *more]
        rows = [*research.mix, *beside]
        sizes = [len(r) for r in (*research.small.values(), beside)]
        ends = np.cumsum([0, *sizes])
        names = (*research.small, "beside")
        rows_of = {name: np.arange(a, b) for name, (a, b) in zip(names, pairwise(ends), strict=True)}
        rows_of["MIX"] = np.arange(len(research.mix))
        return cls(
            research, beside, np.array([r.crystal.formula for r in rows]), np.array([r.kappa for r in rows]), rows_of
        )

    def unseen(self, train: Rows, test: Rows) -> Rows:
        """The test rows whose formula is not trained on."""
        return test[~np.isin(self.formulas[test], self.formulas[train])]


class TreeCorrectedEnsemble:
    """The shipped recipe on the small sets: the AGL rung's members, each with a correction of its own.

    The rows beside the small sets are trained on as well, but for formulas that are tested.
    """

    def __init__(self, recipe: Recipe, sets: DftSets, work: Path) -> None:
        research = sets.research
        table = without_formulas(research.aflow, research.small_formulas)
        agl = recipe.stages[0]
        models = [trained_member(recipe, agl, table, s, work / f"{recipe.name}-agl-unseen-{s}") for s in recipe.seeds]
        self.sets = sets
        self.members: list[KappaNetwork] = [model.members[0] for model in models]
        cutoff = models[0].cutoff
        graphs = build_graphs([row.crystal for row in (*research.mix, *sets.beside)], cutoff)
        elsewhere = build_graphs(shipped_crystals(self.members[0].host), cutoff)
        self.features = [all_features(member, graphs) for member in self.members]
        self.elsewhere = [all_features(member, elsewhere) for member in self.members]
        first = self.members[0]
        self.embedding = self.features[0][:, : first.embedding_size].numpy() / models[0].embedding_scale

    def distance(self, train: Rows, test: Rows) -> NDArray[np.float64]:
        """(n,) distances of test rows to the domain of the training rows and of what stands beside them."""
        known = self._known(train, test)
        return Domain.of(self.embedding[known], self.sets.formulas[known].tolist()).distance(self.embedding[test])

    def _known(self, train: Rows, test: Rows) -> Rows:
        return np.r_[train, self.sets.unseen(test, self.sets.rows_of["beside"])]

    def __call__(self, train: Rows, test: Rows) -> Answer:
        """Correct each member and ask all."""
        sets = self.sets
        distance = self.distance(train, test)
        train = self._known(train, test)
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
            fit_trees(
                network, "dft", features[train], sets.kappa[train], sets.formulas[train].tolist(), elsewhere, seed=seed
            )
            with torch.no_grad():
                outputs = network(features[test], "dft")
                assert outputs.spread is not None
            ln_kappa.append(network.scaler.ln_kappa(outputs.scaled).double().numpy())
            spread.append(network.scaler.std * outputs.spread.double().numpy())
        total = np.sqrt(np.var(ln_kappa, axis=0, ddof=1) + np.square(spread).mean(axis=0))
        return Answer(np.mean(ln_kappa, axis=0), total, distance)

    def zero_shot(self, test: Rows) -> NDArray[np.float64]:
        """(n,) ln kappa of the AGL rung itself."""
        with torch.no_grad():
            each = [
                m.scaler.ln_kappa(m(f[test], "agl").scaled) for m, f in zip(self.members, self.features, strict=True)
            ]
        return torch.stack(each).double().numpy().mean(axis=0)


def evaluate_on_dft_sets(learner: Learner, model: str, sets: DftSets, store: Store, say: Callable[[str], None]) -> None:
    """Every cell of the small sets for one learner."""
    evaluate_across_sets(learner, model, sets, store, say)
    for name in ("MIX", "L96", "HH143"):
        rows = sets.rows_of[name]
        kinds = [anion(formula) for formula in sets.formulas[rows]]
        folds = {"anion-out": list(one_group_out(kinds, SMALLEST_GROUP).values())}
        if name == "MIX":
            bonding = [kind_of_bonding(sets.research.family[row.crystal.id]) for row in sets.research.mix]
            folds["family-out"] = list(one_group_out(bonding, SMALLEST_GROUP).values())
        for repeat in REPEATS:
            folds[f"formula-{repeat}"] = group_folds(sets.formulas[rows].tolist(), N_FOLDS, seed=repeat)
        for split_name, parts in folds.items():
            _cell(
                "grouped",
                model,
                name,
                name,
                split_name,
                [(rows[a], rows[b]) for a, b in parts],
                learner,
                sets,
                store,
                say,
            )
    for name in ("MIX", "L96", "HH143"):
        rows = sets.rows_of[name]
        for run, (train, test) in sets.research.paper[name].items():
            _cell("paper", model, name, name, f"run-{run}", [(rows[train], rows[test])], learner, sets, store, say)


def evaluate_across_sets(learner: Learner, model: str, sets: DftSets, store: Store, say: Callable[[str], None]) -> None:
    """Train on one small set, test on the other, and the reverse."""
    for known, asked in (("L96", "HH143"), ("HH143", "L96")):
        split = [(sets.rows_of[known], sets.rows_of[asked])]
        _cell("transfer", model, known, asked, "all", split, learner, sets, store, say)


def _cell(
    study: Study,
    model: str,
    train: str,
    test: str,
    split: str,
    folds: Sequence[Split],
    learner: Learner,
    sets: DftSets,
    store: Store,
    say: Callable[[str], None],
) -> None:
    if not folds or store.has(evaluation_name(study, model, train, test, split)):
        return
    started = time.monotonic()
    tested: list[Rows] = []
    answers: list[Answer] = []
    for known, asked in folds:
        unseen = sets.unseen(known, asked)
        if not len(unseen):
            continue
        tested.append(unseen)
        answers.append(learner(known, unseen))
    rows = np.concatenate(tested)
    crystals = [*sets.research.mix]
    answered = Answered(
        ids=[crystals[i].crystal.id for i in rows],
        formulas=sets.formulas[rows].tolist(),
        groups=[sets.research.family[crystals[i].crystal.id] for i in rows],
        truth=sets.kappa[rows],
        predicted=np.exp(np.concatenate([answer.ln_kappa for answer in answers])),
        spread=np.concatenate([answer.spread for answer in answers]),
        distance=np.concatenate([answer.distance for answer in answers]),
    )
    cell = store.put(
        study,
        model,
        train,
        test,
        split,
        answered,
        n_train=float(np.mean([len(known) for known, _ in folds])),
        n_left_out=sum(len(asked) for _, asked in folds) - len(rows),
        seconds=time.monotonic() - started,
    )
    say(f"{cell.name}: mean |log10| error {cell.metrics.mean_abs_log10:.3f}, MAPE {cell.metrics.mape:.2f}")
