"""What a worker of a scan does: load the model once, then turn units into parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import torch

from kappatune.model.kappa_model import KappaModel, UnknownFidelity
from kappatune.model.label_index import LabelIndex
from kappatune.screening.changes import record_of
from kappatune.screening.parts import ScanCounts, write_part
from kappatune.screening.rows import SCHEMA, scan_rows
from kappatune.screening.settings import ScanSettings
from kappatune.screening.sources import parse
from kappatune.screening.unit import Unit
from kappatune.structures import Crystal, Rejection
from kappatune.structures.text import printable


class Worker:
    """A model, labelled crystals, and the folder to write to; it computes on one thread.

    Attributes:
        model_info: What a scan records about the model: its name, the hash of its weights, and the rung.

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
        self.labels = LabelIndex.read(self.model, settings.labels)
        self.model_info = {"model": card.name, "model_sha256": card.weights_sha256, "fidelity": self.fidelity}

    def process(self, index: int, unit: Unit, crashing: frozenset[int] = frozenset()) -> ScanCounts:
        """Predict one unit and write its part.

        Args:
            index: Number of the part.
            unit: What to predict.
            crashing: Positions of the items that are not read because they crash the process; each becomes a row with
                that reason.
        """
        record = record_of(unit)
        return write_part(self.out, index, record, self._table(unit, crashing))

    def try_unit(self, unit: Unit) -> None:
        """Predict a unit without writing its part, to see whether it crashes the process."""
        self._table(unit, frozenset())

    def _table(self, unit: Unit, crashing: frozenset[int]) -> pa.Table:
        if crashing:
            entries: list[Crystal | Rejection] = []
            for k, item in enumerate(unit.items):
                one = replace(unit, items=[item], first=unit.first + k)
                entries += [rejection_of_crashing_item(one)] if k in crashing else parse(one)
        else:
            entries = parse(unit)
        return pa.Table.from_pylist(scan_rows(self.model, self.fidelity, entries, self.labels), schema=SCHEMA)


def rejection_of_crashing_item(unit: Unit) -> Rejection:
    """The entry for an item, the only one of its unit, that crashes the process that reads it."""
    (item,) = unit.items
    file = unit.file or str(item)
    name = f"{Path(file).stem}#{unit.first}" if unit.file else Path(file).stem
    if isinstance(item, dict) and item.get("id"):
        name = printable(str(item["id"]))
    return Rejection(name, "reading it crashed the worker process: the file is too large or harmful", file)
