"""Rows of predictions, and the reasons they give."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from kappatune.model.intervals import IntervalKind
from kappatune.model.prediction import Prediction
from kappatune.structures import Crystal, Rejection
from kappatune.structures.crystal import element_symbol


def predicted_row(
    crystal: Crystal,
    ln_kappa: NDArray[np.float64],
    debye_temperature_k: NDArray[np.float64],
    gruneisen: NDArray[np.float64],
    half_width: float,
    interval: IntervalKind,
) -> Prediction:
    """The row of a crystal in the domain, at 300 K.

    Args:
        crystal: The crystal.
        ln_kappa: (n_members,) ln of kappa in W/(m K), finite.
        debye_temperature_k: (n_members,) K; NaN if unknown.
        gruneisen: (n_members,); NaN if unknown.
        half_width: Half-width of the interval in ln kappa; NaN if unknown.
        interval: What the interval rests on.
    """
    centre = float(ln_kappa.mean())
    row = Prediction(id=crystal.id, file=crystal.file, formula=crystal.formula, in_domain=True)
    row.kappa_w_mk = math.exp(centre)
    if math.isfinite(half_width):
        row.lower_w_mk, row.upper_w_mk = math.exp(centre - half_width), math.exp(centre + half_width)
        row.interval = interval
    if np.isfinite(debye_temperature_k).all():
        row.debye_temperature_k, row.gruneisen = float(debye_temperature_k.mean()), float(gruneisen.mean())
    return row


def row_without_value(entry: Crystal | Rejection, reason: str) -> Prediction:
    """The row of a crystal that cannot be predicted."""
    remarks = entry.remarks if isinstance(entry, Crystal) else ()
    return Prediction(id=entry.id, file=entry.file, formula=entry.formula, reason=reason, remarks=remarks)


def reason_for_no_value(crystal: Crystal, ln_kappa: NDArray[np.float64], n_isolated: int, cutoff: float) -> str | None:
    """Why the networks' values cannot be used, if so.

    Args:
        crystal: The crystal.
        ln_kappa: (n_members,) what the networks gave.
        n_isolated: Atoms without a neighbour; 0 if the host needs none.
        cutoff: Cutoff of the graphs, Å.
    """
    if n_isolated == crystal.n_atoms:
        return (
            f"no atom has a neighbour within {cutoff:g} Å, so the model has nothing to go by: "
            "check the cell and its unit (Å)"
        )
    if not np.isfinite(ln_kappa).all():
        return "the network gave no finite value for this crystal: check that the structure is realistic"
    return None


def reason_out_of_domain(
    crystal: Crystal, seen: Collection[int], n_isolated: int, cutoff: float, distance: float
) -> str | None:
    """Why a crystal is out of the model's domain, if it is.

    Args:
        crystal: The crystal.
        seen: Atomic numbers in the labelled crystals.
        n_isolated: Atoms without a neighbour; 0 if the host needs none.
        cutoff: Cutoff of the graphs, Å.
        distance: To the labelled crystals, in units of the limit of the domain.
    """
    unseen = [number for number in np.unique(crystal.numbers).tolist() if number not in seen]
    if unseen:
        return f"no training crystal contains {', '.join(map(element_symbol, unseen))}"
    if n_isolated:
        return f"{n_isolated} of {crystal.n_atoms} atoms have no neighbour within {cutoff:g} Å"
    if not distance <= 1:
        times = f"{distance:.1f} times" if distance >= 1.05 else "just over"
        return f"unlike the labelled crystals: its distance from them is {times} the limit of the domain"
    return None


def reason_for_unsupported(crystal: Crystal, supported: Collection[int]) -> str:
    """Why a crystal has elements that the networks cannot take.

    Args:
        crystal: The crystal.
        supported: Atomic numbers that the host supports.
    """
    unknown = [number for number in np.unique(crystal.numbers).tolist() if number not in supported]
    return (
        f"the network was pretrained without {', '.join(map(element_symbol, unknown))}, "
        "so it cannot predict this crystal"
    )
