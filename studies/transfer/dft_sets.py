"""The two small DFT sets of the paper, L96 and HH143, and both together (MIX), as numbered rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kappatune.model.folds import Rows
from kappatune.structures.table import LabelledCrystal
from studies.transfer.research_tables import ResearchTables

SET_NAMES = ("MIX", "L96", "HH143")


@dataclass(frozen=True)
class DftSets:
    """Rows in this order: L96, HH143, then those that are trained on beside them.

    Attributes:
        tables: All research tables.
        beside: Crystals trained on beside the sets, except for formulas that are tested: the textbook values, and
            others if there are.
        formulas: (n,) reduced formulas.
        kappa: (n,) W/(m K).
        rows_of: Rows of `L96`, `HH143`, `MIX` and `beside`.
    """

    tables: ResearchTables
    beside: list[LabelledCrystal]
    formulas: NDArray[np.str_]
    kappa: NDArray[np.float64]
    rows_of: dict[str, Rows]

    @classmethod
    def of(cls, tables: ResearchTables, more: Sequence[LabelledCrystal] = ()) -> DftSets:
        """Number the rows; `more` crystals stand beside the textbook values."""
        beside = [*tables.textbook, *more]
        rows = [*tables.mix, *beside]
        sizes = [len(r) for r in (*tables.dft.values(), beside)]
        ends = np.cumsum([0, *sizes])
        names = (*tables.dft, "beside")
        rows_of = {name: np.arange(a, b) for name, (a, b) in zip(names, pairwise(ends), strict=True)}
        rows_of["MIX"] = np.arange(len(tables.mix))
        return cls(
            tables, beside, np.array([r.crystal.formula_key for r in rows]), np.array([r.kappa for r in rows]), rows_of
        )

    def unseen(self, train: Rows, test: Rows) -> Rows:
        """The test rows whose formula is not trained on."""
        return test[~np.isin(self.formulas[test], self.formulas[train])]
