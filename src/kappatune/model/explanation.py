"""Why a conductivity is what it is: the factors of the Slack formula beside those of a typical labelled crystal.

A `debye` model gives each member's Debye temperature and Grüneisen parameter, and kappa is the Slack formula of them
times the correction of the rung that is asked for (`model.heads`). Rearranged (`physics.slack`), the
formula is a product of factors that each mean something, and so is the prediction; nothing is attributed afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from ase.data import atomic_masses
from pydantic import BaseModel, ConfigDict

from kappatune.model.heads import BASE_FIDELITY
from kappatune.model.intervals import IntervalKind
from kappatune.model.prediction import Prediction, PredictionDetails
from kappatune.physics.slack import LN_SLACK_CONSTANT, SlackTerms, ln_slack_terms
from kappatune.structures import Crystal

Quantity = Literal["stiffness", "gruneisen", "mean_mass", "volume", "cell", "correction"]

_UNCHANGED = 0.02
_OF_PREDICTION = {"id", "file", "formula", "kappa_w_mk", "reason", "interval"}
_CORRECTION = "correction learnt from {rung}"


class _Words(NamedTuple):
    raises: str
    lowers: str
    typical: str
    name: str
    unit: str = ""


_WORDS: dict[Quantity, _Words] = {
    "stiffness": _Words("stiff bonds", "soft bonds", "usual bonds", "stiffness θ √m v^(-1/6)", "K √(u/Å)"),
    "gruneisen": _Words("weak anharmonicity", "strong anharmonicity", "usual anharmonicity", "Grüneisen parameter γ"),
    "mean_mass": _Words("light atoms", "heavy atoms", "atoms of usual mass", "mean atomic mass m", "u"),
    "volume": _Words("loosely packed atoms", "tightly packed atoms", "usual packing", "volume per atom v", "Å³"),
    "cell": _Words("few atoms per cell", "many atoms per cell", "usual cell", "atoms in the primitive cell n"),
    "correction": _Words(_CORRECTION, _CORRECTION, _CORRECTION, "{rung} value over the Slack formula"),
}


class Factor(BaseModel):
    """One factor of a conductivity.

    Attributes:
        quantity: The quantity it comes from.
        words: What it means for this crystal: `heavy atoms`, `soft bonds`, ...
        factor: By how much it raises (above one) or lowers kappa, compared with the typical crystal.
        value: The quantity of this crystal.
        typical: The quantity of the typical crystal.
        name: Name of the quantity.
        unit: Its unit; empty for a pure number.
    """

    model_config = ConfigDict(extra="forbid")

    quantity: Quantity
    words: str
    factor: float
    value: float
    typical: float
    name: str
    unit: str


class Explanation(BaseModel):
    """Kappa at 300 K as a product: `typical_w_mk` times all factors is kappa.

    Attributes:
        typical_w_mk: Kappa of a crystal with the median of each factor over the labelled crystals, W/(m K).
        n_labelled: Number of labelled crystals behind the medians.
        terms: The factors, from the one that moves kappa most to the one that moves it least.
    """

    model_config = ConfigDict(extra="forbid")

    typical_w_mk: float
    n_labelled: int
    terms: list[Factor]


class FactorRow(BaseModel):
    """One factor of one crystal's conductivity, as `KappaModel.explain` returns it.

    Attributes:
        id: Name of the crystal.
        file: File it came from.
        formula: Reduced formula.
        fidelity: Rung whose value is explained.
        kappa_w_mk: Predicted conductivity at 300 K, W/(m K).
        typical_w_mk: Kappa of the typical labelled crystal, W/(m K); times all factors of a crystal it is kappa.
        quantity: The quantity the factor comes from.
        name: Name of the quantity.
        words: What it means for this crystal: `heavy atoms`, `soft bonds`, ...
        factor: By how much it raises (above one) or lowers kappa, compared with the typical crystal.
        value: The quantity of this crystal.
        typical: The quantity of the typical crystal.
        unit: Unit of the quantity; empty for a pure number.
        reason: Why there is no explanation, or why the crystal is out of domain.
        interval: What the interval of the prediction rests on, as in a `Prediction`.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    file: str | None = None
    formula: str | None = None
    fidelity: str
    kappa_w_mk: float | None = None
    typical_w_mk: float | None = None
    quantity: Quantity | None = None
    name: str | None = None
    words: str | None = None
    factor: float | None = None
    value: float | None = None
    typical: float | None = None
    unit: str | None = None
    reason: str | None = None
    interval: IntervalKind | None = None


class TypicalCrystal:
    """The medians over the labelled crystals.

    Attributes:
        n: Number of labelled crystals that the model can predict.
        terms: Median of each term of the Slack formula.
    """

    def __init__(self, labelled: Iterable[tuple[Crystal, PredictionDetails]]) -> None:
        terms = [found for crystal, details in labelled if (found := slack_terms(crystal, details)) is not None]
        self.n = len(terms)
        self.terms = SlackTerms(*np.median(np.array(terms), axis=0).tolist()) if terms else None


def slack_terms(crystal: Crystal, details: PredictionDetails) -> SlackTerms[float] | None:
    """Terms of the Slack formula, averaged over the members as ln kappa is; None if the model knows no theta."""
    theta, gruneisen = details.members_debye_temperature_k, details.members_gruneisen
    if details.prediction.kappa_w_mk is None or theta is None or gruneisen is None or details.n_primitive is None:
        return None
    mass = float(atomic_masses[crystal.numbers].mean())
    lns = [np.full(len(theta), math.log(x)) for x in (mass, crystal.volume / crystal.n_atoms, details.n_primitive)]
    return SlackTerms(*(float(np.mean(term)) for term in ln_slack_terms(np.log(theta), gruneisen, *lns)))


def explain_prediction(
    crystal: Crystal, details: PredictionDetails, typical: TypicalCrystal, rung: str
) -> Explanation | None:
    """Split a predicted conductivity into its factors.

    Args:
        crystal: The crystal.
        details: Its prediction with details.
        typical: What it is compared with.
        rung: The fidelity of the prediction.

    Returns:
        None where there is no prediction, no labelled crystal, or a model without Debye temperatures.
    """
    terms = slack_terms(crystal, details)
    if terms is None or typical.terms is None or details.prediction.kappa_w_mk is None:
        return None
    correction = math.log(details.prediction.kappa_w_mk) - LN_SLACK_CONSTANT - sum(terms)
    usual = typical.terms._asdict()
    ln_factors: dict[Quantity, float] = {k: v - usual[k] for k, v in terms._asdict().items()}  # type: ignore[misc]
    ln_factors["correction"] = correction
    ordered = sorted(ln_factors.items(), key=lambda item: -abs(item[1]))
    return Explanation(
        typical_w_mk=math.exp(LN_SLACK_CONSTANT + sum(typical.terms)),
        n_labelled=typical.n,
        terms=[_factor(quantity, ln, terms, typical.terms, rung) for quantity, ln in ordered],
    )


def factor_rows(prediction: Prediction, rung: str, explanation: Explanation | None) -> list[FactorRow]:
    """An explanation as rows, one per factor; one row with a reason where there is none."""
    row = FactorRow(fidelity=rung, **prediction.model_dump(include=_OF_PREDICTION))
    if explanation is None:
        row.reason = prediction.reason or (
            "this model predicts no Debye temperature, so its kappa is not a product of known factors"
        )
        return [row]
    return [
        row.model_copy(update={"typical_w_mk": explanation.typical_w_mk, **factor.model_dump()})
        for factor in explanation.terms
    ]


def _factor(
    quantity: Quantity, ln_factor: float, terms: SlackTerms[float], typical: SlackTerms[float], rung: str
) -> Factor:
    words = _Words(*(text.format(rung=rung) for text in _WORDS[quantity]))
    if quantity == "correction":
        value, usual = math.exp(ln_factor), 1.0
    else:
        value, usual = (_quantity(quantity, side._asdict()[quantity]) for side in (terms, typical))
    if quantity == "correction" and rung == BASE_FIDELITY:
        meaning = "no correction: this rung is the formula itself"
    elif abs(ln_factor) < _UNCHANGED:
        meaning = words.typical
    else:
        meaning = words.raises if ln_factor > 0 else words.lowers
    return Factor(
        quantity=quantity,
        words=meaning,
        factor=math.exp(ln_factor),
        value=value,
        typical=usual,
        name=words.name,
        unit=words.unit,
    )


def _quantity(name: Quantity, ln_factor: float) -> float:
    """The quantity whose factor this is."""
    if name == "gruneisen":  # g^2 - 0.514 g + 0.228 = 1 / factor, the root above the minimum
        return 0.257 + math.sqrt(0.257**2 - 0.228 + math.exp(-ln_factor))
    power = {"stiffness": 3.0, "mean_mass": -0.5, "volume": 5.0 / 6.0, "cell": -2.0 / 3.0}[name]
    return math.exp(ln_factor / power)
