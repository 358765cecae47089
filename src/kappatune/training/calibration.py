"""Intervals and domains of the rungs that a run has trained.

A rung learnt by trees or by a Gaussian process is calibrated on its own labelled crystals, predicted without their
formulas (cross-conformal prediction: Vovk, Ann. Math. Artif. Intell. 74, 9 (2015)). A rung that continues another one
blends these errors with the interval of that one, and its domain grows only where its crystals lie close together. A
rung learnt by gradient is not calibrated: that would take a training per fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from kappatune.model.card import ModelCard
from kappatune.model.domain import Domain, distances_of_unseen
from kappatune.model.folds import group_folds
from kappatune.model.heads import BASE_FIDELITY
from kappatune.model.intervals import IntervalCalibration, ln_kappa_spread
from kappatune.model.kappa_model import KappaModel
from kappatune.structures.table import Fidelity
from kappatune.training.conformal import START_WEIGHT, Errors, Widths, blended_widths, fit_widths
from kappatune.training.corrections import HeldOut
from kappatune.training.networks import continued_rung
from kappatune.training.rows import PreparedStage
from kappatune.training.stage import all_features

LEVEL = 0.9
"""Fraction of the crystals whose value is to lie inside an interval."""

SMALLEST_CALIBRATION = 10
"""Formulas below which a rung that continues no calibrated one is not calibrated."""

_FOLDS = 10


@dataclass(frozen=True)
class RungRecords:
    """What a model knows of its rungs beside their heads.

    Attributes:
        calibration: Of the intervals, for rungs that have one.
        domains: For rungs that have one.
        domain_share: Fraction of the labelled crystals of a rung that lies inside its domain if their formulas count
            as unlabelled.
    """

    calibration: dict[Fidelity, IntervalCalibration]
    domains: dict[str, Domain]
    domain_share: dict[Fidelity, float]


def rungs_of_trained(
    model: KappaModel,
    stages: Sequence[PreparedStage],
    start: KappaModel | None,
    held_out: Mapping[str, Sequence[HeldOut]],
) -> RungRecords:
    """Calibrations and domains of the rungs of a model, those that training left as they were among them.

    Args:
        model: The trained model.
        stages: What it was trained on.
        start: Model that the training started from.
        held_out: For each stage that was learnt by trees or a process, by its name, the errors of each member.
    """
    rungs = model.card.fidelities
    before = start if start and _has_same_host(model, start) else None
    records = _kept(before, rungs)
    trained = _corrections(before.card) if before else []
    default = before.card.default_fidelity if before else None
    learnt = (
        {name for rung in _corrections(start.card) for name in start.card.formulas.get(rung, ())} if start else set()
    )
    for prepared in stages:
        rung, formulas = prepared.fidelity, prepared.data.formulas
        if prepared.stage.pretrain or rung not in rungs:
            continue
        continued = continued_rung(trained, rung, model.card.composition, default)
        promised = records.calibration.get(continued) if continued else None
        known = np.isin(formulas, sorted(learnt))
        inherited = records.domains.get(continued) if continued else None
        domain, distance = _domain(model, prepared, inherited)
        records.calibration.pop(rung, None)
        records.domains[rung] = domain
        if not known.all():
            records.domain_share[rung] = float((distance[~known] <= 1).mean())
        if prepared.stage.name in held_out:
            errors = errors_of_ensemble(held_out[prepared.stage.name], distance > 1)
            if fitted := calibrated(errors, formulas, known, promised):
                records.calibration[rung] = fitted
        if rung != BASE_FIDELITY:
            trained, default = [*trained, rung], None
            learnt |= set(formulas)
    return records


def errors_of_ensemble(members: Sequence[HeldOut], outside: NDArray[np.bool_]) -> Errors:
    """Errors and spreads of the mean over the members.

    Args:
        members: Errors of each member on the same n crystals.
        outside: (n,) whether they lie outside the domain.
    """
    each = np.stack([member.error for member in members])
    spread = ln_kappa_spread(each, np.stack([member.spread for member in members]))
    return Errors(each.mean(axis=0), spread, outside)


def calibrated(
    errors: Errors, formulas: Sequence[str], known: NDArray[np.bool_], start: IntervalCalibration | None
) -> IntervalCalibration | None:
    """The calibration of a rung; None if there is too little to go by.

    Args:
        errors: Of the n labelled crystals, predicted without their formulas.
        formulas: (n,) their reduced formulas.
        known: (n,) whether the model that was trained further had learnt the formula. Errors on these are smaller than
            on others, so they may widen the intervals, but never narrow them.
        start: Calibration of the rung that this one continues.
    """
    new = np.flatnonzero(~known)
    n_formulas = len(np.unique(np.asarray(formulas)[new]))
    if start is None and n_formulas < SMALLEST_CALIBRATION:
        return None
    widths = _widths(errors, known, start)
    inside = [
        np.abs(errors.error[unseen]) <= _widths(errors[train], known[train], start).half_width(errors[unseen])
        for train, test in group_folds(formulas, _FOLDS, seed=0)
        if len(unseen := np.intersect1d(test, new))
    ]
    return IntervalCalibration(
        level=LEVEL,
        n=len(new),
        n_formulas=n_formulas,
        date=datetime.now(UTC).date().isoformat(),
        n_start=START_WEIGHT if start else 0,
        coverage=float(np.concatenate(inside).mean()) if inside else None,
        width=float(np.exp(np.median(widths.half_width(errors[new])))) if inside else None,
        **widths._asdict(),
    )


def _widths(errors: Errors, known: NDArray[np.bool_], start: IntervalCalibration | None) -> Widths:
    new = errors[~known]
    if start is None:
        return fit_widths(new, [], LEVEL)
    promised = Widths(start.floor_ln, start.factor, start.factor_outside)
    either = [blended_widths(own, promised, LEVEL) for own in (new, errors)]
    return Widths(start.floor_ln, max(w.factor for w in either), max(w.factor_outside or w.factor for w in either))


def _kept(before: KappaModel | None, rungs: Sequence[Fidelity]) -> RungRecords:
    """The records of the rungs of a start model that are still there."""
    if before is None:
        return RungRecords({}, {}, {})
    return RungRecords(
        {rung: found for rung, found in before.card.calibration.items() if rung in rungs},
        {rung: found for rung, found in before.domains.items() if rung in rungs},
        {rung: found for rung, found in before.card.domain_share.items() if rung in rungs},
    )


def _domain(model: KappaModel, prepared: PreparedStage, inherited: Domain | None) -> tuple[Domain, NDArray[np.float64]]:
    """The domain of a rung, and the (n,) distances of its labelled crystals if their formulas count as unlabelled."""
    formulas, network = prepared.data.formulas, model.members[0]
    features = all_features(network, prepared.data.graphs)[:, : network.embedding_size]
    embedding = features.numpy() / model.embedding_scale
    domain = inherited.extended(embedding, formulas) if inherited else Domain.of(embedding, formulas)
    if len(set(formulas)) < 2:
        return domain, domain.distance(embedding)
    return domain, distances_of_unseen(embedding, formulas, inherited) / max(domain.limit, 1e-6)


def _corrections(card: ModelCard) -> list[Fidelity]:
    """The rungs above the first, in the order of training."""
    return [rung for rung in card.fidelities if card.composition == "debye" and rung != BASE_FIDELITY]


def _has_same_host(model: KappaModel, start: KappaModel) -> bool:
    hosts = [one.members[0].host.state_dict() for one in (model, start)]
    return all(value.equal(hosts[1][name].cpu()) for name, value in hosts[0].items())
