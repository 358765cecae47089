"""Labelled crystals in the embedding of a model, among which the nearest to a crystal are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kappatune.model.kappa_model import KappaModel
from kappatune.model.prediction import PredictionDetails
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import LabelledCrystal, read_table

N_NEAREST = 3
"""Labelled crystals that a row of a scan lists."""


@dataclass(frozen=True)
class LabelIndex:
    """Labelled crystals with which others are compared.

    Attributes:
        rows: The crystals and their values.
        embedding: (n_labels, d) their embeddings.
        scale: (d,) scale of the embedding over the model's training crystals.
    """

    rows: list[LabelledCrystal]
    embedding: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def read(cls, model: KappaModel, table: str | Path | None = None) -> LabelIndex:
        """Read a table, or the shipped textbook values, and embed the crystals that the model supports.

        Raises:
            kappatune.structures.table.BadTable: The table cannot be read.
        """
        labelled = read_table(table or SHIPPED_TABLES["shipped:textbook"], default_fidelity="experiment")
        rows = [*labelled.rows]
        return cls.of(model, rows, model.predict_with_details([row.crystal for row in rows], model.default_fidelity))

    @classmethod
    def of(cls, model: KappaModel, rows: Sequence[LabelledCrystal], details: Sequence[PredictionDetails]) -> LabelIndex:
        """Index crystals for which the model has predictions; those without an embedding are left out."""
        embedded = [(row, d.embedding) for row, d in zip(rows, details, strict=True) if d.embedding is not None]
        scale = model.embedding_scale
        return cls([row for row, _ in embedded], np.array([e for _, e in embedded]).reshape(-1, len(scale)), scale)

    def nearest(self, embedding: NDArray[np.float32], n: int = N_NEAREST) -> list[dict[str, Any]]:
        """The nearest labelled crystals, by the root mean square difference of the scaled embeddings.

        Args:
            embedding: (d,) of the crystal.
            n: How many.

        Returns:
            Nearest first: `id`, `formula`, `kappa_w_mk`, `fidelity`, `source` and `distance` of each.
        """
        distance = np.sqrt((((self.embedding - embedding) / self.scale) ** 2).mean(axis=1))
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
