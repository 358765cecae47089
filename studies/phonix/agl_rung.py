"""How good is the AGL rung of a recipe on AFLOW's values of formulas that no stage of the members has seen?

These are the formulas of the DFT sets, which are kept from every stage anyway, or all formulas in five folds
(`agl_folds`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from kappatune.model.intervals import ln_kappa_spread
from kappatune.model.kappa_model import KappaModel
from kappatune.storage import atomic_path
from kappatune.structures.table import LabelledCrystal
from studies.store import Record, today, versions
from studies.transfer.calibrate import NamedErrors, calibrate, cross_coverage
from studies.transfer.intervals import CalibrationResult
from studies.transfer.metrics import bootstrap
from studies.transfer.splits import anion

Protocol = Literal["DFT formulas", "5 folds"]
OF_DFT: Protocol = "DFT formulas"
IN_FOLDS: Protocol = "5 folds"
Values = NDArray[np.float64]


class AglEvaluation(Record):
    """Errors of the AGL rung of a recipe on AFLOW rows of formulas that it has not seen.

    Attributes:
        record: Always `agl`.
        model: Name of the recipe.
        protocol: Which formulas: those of the DFT sets, or all of them in five folds.
        n: Crystals.
        n_formulas: Their distinct formulas.
        n_trained: Formulas that the members were trained on.
        mean_abs_ln: Mean |ln(predicted / true)|.
        mean_abs_ln_interval: 95 % interval of it, by bootstrap over formulas.
        bias_ln: Mean ln(predicted / true).
        spearman: Rank correlation.
        median_spread_ln: Median standard deviation between the members.
        outside: Fraction out of domain.
        error_ratio: Mean |ln| error out of domain over that inside; null if either is empty.
        seconds: Time of the predictions.
        date: ISO 8601.
        versions: Of Python and the libraries.
    """

    record: Literal["agl"] = "agl"
    model: str
    protocol: Protocol = OF_DFT
    n: int
    n_formulas: int
    n_trained: int
    mean_abs_ln: float
    mean_abs_ln_interval: tuple[float, float]
    bias_ln: float
    spearman: float
    median_spread_ln: float
    outside: float
    error_ratio: float | None
    seconds: float
    date: str
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """Name of the recipe, and the protocol where it is not that of the other results."""
        return self.model if self.protocol == OF_DFT else f"{self.model} {self.protocol}"

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"{self.name} agl: mean |ln| error {self.mean_abs_ln:.3f}, n {self.n}, {self.outside:.0%} outside"


@dataclass(frozen=True)
class AglPredictions:
    """What the mean of the members predicts of n AFLOW rows.

    Attributes:
        ln_kappa: (n,) ln of kappa in W/(m K).
        spread: (n,) standard deviation between the members.
        distance: (n,) distance to the crystals that the first member was trained on, above 1 outside their domain.
        seconds: (), time of the predictions.
        n_trained: (), formulas that the members were trained on.
    """

    ln_kappa: Values
    spread: Values
    distance: Values
    seconds: Values
    n_trained: Values

    @classmethod
    def of(cls, members: Sequence[KappaModel], rows: Sequence[LabelledCrystal]) -> Self:
        """Predict rows by models of one member each."""
        started = time.monotonic()
        graphs = members[0].build_graphs([row.crystal for row in rows])
        outputs = [member.member_outputs(graphs, "agl") for member in members]
        each = np.concatenate([output.ln_kappa for output in outputs])
        return cls(
            ln_kappa=each.mean(axis=0),
            spread=ln_kappa_spread(each, np.zeros_like(each)),
            distance=members[0].distances(outputs[0], "agl"),
            seconds=np.array(time.monotonic() - started),
            n_trained=np.array(len(members[0].card.formulas["agl"])),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Several, one after the other; their times are added, and the fewest formulas count."""
        return cls(
            ln_kappa=np.concatenate([part.ln_kappa for part in parts]),
            spread=np.concatenate([part.spread for part in parts]),
            distance=np.concatenate([part.distance for part in parts]),
            seconds=np.sum([part.seconds for part in parts], axis=0),
            n_trained=np.min([part.n_trained for part in parts], axis=0),
        )

    @classmethod
    def stored(cls, members: Callable[[], Sequence[KappaModel]], rows: Sequence[LabelledCrystal], path: Path) -> Self:
        """Predictions from a file, made by the members if it is not there."""
        if not path.is_file():
            found = cls.of(members(), rows)
            with atomic_path(path) as partial, partial.open("wb") as file:
                np.savez(file, **{field.name: getattr(found, field.name) for field in fields(cls)})
        arrays = np.load(path)
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def agl_evaluation(
    model: str, rows: Sequence[LabelledCrystal], predicted: AglPredictions, protocol: Protocol = OF_DFT
) -> AglEvaluation:
    """Errors of the rung on some rows."""
    formulas = np.array([row.crystal.formula_key for row in rows])
    kappa = np.array([row.kappa for row in rows])
    error, outside = predicted.ln_kappa - np.log(kappa), predicted.distance > 1
    size = np.abs(error)
    both = outside.any() and not outside.all()
    return AglEvaluation(
        model=model,
        protocol=protocol,
        n=len(rows),
        n_formulas=len(set(formulas)),
        n_trained=int(predicted.n_trained),
        mean_abs_ln=float(size.mean()),
        mean_abs_ln_interval=bootstrap(size, formulas),
        bias_ln=float(error.mean()),
        spearman=float(spearmanr(kappa, predicted.ln_kappa).statistic),
        median_spread_ln=float(np.median(predicted.spread)),
        outside=float(outside.mean()),
        error_ratio=float(size[outside].mean() / size[~outside].mean()) if both else None,
        seconds=round(float(predicted.seconds), 1),
        date=today(),
        versions=versions(),
    )


def agl_results(
    model: str, rows: Sequence[LabelledCrystal], predicted: AglPredictions
) -> tuple[AglEvaluation, CalibrationResult]:
    """Errors of the rung, and the calibration of its intervals."""
    formulas = np.array([row.crystal.formula_key for row in rows])
    kappa = np.array([row.kappa for row in rows])
    names = np.array([row.crystal.id for row in rows])
    error, outside = predicted.ln_kappa - np.log(kappa), predicted.distance > 1
    errors = NamedErrors(error, predicted.spread, outside, formulas, names)
    calibration = CalibrationResult(
        model=model,
        fidelity="agl",
        calibration=calibrate(errors, [], date=today()),
        coverage=cross_coverage(errors, [], kappa, [anion(formula) for formula in formulas]),
        left_out={},
    )
    return agl_evaluation(model, rows, predicted), calibration
