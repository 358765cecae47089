"""What do the shipped models do on DFT values of other kinds of crystals, none of which they have seen?

    python -m studies.transfer.out_of_sample --data FOLDER

Phonix (Ohnishi et al., npj Comput. Mater. 12, 150 (2026)): DFT conductivities of crystals of all kinds, of which the
models know none; formulas of L96, HH143 and the textbook values are left out. The values may not be passed on: the
result holds aggregates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as pq
import typer
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from pymatgen.core import Composition

from kappatune import KappaModel
from kappatune.structures import Crystal
from kappatune.structures.table import LabelledCrystal, read_table
from studies.research_data import PHONIX, DataOption, research_folder
from studies.shipped_models import MODELS
from studies.store import save_result
from studies.transfer.metrics import compare, measure

RUNGS = ("dft", "agl")

ATOMS = ((1, 4), (5, 8), (9, 16), (17, 32), (33, None))
"""Numbers of atoms in the primitive cell by which crystals are grouped."""

SOFT, STIFF = 100.0, 200.0
"""Crystals whose predicted acoustic Debye temperature lies below the first are called soft, above the second stiff,
K."""

Values = NDArray[np.float64]


class GroupErrors(BaseModel):
    """Errors of one model on a group of crystals.

    Attributes:
        n: Crystals.
        mean_abs_log10: Mean |log10(predicted / true)|.
        mean_abs_log10_interval: 95 % interval of it, by bootstrap over formulas.
        mean_signed_log10: Mean log10(predicted / true).
        median_ratio: Median of predicted / true.
        spearman: Rank correlation.
        coverage: Fraction of the crystals whose interval contains the value.
        in_domain: Fraction with `in_domain` true.
        interval_ratio: Median of upper / lower.
    """

    model_config = ConfigDict(extra="forbid")

    n: int
    mean_abs_log10: float
    mean_abs_log10_interval: tuple[float, float]
    mean_signed_log10: float
    median_ratio: float
    spearman: float
    coverage: float
    in_domain: float
    interval_ratio: float


class Answers:
    """What one model and rung say of n crystals with known kappa.

    Attributes:
        formulas: (n,) reduced formulas.
        truth: (n,) kappa, W/(m K).
        kappa: (n,) predicted, W/(m K).
        lower: (n,) lower end of the interval, W/(m K).
        upper: (n,) upper end, W/(m K).
        inside: (n,) whether they lie in the domain.
        n_atoms: (n,) atoms in the primitive cell.
        acoustic_debye_k: (n,) predicted acoustic Debye temperature, K.
    """

    def __init__(self, model: KappaModel, fidelity: str, rows: list[LabelledCrystal]) -> None:
        """Ask a model."""
        details = model.predict_with_details([row.crystal for row in rows], fidelity)
        answers = [detail.prediction for detail in details]
        unanswered = [answer.id for answer in answers if answer.kappa_w_mk is None]
        if unanswered:
            raise typer.BadParameter(f"{len(unanswered)} crystals got no prediction, {unanswered[0]} among them")
        self.formulas = np.array([row.crystal.formula_key for row in rows])
        self.truth = np.array([row.kappa for row in rows])
        self.kappa, self.lower, self.upper = (
            np.array([getattr(answer, name) for answer in answers], dtype=np.float64)
            for name in ("kappa_w_mk", "lower_w_mk", "upper_w_mk")
        )
        self.inside = np.array([bool(answer.in_domain) for answer in answers])
        self.n_atoms = np.array([detail.n_primitive for detail in details], dtype=np.float64)
        self.acoustic_debye_k = np.array([detail.acoustic_debye_temperature_k for detail in details], dtype=np.float64)

    @property
    def abs_log10_errors(self) -> Values:
        """(n,) |log10(predicted / true)|."""
        errors: Values = np.abs(np.log10(self.kappa / self.truth))
        return errors

    def errors(self, chosen: NDArray[np.bool_]) -> GroupErrors:
        """Errors on some of the crystals: `chosen` (n,)."""
        truth, kappa = self.truth[chosen], self.kappa[chosen]
        metrics = measure(truth, kappa, self.formulas[chosen])
        held = (self.lower[chosen] <= truth) & (truth <= self.upper[chosen])
        return GroupErrors(
            n=metrics.n,
            mean_abs_log10=metrics.mean_abs_log10,
            mean_abs_log10_interval=metrics.mean_abs_log10_interval,
            mean_signed_log10=metrics.mean_signed_log10,
            median_ratio=float(np.median(kappa / truth)),
            spearman=metrics.spearman or 0.0,
            coverage=float(held.mean()),
            in_domain=float(self.inside[chosen].mean()),
            interval_ratio=float(np.median(self.upper[chosen] / self.lower[chosen])),
        )


def main(data: DataOption = None) -> None:
    """Ask the shipped models for crystals of Phonix of whose formulas they learnt no DFT or measured value: minutes."""
    table = research_folder(data) / PHONIX
    rows = read_table(table).rows
    models = {name: KappaModel.load(name) for name in MODELS}
    learnt = {formula for model in models.values() for formula in model.card.formulas["dft"]}
    in_agl = {formula for model in models.values() for formula in model.card.formulas["agl"]}
    unseen = [row for row in rows if row.crystal.formula_key not in learnt]
    columns = pq.read_table(table, columns=["id", "spacegroup"]).to_pydict()
    space_group = dict(zip(columns["id"], columns["spacegroup"], strict=True))
    of_learnt_family = np.array([in_learnt_family(row.crystal, space_group[row.crystal.id]) for row in unseen])
    kinds = {
        "families that `dft` learnt": of_learnt_family,
        "other families": ~of_learnt_family,
        "no AGL value known either": np.array([row.crystal.formula_key not in in_agl for row in unseen]),
    }
    answers = {(name, rung): Answers(model, rung, unseen) for name, model in models.items() for rung in RUNGS}
    save_result(
        "out_of_sample",
        {
            "weights_sha256": {name: model.card.weights_sha256 for name, model in models.items()},
            "n_rows": len(rows),
            "n_left_out": len(rows) - len(unseen),
            "errors": {name: {rung: _by_group(answers[name, rung], kinds) for rung in RUNGS} for name in MODELS},
            "compared": {
                "accurate dft to fast dft": _compared(answers["accurate", "dft"], answers["fast", "dft"]),
                **{f"{m} dft to {m} agl": _compared(answers[m, "dft"], answers[m, "agl"]) for m in MODELS},
            },
        },
    )


def in_learnt_family(crystal: Crystal, space_group: int) -> bool:
    """Whether a crystal is a rocksalt, zincblende, wurtzite or half-Heusler, by formula and space group."""
    kind = Composition(crystal.formula_key).anonymized_formula
    return (kind == "AB" and space_group in (186, 216, 225)) or (kind == "ABC" and space_group == 216)


def groups(answers: Answers) -> dict[str, NDArray[np.bool_]]:
    """(n,) masks of the groups of crystals that errors are given for."""
    thirds = np.argsort(np.argsort(answers.truth, kind="stable"), kind="stable") * 3 // len(answers.truth)
    found = {
        "all": np.ones(len(answers.truth), dtype=bool),
        "inside the domain": answers.inside,
        "outside the domain": ~answers.inside,
    }
    found |= {f"κ, {name} third": thirds == k for k, name in enumerate(("low", "middle", "high"))}
    for low, high in ATOMS:
        name = f"{low} to {high} atoms" if high else f"{low} atoms or more"
        found[name] = (answers.n_atoms > low - 0.5) & (answers.n_atoms < (high or np.inf) + 0.5)
    theta = answers.acoustic_debye_k
    return found | {"soft": theta < SOFT, "neither": (theta >= SOFT) & (theta < STIFF), "stiff": theta >= STIFF}


def _by_group(answers: Answers, kinds: dict[str, NDArray[np.bool_]]) -> dict[str, Any]:
    chosen = groups(answers) | kinds
    return {name: answers.errors(mask).model_dump(mode="json") for name, mask in chosen.items() if mask.sum() > 2}


def _compared(first: Answers, second: Answers) -> dict[str, Any]:
    return compare(first.abs_log10_errors, second.abs_log10_errors, first.formulas).model_dump(mode="json")


if __name__ == "__main__":
    typer.run(main)
