"""Rows of a scan: the prediction, what it was made from, and the nearest labelled crystals."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from ase.data import atomic_masses
from numpy.typing import NDArray

from kappatune.model.kappa_model import KappaModel
from kappatune.model.prediction import PredictionDetails
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import Crystal, LabelledCrystal, Rejection, read_table
from kappatune.structures.crystal import element_symbol

N_NEAREST = 3
TEXTBOOK = SHIPPED_TABLES["shipped:textbook"]

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
        ("known_rungs", pa.list_(pa.string())),
        ("nearest", pa.list_(_NEAREST)),
        ("structure_hash", pa.string()),
        ("lattice", pa.list_(pa.float64())),
        ("numbers", pa.list_(pa.int32())),
        ("frac_coords", pa.list_(pa.float64())),
    ]
)
"""Columns of every part. `lattice` is row by row in Å; `distance` is in units of the embedding's spread."""


@dataclass(frozen=True)
class Labels:
    """Labelled crystals to which scanned ones are compared.

    Attributes:
        rows: The crystals and their values.
        embedding: (n_labels, d) their embeddings.
        spread: (d,) scale of the embedding over the model's training crystals.
    """

    rows: list[LabelledCrystal]
    embedding: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def read(cls, model: KappaModel, table: str | None) -> Labels:
        """Read a table, or the shipped textbook crystals, and embed what the model supports."""
        rows = [row for row in read_table(table or TEXTBOOK, default_fidelity="experiment").rows]
        return cls.of(model, rows, model.predict_with_details([row.crystal for row in rows], model.default_fidelity))

    @classmethod
    def of(cls, model: KappaModel, rows: Sequence[LabelledCrystal], judged: Sequence[PredictionDetails]) -> Labels:
        """Labels of crystals that the model has judged; those it gave no embedding are left out."""
        kept = [(row, j.embedding) for row, j in zip(rows, judged, strict=True) if j.embedding is not None]
        spread = model.embedding_scale
        return cls([row for row, _ in kept], np.array([e for _, e in kept]).reshape(-1, len(spread)), spread)

    def nearest(self, embedding: NDArray[np.float32], n: int = N_NEAREST) -> list[dict[str, Any]]:
        """The nearest labelled crystals, by root mean square difference of the scaled embedding."""
        distance = np.sqrt((((self.embedding - embedding) / self.spread) ** 2).mean(axis=1))
        return [
            {
                "id": row.crystal.id,
                "formula": row.crystal.formula,
                "kappa_w_mk": row.kappa,
                "fidelity": row.fidelity,
                "source": row.source,
                "distance": float(distance[k]),
            }
            for k in np.argsort(distance, kind="stable")[:n]
            for row in [self.rows[k]]
        ]


def result_rows(
    model: KappaModel, fidelity: str, entries: list[Crystal | Rejection], labels: Labels
) -> list[dict[str, Any]]:
    """One row per entry, in the columns of `SCHEMA`."""
    formulas = {rung: set(known) for rung, known in model.card.formulas.items()}
    return [
        _row(entry, judged, formulas, labels)
        for entry, judged in zip(entries, model.predict_with_details(entries, fidelity), strict=True)
    ]


def structure_hash(crystal: Crystal) -> str:
    """Key of a structure as it was given: 16 hexadecimal digits of its lattice, elements and coordinates."""
    digest = hashlib.sha256(crystal.numbers.astype(np.int64).tobytes())
    for array in (crystal.lattice, crystal.frac_coords % 1.0):
        digest.update((np.round(array, 5) + 0.0).tobytes())
    return digest.hexdigest()[:16]


def _row(
    entry: Crystal | Rejection, judged: PredictionDetails, formulas: dict[str, set[str]], labels: Labels
) -> dict[str, Any]:
    said = judged.prediction
    row: dict[str, Any] = said.model_dump(exclude={"temperature_k"})
    row["known_rungs"] = [rung for rung, known in formulas.items() if said.formula in known]
    if judged.members_w_mk is not None and said.kappa_w_mk is not None:
        row["members_w_mk"] = judged.members_w_mk.tolist()
    if judged.embedding is not None and said.kappa_w_mk is not None:
        row["nearest"] = labels.nearest(judged.embedding)
    if isinstance(entry, Crystal):
        elements, counts = np.unique(entry.numbers, return_counts=True)
        row |= {
            "anonymous_formula": _anonymous_formula(counts),
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


def _anonymous_formula(counts: NDArray[np.int64]) -> str:
    """`AB2` for MgF2 and its like: letters by rising count."""
    reduced = np.sort(counts // np.gcd.reduce(counts))
    return "".join(f"{_letter(k)}{n if n > 1 else ''}" for k, n in enumerate(reduced.tolist()))


def _letter(k: int) -> str:
    return chr(ord("A") + k) if k < 26 else f"[{k + 1}]"
