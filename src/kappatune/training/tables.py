"""Where the stages of a recipe find their labelled crystals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

from kappatune.storage import SHIPPED_TABLES
from kappatune.structures.crystal import Crystal, Rejection
from kappatune.structures.inputs import Input, as_entries
from kappatune.structures.table import Fidelity, LabelledCrystal, LabelledTable, read_table, reason_of_temperature
from kappatune.training.recipe import BadRun, Stage
from kappatune.training.rows import rows_sha256

USER_FIDELITY: Fidelity = "experiment"
"""Fidelity of a user's rows that name none."""

Pair = tuple[Input, float]
"""A structure and its lattice thermal conductivity at 300 K, W/(m K)."""

Source = Path | LabelledTable | Sequence[Pair] | Callable[[Stage], list[LabelledTable]]
"""A table or a folder of tables, a table or pairs in memory, or a function that gives the tables of a stage."""

TrainingData = str | Source | Iterable[Pair]
"""What `train` takes as data; also a pandas data frame with the columns `structure` and `kappa`."""


def as_source(data: TrainingData | None) -> Source | None:
    """What a user passes as data, in a form that every stage can read again.

    Raises:
        BadRun: A data frame lacks a column, or the data are of another kind.
    """
    if isinstance(data, str | Path):
        return Path(data).expanduser()
    if data is None or isinstance(data, LabelledTable) or callable(data):
        return data
    if not isinstance(data, Iterable):
        raise BadRun(f"the data are of type {type(data).__name__}: give a table, its path, or pairs (structure, kappa)")
    if not hasattr(data, "iterrows"):
        return list(data)
    frame: Any = data
    for name in ("structure", "kappa"):
        if name not in frame:
            raise BadRun(f"the data frame has no column '{name}': it needs 'structure' and 'kappa'")
    for number, row in enumerate(frame.drop(columns=["structure", "kappa"]).to_dict("records"), 1):
        if reason := reason_of_temperature(row):
            raise BadRun(f"row {number} of the data frame: {reason}")
    return list(zip(frame["structure"], frame["kappa"], strict=True))


def tables_for(stage: Stage, source: Source | None) -> list[LabelledTable]:
    """The tables of one stage.

    Args:
        stage: Names tables that ship with the package, files of a folder, or nothing.
        source: A folder for a stage that names files; a table, its path or pairs for one that names nothing; or a
            function.

    Raises:
        BadRun: The source is missing or of the wrong kind for this stage.
        kappatune.structures.table.BadTable: A table that cannot be read.
    """
    if callable(source):
        return source(stage)
    if stage.data and all(name in SHIPPED_TABLES for name in stage.data):
        return [read_table(SHIPPED_TABLES[name], default_fidelity=stage.fidelity) for name in stage.data]
    if source is None:
        raise BadRun(f"stage '{stage.name}' needs data: give a table or a folder (--data, or KAPPATUNE_DATA)")
    fidelity = stage.fidelity or USER_FIDELITY
    if isinstance(source, Path):
        return [read_table(path, default_fidelity=fidelity) for path in _paths(stage, source)]
    if stage.data:
        raise BadRun(f"stage '{stage.name}' reads {', '.join(stage.data)} from a folder: give the path of that folder")
    return [source if isinstance(source, LabelledTable) else table_of_pairs(source, fidelity)]


def _paths(stage: Stage, data: Path) -> list[Path]:
    if not data.exists():
        raise BadRun(f"{data}: no such file or folder")
    if stage.data and not data.is_dir():
        raise BadRun(f"stage '{stage.name}' reads {', '.join(stage.data)} from a folder, but {data} is a file")
    if not stage.data and data.is_dir() and not any(data.glob("part-*.parquet")):
        raise BadRun(f"stage '{stage.name}' takes one table, but {data} is a folder: give a .parquet, .jsonl or .csv")
    return [SHIPPED_TABLES.get(name, data / name) for name in stage.data] or [data]


def table_of_pairs(pairs: Iterable[Pair], fidelity: Fidelity = USER_FIDELITY) -> LabelledTable:
    """A table from structures and their conductivities.

    Args:
        pairs: Structures (pymatgen, ASE, `Crystal`, or the path of a file with one crystal), each with its lattice
            thermal conductivity at 300 K, W/(m K).
        fidelity: Where the values come from.

    Returns:
        Usable rows and rejected ones, each of these with its reason.

    Raises:
        BadRun: An item is not a pair.
    """
    rows: list[LabelledCrystal] = []
    rejections: list[Rejection] = []
    not_positive: list[float] = []
    for number, pair in enumerate(pairs, 1):
        try:
            structure, kappa = pair
        except (TypeError, ValueError) as error:
            raise BadRun(f"item {number} of the data is not a pair: give (structure, kappa in W/(m K))") from error
        entry = _one_entry(structure, str(number))
        if isinstance(entry, Rejection):
            rejections.append(entry)
        elif not (isinstance(kappa, Real) and 0 < kappa < math.inf):
            reason = f"its conductivity is {kappa!r}: give a number above 0, in W/(m K)"
            rejections.append(Rejection(entry.id, reason, entry.file, entry.formula))
            if isinstance(kappa, Real) and -math.inf < kappa <= 0:
                not_positive.append(float(kappa))
        else:
            rows.append(LabelledCrystal(entry, float(kappa), fidelity, number=number))
    return LabelledTable("pairs", rows, rejections, rows_sha256(rows), tuple(not_positive))


def _one_entry(structure: Input, number: str) -> Crystal | Rejection:
    entries = list(as_entries([structure]))
    if len(entries) != 1:
        return Rejection(number, f"{structure} holds {len(entries)} crystals: give one for each conductivity")
    (entry,) = entries
    has_name = isinstance(structure, str | Path | Rejection) or (isinstance(structure, Crystal) and structure.id)
    return entry if has_name else replace(entry, id=number)
