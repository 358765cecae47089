"""What a model returns: one row per crystal, and the details behind a row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from kappatune.model.intervals import IntervalKind

TRAINING_TEMPERATURE_K = 300.0
"""Temperature of the values that models are trained on, K; `model.temperature` gives kappa at others."""


class Prediction(BaseModel):
    """A crystal's predicted conductivity, or the reason why there is none.

    Attributes:
        id: Name of the crystal.
        file: File it came from.
        formula: Reduced formula.
        temperature_k: Temperature of kappa, K.
        kappa_w_mk: Lattice thermal conductivity, W/(m K); geometric mean over the members.
        lower_w_mk: Lower end of the interval, W/(m K).
        upper_w_mk: Upper end of the interval, W/(m K). It is meant to hold nine values in ten; `interval` says what
            that rests on.
        debye_temperature_k: Debye temperature of the primitive cell, K; None if the model does not predict it.
        gruneisen: Grüneisen parameter; None if the model does not predict it.
        in_domain: Whether the crystal resembles what the model was trained on, and 1/T holds at the temperature.
        reason: Why there is no prediction, or why the crystal is out of domain.
        remarks: What to know although the number stands: sentences that each begin with a kind
            (`kappatune.structures.remarks.Remark`), such as `layered: ...`.
        interval: What the interval rests on (`kappatune.model.intervals.IntervalKind`); None without an interval.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    file: str | None = None
    formula: str | None = None
    temperature_k: float = TRAINING_TEMPERATURE_K
    kappa_w_mk: float | None = None
    lower_w_mk: float | None = None
    upper_w_mk: float | None = None
    debye_temperature_k: float | None = None
    gruneisen: float | None = None
    in_domain: bool | None = None
    reason: str | None = None
    remarks: tuple[str, ...] = ()
    interval: IntervalKind | None = None


class PredictionDetails(NamedTuple):
    """A prediction at 300 K and what lies behind it.

    Attributes:
        prediction: The row.
        members_w_mk: (n_members,) kappa of each member, W/(m K); None if the networks gave none.
        embedding: (d,) embedding by the first member's host; None if the networks gave none.
        acoustic_debye_temperature_k: Debye temperature of the row times n^(-1/3), n of the primitive cell, K; None if
            unknown.
        members_debye_temperature_k: (n_members,) Debye temperature of the primitive cell, K; None if unknown.
        members_gruneisen: (n_members,) Grüneisen parameter; None if unknown.
        n_primitive: Atoms in the primitive cell; None if the networks gave nothing.
        volume_per_atom_a3: Å^3; None where the Debye temperature is unknown.
    """

    prediction: Prediction
    members_w_mk: NDArray[np.float64] | None = None
    embedding: NDArray[np.float32] | None = None
    acoustic_debye_temperature_k: float | None = None
    members_debye_temperature_k: NDArray[np.float64] | None = None
    members_gruneisen: NDArray[np.float64] | None = None
    n_primitive: float | None = None
    volume_per_atom_a3: float | None = None
