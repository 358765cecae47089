"""Rows of a scan: the prediction, what it was made from, and the nearest labelled crystals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from ase.data import atomic_masses

from kappatune.model.kappa_model import KappaModel
from kappatune.model.label_index import LabelIndex
from kappatune.model.prediction import PredictionDetails
from kappatune.structures import Crystal, Rejection
from kappatune.structures.crystal import element_symbol
from kappatune.structures.identity import anonymous_formula, structure_hash

_NEAREST = pa.struct(
    [
        ("id", pa.string()),
        ("formula", pa.string()),
        ("kappa_w_mk", pa.float64()),
        ("fidelity", pa.string()),
        ("source", pa.string()),
        ("distance", pa.float64()),
    ]
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("file", pa.string()),
        ("formula", pa.string()),
        ("anonymous_formula", pa.string()),
        ("n_atoms", pa.int32()),
        ("elements", pa.list_(pa.string())),
        ("mean_mass_u", pa.float64()),
        ("volume_per_atom_a3", pa.float64()),
        ("kappa_w_mk", pa.float64()),
        ("lower_w_mk", pa.float64()),
        ("upper_w_mk", pa.float64()),
        ("debye_temperature_k", pa.float64()),
        ("gruneisen", pa.float64()),
        ("members_w_mk", pa.list_(pa.float64())),
        ("in_domain", pa.bool_()),
        ("reason", pa.string()),
        ("interval", pa.string()),
        ("known_rungs", pa.list_(pa.string())),
        ("nearest", pa.list_(_NEAREST)),
        ("structure_hash", pa.string()),
        ("lattice", pa.list_(pa.float64())),
        ("numbers", pa.list_(pa.int32())),
        ("frac_coords", pa.list_(pa.float64())),
        ("remarks", pa.list_(pa.string())),
    ]
)
"""Columns of every part. `lattice` is row by row in Å; `distance` is in units of the embedding's spread."""


def scan_rows(
    model: KappaModel, fidelity: str, entries: list[Crystal | Rejection], labels: LabelIndex
) -> list[dict[str, Any]]:
    """One row per entry, in the columns of `SCHEMA`."""
    formulas = {rung: set(known) for rung, known in model.card.formulas.items()}
    return [
        _row(entry, details, formulas, labels)
        for entry, details in zip(entries, model.predict_with_details(entries, fidelity), strict=True)
    ]


def _row(
    entry: Crystal | Rejection, details: PredictionDetails, formulas: dict[str, set[str]], labels: LabelIndex
) -> dict[str, Any]:
    prediction = details.prediction
    row: dict[str, Any] = prediction.model_dump(exclude={"temperature_k"})
    key = entry.formula_key if isinstance(entry, Crystal) else None
    row["known_rungs"] = [rung for rung, known in formulas.items() if key in known]
    if details.members_w_mk is not None and prediction.kappa_w_mk is not None:
        row["members_w_mk"] = details.members_w_mk.tolist()
    if details.embedding is not None and prediction.kappa_w_mk is not None:
        row["nearest"] = labels.nearest(details.embedding)
    if isinstance(entry, Crystal):
        elements, counts = np.unique(entry.numbers, return_counts=True)
        row |= {
            "anonymous_formula": anonymous_formula(counts.tolist()),
            "n_atoms": entry.n_atoms,
            "elements": sorted(element_symbol(int(z)) for z in elements),
            "mean_mass_u": float(atomic_masses[entry.numbers].mean()),
            "volume_per_atom_a3": entry.volume / entry.n_atoms,
            "structure_hash": structure_hash(entry),
            "lattice": entry.lattice.ravel().tolist(),
            "numbers": entry.numbers.tolist(),
            "frac_coords": entry.frac_coords.ravel().tolist(),
        }
    return row
