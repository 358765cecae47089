"""The demonstration: textbook crystals beside measured values, on the AGL rung and after training on a few.

The shipped `dft` rung was trained on measured values of most of these crystals, so the demonstration does not use it.
"""

from __future__ import annotations

import copy
import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kappatune.model.heads import BASE_FIDELITY
from kappatune.model.kappa_model import KappaModel
from kappatune.model.prediction import Prediction
from kappatune.progress import Message, OnProgress, ignore
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures.table import LabelledCrystal, LabelledTable, read_table
from kappatune.training import train

VALUES = SHIPPED_TABLES["shipped:textbook"]


@dataclass(frozen=True)
class DemoRow:
    """One textbook crystal.

    Attributes:
        measured: Measured conductivity, W/(m K).
        source: Paper or handbook that states the value.
        before: Prediction of the shipped model on its `agl` rung.
        after: Prediction after training on measured values of other crystals.
        known: Whether the shipped model was trained on an AGL value (not a measured one) of the same formula.
    """

    measured: float
    source: str
    before: Prediction
    after: Prediction
    known: bool


@dataclass(frozen=True)
class Demo:
    """The result of the demonstration.

    Attributes:
        rows: The crystals shown; none of their measured values was trained on.
        n_learned: Number of measured values that were trained on.
    """

    rows: list[DemoRow]
    n_learned: int

    def error(self, when: str) -> float:
        """Mean |ln(predicted / measured)| `before` or `after` training."""
        predicted = [getattr(row, when).kappa_w_mk for row in self.rows]
        return float(np.mean(np.abs(np.log(predicted) - np.log([row.measured for row in self.rows]))))


def textbook_table(part: str) -> LabelledTable:
    """The textbook crystals that are `shown`, or those that are trained on (`learned`)."""
    with VALUES.open(newline="", encoding="utf-8") as lines:
        chosen = {row["id"] for row in csv.DictReader(lines) if row["set"] == part}
    table = read_table(VALUES)
    return replace(table, rows=[row for row in table.rows if row.crystal.id in chosen])


def run_demo(on_progress: OnProgress = ignore) -> Demo:
    """Predict the shown crystals on the AGL rung, train a correction on the others, predict again.

    Args:
        on_progress: Called with each step.
    """
    shown, learned = textbook_table("shown"), textbook_table("learned")
    model = agl_rung_of(KappaModel.load())
    on_progress(Message(f"predicting {len(shown.rows)} textbook crystals with the AGL rung of the shipped model"))
    before = _predict(model, shown.rows)
    on_progress(Message(f"training a correction on {len(learned.rows)} measured values of other crystals"))
    tuned = train("finetune", learned, start=model, on_progress=on_progress)
    after = _predict(tuned, shown.rows)
    rows = [
        DemoRow(
            measured=row.kappa,
            source=row.source,
            before=first,
            after=second,
            known=row.crystal.formula_key in model.card.formulas[BASE_FIDELITY],
        )
        for row, first, second in zip(shown.rows, before, after, strict=True)
    ]
    return Demo(rows=rows, n_learned=len(learned.rows))


def agl_rung_of(model: KappaModel) -> KappaModel:
    """The model without the rungs above AGL."""
    members = copy.deepcopy(model.members)
    for member in members:
        for rung in [name for name in member.heads if name != BASE_FIDELITY]:
            del member.heads[rung]
    card, domains = model.card, {name: domain for name, domain in model.domains.items() if name == BASE_FIDELITY}
    only = {name: {BASE_FIDELITY: getattr(card, name)[BASE_FIDELITY]} for name in ("elements", "formulas")}
    card = card.model_copy(
        update={"name": f"{card.name}-agl", "fidelities": [BASE_FIDELITY], "default_fidelity": BASE_FIDELITY, **only}
    )
    return KappaModel(card, members, domains)


def _predict(model: KappaModel, rows: Sequence[LabelledCrystal]) -> list[Prediction]:
    return model.predict([row.crystal for row in rows])
