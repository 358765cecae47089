"""The labelled crystals that predictions are compared with, predicted once at the start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kappatune.model.explanation import TypicalCrystal
from kappatune.model.kappa_model import KappaModel
from kappatune.model.label_index import LabelIndex
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import Crystal, LabelledCrystal, element_symbol, read_table
from kappatune.structures.identity import structure_hash
from kappatune.web.schemas import LabelledValue, LabelsAnswer, LabelTable

_NAMES = {"shipped:prototypes": "kappatune's own AGL values", "shipped:textbook": "measured textbook values"}
_MOST_SOURCES = 5


@dataclass(frozen=True)
class ReferenceCrystals:
    """Labelled crystals, where they lie in the embedding, and what is typical of them.

    Attributes:
        labels: The crystals and their embeddings.
        typical: Medians of the factors of kappa.
        values: Their values, for the page.
        rows: All labelled crystals, by the name of their table.
        keys: All labelled crystals, by the hash of their structure.
    """

    labels: LabelIndex
    typical: TypicalCrystal
    values: LabelsAnswer
    rows: dict[str, list[LabelledCrystal]]
    keys: dict[str, Crystal]

    def crystal(self, key: str) -> Crystal | None:
        """A labelled crystal by the hash of its structure, or None if there is none."""
        return self.keys.get(key)

    def find(self, formula: str | None, elements: tuple[str, ...]) -> list[tuple[str, LabelledCrystal]]:
        """Labelled crystals by formula, or by their elements, with the names of their tables.

        Args:
            formula: As `Crystal.formula_key`; None asks for the elements.
            elements: Symbols in alphabetical order.
        """
        return [
            (table, row)
            for table, rows in self.rows.items()
            for row in rows
            if (row.crystal.formula_key == formula if formula else _elements(row.crystal) == elements)
        ]


def read_reference_crystals(model: KappaModel, table: Path | None = None) -> ReferenceCrystals:
    """Read the shipped tables, and one of the user's, and predict their crystals.

    Raises:
        kappatune.structures.table.BadTable: The table cannot be read.
    """
    tables = {_NAMES[name]: read_table(path) for name, path in SHIPPED_TABLES.items()}
    if table is not None:
        tables[table.name] = read_table(table, default_fidelity="experiment")
    rows = [row for content in tables.values() for row in content.rows]
    predicted = model.predict_with_details([row.crystal for row in rows], model.default_fidelity)
    return ReferenceCrystals(
        LabelIndex.of(model, rows, predicted),
        TypicalCrystal((row.crystal, details) for row, details in zip(rows, predicted, strict=True)),
        LabelsAnswer(
            tables=[
                LabelTable(
                    name=name,
                    fidelity=", ".join(sorted({row.fidelity for row in content.rows})),
                    sources=sorted({row.source for row in content.rows if row.source})[:_MOST_SOURCES],
                    n=len(content.rows),
                )
                for name, content in tables.items()
            ],
            values=[
                LabelledValue(formula=row.crystal.formula, kappa_w_mk=row.kappa, fidelity=row.fidelity) for row in rows
            ],
        ),
        {name: list(content.rows) for name, content in tables.items()},
        {structure_hash(row.crystal): row.crystal for row in rows},
    )


def _elements(crystal: Crystal) -> tuple[str, ...]:
    return tuple(sorted(map(element_symbol, set(crystal.numbers.tolist()))))
