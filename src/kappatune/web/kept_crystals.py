"""Crystals that were answered, each under the hash of its structure, so that a link to it stays good."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from kappatune.errors import UserError
from kappatune.jobs.record import now
from kappatune.model.prediction import Prediction
from kappatune.structures import Crystal, Rejection
from kappatune.structures.identity import structure_hash
from kappatune.structures.plain import Structure

IN_MEMORY = 5_000
"""Crystals that a server without a folder remembers; the oldest are forgotten."""

ON_DISK = 1_000_000
"""The same of a folder: about 1 GB of usual cells; one of 2,000 atoms takes some 150 kB."""

FILE = "crystals.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS crystals (
    number INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, file TEXT,
    formula TEXT NOT NULL, elements TEXT NOT NULL, structure TEXT NOT NULL, first_answered TEXT NOT NULL,
    kappa_w_mk REAL, lower_w_mk REAL, upper_w_mk REAL, fidelity TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_formula ON crystals (formula);
CREATE INDEX IF NOT EXISTS by_elements ON crystals (elements);
"""

_log = logging.getLogger(__name__)


class BadKeep(UserError):
    """A folder where crystals cannot be kept; the message says why."""


class KeptCrystal(NamedTuple):
    """A crystal that was answered.

    Attributes:
        crystal: The crystal.
        first_answered: When, UTC.
    """

    crystal: Crystal
    first_answered: str


class FoundCrystal(NamedTuple):
    """A crystal that a search found, with its value at 300 K when it was first answered, W/(m K)."""

    hash: str
    name: str
    formula: str
    kappa_w_mk: float
    lower_w_mk: float | None
    upper_w_mk: float | None
    fidelity: str


class KeptCrystals:
    """An SQLite table, in a folder or in memory.

    Attributes:
        survives: Whether it survives a restart.
    """

    def __init__(self, folder: Path | None = None, most: int | None = None) -> None:
        """Open the table.

        Args:
            folder: Created if it does not exist; None keeps crystals in memory.
            most: How many are kept.

        Raises:
            BadKeep: The folder cannot be used.
        """
        self.survives = folder is not None
        self._most = most or (ON_DISK if self.survives else IN_MEMORY)
        self._lock = threading.Lock()
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            path = ":memory:" if folder is None else str(folder / FILE)
            self._connection = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise BadKeep(f"{folder}: crystals cannot be kept there ({error}): give another --keep") from error

    def add(
        self, entries: Sequence[Crystal | Rejection], rows: Sequence[Prediction], fidelity: str
    ) -> list[str | None]:
        """Keep the crystals of a batch that have an answer.

        Args:
            entries: What was asked.
            rows: Its rows, at 300 K.
            fidelity: The rung of the answers.

        Returns:
            The hash of each that has an answer.
        """
        hashes, answered, time = list[str | None](), list[tuple[object, ...]](), now()
        for entry, row in zip(entries, rows, strict=True):
            if isinstance(entry, Rejection) or row.kappa_w_mk is None:
                hashes.append(None)
                continue
            key = structure_hash(entry)
            hashes.append(key)
            structure = Structure.of(entry)
            answered.append(
                (
                    key,
                    entry.id,
                    entry.file,
                    entry.formula_key,
                    "-".join(sorted(set(structure.species))),
                    structure.model_dump_json(),
                    time,
                    row.kappa_w_mk,
                    row.lower_w_mk,
                    row.upper_w_mk,
                    fidelity,
                )
            )
        if answered:
            self._insert(answered)
        return hashes

    def _insert(self, answered: Sequence[tuple[object, ...]]) -> None:
        try:
            with self._lock, self._connection:
                self._connection.executemany(
                    "INSERT OR IGNORE INTO crystals (hash, name, file, formula, elements, structure, first_answered, "
                    "kappa_w_mk, lower_w_mk, upper_w_mk, fidelity) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    answered,
                )
                self._connection.execute(
                    "DELETE FROM crystals WHERE number <= (SELECT max(number) FROM crystals) - ?", (self._most,)
                )
        except sqlite3.Error:
            _log.exception("%d crystals cannot be kept; their answers are sent all the same", len(answered))

    def get(self, key: str) -> KeptCrystal | None:
        """A crystal by its hash, or None if it is not known."""
        found = self._select("SELECT structure, file, first_answered FROM crystals WHERE hash = ?", key)
        if not found:
            return None
        structure, file, first_answered = found[0]
        crystal = Structure.model_validate_json(structure).crystal()
        return None if isinstance(crystal, Rejection) else KeptCrystal(crystal.named(crystal.id, file), first_answered)

    def find(
        self, formula: str | None, elements: str | None, limit: int, but: Collection[str] = ()
    ) -> tuple[int, list[FoundCrystal]]:
        """Crystals by formula, or by their elements.

        Args:
            formula: As `Crystal.formula_key`.
            elements: Symbols in alphabetical order, with hyphens; None asks for a formula.
            limit: Most that are returned.
            but: Hashes of crystals that are left out.

        Returns:
            How many there are, and the latest of them.
        """
        column, value = ("elements", elements) if formula is None else ("formula", formula)
        where = f"WHERE {column} = ? AND hash NOT IN (SELECT value FROM json_each(?))"
        left_out = json.dumps([*but])
        ((total,),) = self._select(f"SELECT count(*) FROM crystals {where}", value, left_out)
        rows = self._select(
            "SELECT hash, name, formula, kappa_w_mk, lower_w_mk, upper_w_mk, fidelity FROM crystals "
            f"{where} ORDER BY number DESC LIMIT ?",
            value,
            left_out,
            limit,
        )
        return total, [FoundCrystal(*row) for row in rows]

    def _select(self, sql: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
