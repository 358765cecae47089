"""Choosing the rows of its tables that a stage can train on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from kappatune.model.card import DataCard
from kappatune.model.graphs import CrystalGraphs, build_graphs
from kappatune.model.heads import PROPERTIES, descriptors, transform_properties
from kappatune.model.hosts import Host
from kappatune.model.rules import GraphRules
from kappatune.structures.crystal import element_symbol
from kappatune.structures.table import Fidelity, LabelledCrystal, LabelledTable
from kappatune.training.recipe import BadRun, Stage
from kappatune.training.stage import StageData

SMALLEST_TABLE = 5
"""Rows below which nothing is fitted."""


@dataclass(frozen=True)
class LeftOutRow:
    """A row that a stage cannot use.

    Attributes:
        stage: Name of the stage.
        table: Name of the table.
        id: Name of the crystal.
        file: File it came from.
        reason: Why it is left out.
    """

    stage: str
    table: str
    id: str
    file: str | None
    reason: str


@dataclass(frozen=True)
class PreparedStage:
    """A stage of a recipe with the rows it trains on.

    Attributes:
        stage: Its settings in the recipe.
        fidelity: Rung it trains.
        data: The usable rows.
        elements: Atomic numbers among them, ascending.
        cards: One per table, for the card of the model.
        left_out: The other rows.
        tables: Its tables.
        usable: The usable rows, each with the index of its table.
    """

    stage: Stage
    fidelity: Fidelity
    data: StageData
    elements: list[int]
    cards: list[DataCard]
    left_out: list[LeftOutRow]
    tables: Sequence[LabelledTable]
    usable: list[tuple[int, LabelledCrystal]]


def prepare_stage(stage: Stage, tables: Sequence[LabelledTable], host: Host, rules: GraphRules) -> PreparedStage:
    """Choose the rows of a stage that a host can embed and that are of the stage's fidelity.

    Args:
        stage: The stage.
        tables: Its tables.
        host: The host of the networks.
        rules: By which the model builds its graphs.

    Raises:
        BadRun: There are too few such rows, or a column that the stage names is missing.
    """
    fidelity = _fidelity(stage, tables)
    usable, left_out = _usable_rows(stage, fidelity, tables, host)
    graphs = build_graphs([row.crystal for _, row in usable], host.cutoff_angstrom, rules)
    if host.needs_bonds and not graphs.n_bonds.all():
        reason = f"no atom has a neighbour within {host.cutoff_angstrom:g} Å"
        isolated = [entry for entry, n_bonds in zip(usable, graphs.n_bonds, strict=True) if n_bonds == 0]
        left_out += [_left_out(stage, tables[table], row, reason) for table, row in isolated]
        usable = [entry for entry, n_bonds in zip(usable, graphs.n_bonds, strict=True) if n_bonds > 0]
        graphs = build_graphs([row.crystal for _, row in usable], host.cutoff_angstrom, rules)
    if len(usable) < SMALLEST_TABLE:
        raise BadRun(
            f"stage '{stage.name}' has {len(usable)} usable rows and needs at least {SMALLEST_TABLE}"
            + (f". Left out: {first_reasons(left_out)}" if left_out else "")
        )
    rows = [row for _, row in usable]
    data = StageData(
        graphs=graphs,
        kappa=np.array([row.kappa for row in rows]),
        properties=_properties(stage, rows, graphs),
        formulas=[row.crystal.formula_key for row in rows],
        pretraining=_pretraining_values(stage, rows),
    )
    cards = [
        _data_card(stage, fidelity, table, [row for k, row in usable if k == index], left_out)
        for index, table in enumerate(tables)
    ]
    elements = sorted({z for row in rows for z in row.crystal.numbers.tolist()})
    return PreparedStage(stage, fidelity, data, elements, cards, left_out, tables, usable)


def first_reasons(left_out: Sequence[LeftOutRow]) -> str:
    """Names of the first three rows, each with its reason."""
    reasons = [f"{row.id}{f' ({row.file})' if row.file else ''}: {row.reason}" for row in left_out[:3]]
    return "; ".join([*reasons, "..."] if len(left_out) > 3 else reasons)


def rows_sha256(rows: Sequence[LabelledCrystal]) -> str:
    """Hash of structures, values and properties, wherever they are stored."""
    digest = hashlib.sha256()
    for row in rows:
        for array in (row.crystal.lattice, row.crystal.numbers, row.crystal.frac_coords):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(json.dumps([row.kappa, row.fidelity, row.properties], sort_keys=True).encode())
    return digest.hexdigest()


def _usable_rows(
    stage: Stage, fidelity: Fidelity, tables: Sequence[LabelledTable], host: Host
) -> tuple[list[tuple[int, LabelledCrystal]], list[LeftOutRow]]:
    """Rows of the right fidelity whose elements the host supports, each with the index of its table; the others."""
    usable: list[tuple[int, LabelledCrystal]] = []
    left_out: list[LeftOutRow] = []
    for index, table in enumerate(tables):
        left_out += [LeftOutRow(stage.name, table.name, r.id, r.file, r.reason) for r in table.rejections]
        for row in table.rows:
            unknown = sorted(set(row.crystal.numbers.tolist()) - host.supported_elements)
            if row.fidelity not in (fidelity, *stage.joined):
                reason = f"its fidelity is {row.fidelity}, the stage's {fidelity}"
                left_out.append(_left_out(stage, table, row, reason))
            elif unknown:
                reason = f"the host does not support {', '.join(map(element_symbol, unknown))}"
                left_out.append(_left_out(stage, table, row, reason))
            else:
                usable.append((index, row))
    return usable, left_out


def _left_out(stage: Stage, table: LabelledTable, row: LabelledCrystal, reason: str) -> LeftOutRow:
    return LeftOutRow(stage.name, table.name, row.crystal.id, row.crystal.file, reason)


def _fidelity(stage: Stage, tables: Sequence[LabelledTable]) -> Fidelity:
    if stage.fidelity:
        return stage.fidelity
    found = sorted({row.fidelity for table in tables for row in table.rows})
    if not found:
        left_out = [LeftOutRow(stage.name, t.name, r.id, r.file, r.reason) for t in tables for r in t.rejections]
        raise BadRun(
            f"stage '{stage.name}' has no usable row"
            + (f". Left out: {first_reasons(left_out)}" if left_out else ": its tables are empty")
        )
    if len(found) > 1:
        raise BadRun(
            f"stage '{stage.name}' names no fidelity and its tables hold {', '.join(found)}: name one in the recipe"
        )
    return found[0]


def _properties(stage: Stage, rows: Sequence[LabelledCrystal], graphs: CrystalGraphs) -> NDArray[np.float64]:
    """(n, 4) transformed properties from the columns that the stage names."""
    columns = [stage.properties.get(name, "") for name in PROPERTIES]
    values = [[row.properties.get(column, np.nan) for column in columns] for row in rows]
    if any(column and np.isnan(v).all() for column, v in zip(columns, np.array(values).T, strict=True)):
        raise BadRun(f"stage '{stage.name}': a column of {', '.join(filter(None, columns))} is missing or empty")
    transformed: NDArray[np.float64] = (
        transform_properties(torch.tensor(values), descriptors(graphs.batch())).double().numpy()
    )
    return transformed


def _pretraining_values(stage: Stage, rows: Sequence[LabelledCrystal]) -> NDArray[np.float64] | None:
    if stage.pretrain is None:
        return None
    values = np.array([row.properties.get(stage.pretrain, np.nan) for row in rows])
    if np.isnan(values).any():
        raise BadRun(f"stage '{stage.name}': {np.isnan(values).sum()} rows have no number in '{stage.pretrain}'")
    return values


def _data_card(
    stage: Stage,
    fidelity: Fidelity,
    table: LabelledTable,
    used: Sequence[LabelledCrystal],
    left_out: Sequence[LeftOutRow],
) -> DataCard:
    return DataCard(
        stage=stage.name,
        file=table.name,
        sha256=table.sha256,
        rows_sha256=rows_sha256(used),
        fidelity=fidelity,
        sources=sorted({row.source for row in used if row.source}),
        n_rows=len(used),
        n_left_out=sum(row.table == table.name for row in left_out),
    )
