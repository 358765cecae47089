"""What a worker of a scan does: load the model once, then turn units into parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import torch

from kappatune.model.kappa_model import KappaModel, UnknownFidelity
from kappatune.screening.parts import Counts, write_part
from kappatune.screening.rows import SCHEMA, Labels, result_rows
from kappatune.screening.settings import ScanSettings
from kappatune.screening.sources import Unit, parse
from kappatune.structures import Crystal, Rejection
from kappatune.structures.text import printable


class Worker:
    """A model with its labels, one thread, and the folder it writes to.

    Attributes:
        facts: What a scan's claim says of the model: its name, the hash of its weights, the rung.

    Raises:
        kappatune.model.bundle.BadBundle: There is no intact model of that name.
        UnknownFidelity: The model has no such rung.
    """

    def __init__(self, settings: ScanSettings, out: Path) -> None:
        torch.set_num_threads(1)
        self.out = out
        self.model = KappaModel.load(settings.model)
        self.fidelity = settings.fidelity or self.model.default_fidelity
        card = self.model.card
        if self.fidelity not in card.fidelities:
            raise UnknownFidelity(f"model '{card.name}' knows {', '.join(card.fidelities)}, not '{self.fidelity}'")
        self.labels = Labels.read(self.model, settings.labels)
        self.facts = {"model": card.name, "model_sha256": card.weights_sha256, "fidelity": self.fidelity}

    def work(self, index: int, unit: Unit, poisoned: frozenset[int] = frozenset()) -> Counts:
        """Predict one unit and write its part.

        Args:
            index: Number of the part.
            unit: What to predict.
            poisoned: Positions of items that are not to be read; each gets a row that says why.
        """
        return write_part(self.out, index, unit, self._table(unit, poisoned))

    def attempt(self, unit: Unit) -> None:
        """Do everything with a unit but write."""
        self._table(unit, frozenset())

    def _table(self, unit: Unit, poisoned: frozenset[int]) -> pa.Table:
        if poisoned:
            entries: list[Crystal | Rejection] = []
            for k, item in enumerate(unit.items):
                one = replace(unit, items=[item], first=unit.first + k)
                entries += [poisoned_entry(one)] if k in poisoned else parse(one)
        else:
            entries = parse(unit)
        return pa.Table.from_pylist(result_rows(self.model, self.fidelity, entries, self.labels), schema=SCHEMA)


def poisoned_entry(unit: Unit) -> Rejection:
    """What stands for the one item of a unit that ends the process which reads it."""
    (item,) = unit.items
    file = unit.file or str(item)
    name = f"{Path(file).stem}#{unit.first}" if unit.file else Path(file).stem
    if isinstance(item, dict) and item.get("id"):
        name = printable(str(item["id"]))
    return Rejection(name, "reading it crashed the worker process: the file is too large or harmful", file)
