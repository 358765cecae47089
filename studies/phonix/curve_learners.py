"""Learners of the learning curves: a small network, trees and a Gaussian process, each on fixed inputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from kappatune.model.folds import Rows
from kappatune.training.gaussian_process import GaussianProcess
from kappatune.training.stage import split_by_formula
from kappatune.training.trees import Trees

CLIP_SIGMAS = 5.0
_N_TREES = 100
_WIDTH = 128
_STEPS = 400
_BATCH = 64
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 0.05
_HELD_BACK = 0.2
"""Fraction of the labels, by formula, that chooses when the network stops."""

_CHECK_STEPS = 20

Predict = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """What a learner is given.

    Attributes:
        x: (n, d) standardised inputs of the labelled crystals.
        y: (n,) targets.
        groups: Columns of one kind; together all of them.
        formulas: (n,) reduced formulas.
        seed: Of whatever is random.
    """

    x: Tensor
    y: Tensor
    groups: tuple[range, ...]
    formulas: list[str]
    seed: int


@dataclass(frozen=True)
class ArmInputs:
    """What an arm of the learning curves knows of each crystal before the labels come.

    Attributes:
        values: (n, d) inputs.
        groups: Columns of one kind; together all of them.
        base: (n,) ln kappa to which a correction is learnt; zero where the arm has none.
    """

    values: Tensor
    groups: tuple[range, ...]
    base: Tensor


Learner = Callable[[Task], Predict]


def standardised(values: Tensor, train: Rows) -> Tensor:
    """(n, d) values in standard deviations from the mean of the training rows, at most `CLIP_SIGMAS`."""
    known = values[train]
    return ((values - known.mean(dim=0)) / known.std(dim=0).clamp(min=1e-3)).clamp(-CLIP_SIGMAS, CLIP_SIGMAS)


def fit_and_predict(
    inputs: ArmInputs,
    learner: Learner,
    ln_kappa: Tensor,
    formulas: NDArray[np.str_],
    train: Rows,
    test: Rows,
    seed: int,
) -> NDArray[np.float64]:
    """(m,) ln kappa of the tested rows from the values of the training rows alone."""
    x = standardised(inputs.values, train)
    targets = (ln_kappa - inputs.base)[train]
    predict = learner(Task(x[train], targets, inputs.groups, formulas[train].tolist(), seed))
    return (predict(x[test]).double() + inputs.base[test]).numpy()


def fit_trees(task: Task) -> Predict:
    """Extremely randomised trees, a third as many as a shipped model's."""
    trees = Trees(task.x.float(), task.y, task.seed, _N_TREES)
    return lambda tested: trees.predict(tested.float())[0]


def fit_process(task: Task) -> Predict:
    """A Gaussian process with one length scale per input."""
    process = GaussianProcess.fit(task.x.double(), task.y.double(), task.groups, task.seed)
    return lambda tested: process.predict(tested.double())[0]


def fit_network(task: Task) -> Predict:
    """A network with two hidden layers that begins at the mean of the targets, stopped by a part of the labels."""
    centre, unit = task.y.mean(), task.y.std().clamp(min=1e-6)
    inputs, targets = task.x.float(), ((task.y - centre) / unit).float()
    fitted, held = split_by_formula(task.formulas, _HELD_BACK, task.seed)
    network = _new_network(inputs.shape[1], task.seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=_STEPS)
    draw = torch.Generator().manual_seed(task.seed)
    best, least = copy.deepcopy(network), float(targets[held].abs().mean())
    for step in range(1, _STEPS + 1):
        rows = fitted[torch.randint(len(fitted), (_BATCH,), generator=draw).numpy()]
        loss = smooth_l1_loss(network(inputs[rows])[:, 0], targets[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % _CHECK_STEPS == 0:
            with torch.no_grad():
                error = float((network(inputs[held])[:, 0] - targets[held]).abs().mean())
            if error < least:
                best, least = copy.deepcopy(network), error
    return lambda tested: best(tested.float())[:, 0].detach() * unit + centre


def _new_network(n_inputs: int, seed: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        last = nn.Linear(_WIDTH, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(nn.Linear(n_inputs, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), last)
