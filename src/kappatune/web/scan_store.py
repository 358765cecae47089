"""A scan to explore: DuckDB on its Parquet parts, with the columns to filter by in memory.

A scan has one part per 256 crystals, and a million crystals are four thousand files: too many to open for every move
of a slider. The narrow columns are therefore read once, at the start; whole rows, with their structures, are read from
the parts. What a client sends reaches SQL as a bound parameter or as one of a few fixed words, never as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import duckdb
import numpy as np

from kappatune.screening.layout import MANIFEST
from kappatune.screening.query import CONFIG, WHOLE_ROWS, BadScan, check_columns, conditions, patterns, scan_parts
from kappatune.screening.ranked_crystal import NEEDED
from kappatune.structures import Crystal
from kappatune.structures.identity import structure_hash
from kappatune.web.formula_search import BadFormula, FormulaQuery
from kappatune.web.limits import RequestError
from kappatune.web.scan_schemas import (
    HistogramBin,
    PointsQuery,
    Reason,
    RowsQuery,
    ScanAbout,
    ScanCrystal,
    ScanFilters,
    ScanPage,
    ScanPoint,
    ScanPoints,
    ScanRow,
    ScanSummary,
)

MEMORY_LIMIT = "4GB"
"""Most memory that DuckDB may use."""

SAMPLE_SIZE = 3_000
"""Most points of a scatter plot."""

BINS_PER_DECADE = 8
LOWEST_DECADE, HIGHEST_DECADE = -3, 5
_N_REASONS = 8

_COLUMNS = (
    "id, formula, n_atoms, elements, anonymous_formula, mean_mass_u, volume_per_atom_a3, kappa_w_mk, lower_w_mk, "
    "upper_w_mk, debye_temperature_k, gruneisen, in_domain, known_rungs, "
    "try_cast('0x' || structure_hash AS UBIGINT) AS hash, "
    "list_position($parts, filename)::INTEGER - 1 AS part, file_row_number::INTEGER AS row"
)
_MANIFEST_FIELDS = ("model", "fidelity", "created")
_DOMAINS = {"any": "", "inside": " AND in_domain", "outside": " AND NOT in_domain"}


class ScanStore:
    """An open scan, as it was when it was opened.

    Attributes:
        folder: Its folder.
        about: The scan as a whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parts = scan_parts(folder)
        self._connection = duckdb.connect(config={**CONFIG, "memory_limit": MEMORY_LIMIT})
        self._connection.execute("SET enable_progress_bar = false")
        try:
            check_columns(self._connection, self._parts[0], NEEDED | {"nearest"})
            self._connection.execute(
                f"CREATE TABLE crystals AS SELECT {_COLUMNS} FROM "
                "read_parquet($files, filename = true, file_row_number = true) WHERE isfinite(kappa_w_mk)",
                {"files": patterns(self._parts), "parts": self._parts},
            )
            self.about = self._summarise()
        except duckdb.Error as error:
            raise BadScan(f"{folder}: the scan cannot be read ({str(error).splitlines()[0]})") from error

    def _summarise(self) -> ScanAbout:
        n_rows = self._one("SELECT count(*) FROM read_parquet($files)", files=patterns(self._parts))[0]
        n_answered, n_inside, low, high = self._one(
            "SELECT count(*), count(*) FILTER (in_domain), min(kappa_w_mk), max(kappa_w_mk) FROM crystals"
        )
        reasons = self._connection.execute(
            "SELECT reason, count(*) FROM read_parquet($files) WHERE kappa_w_mk IS NULL AND reason IS NOT NULL "
            "GROUP BY reason ORDER BY count(*) DESC, reason LIMIT $n",
            {"files": patterns(self._parts), "n": _N_REASONS},
        ).fetchall()
        manifest = self.folder / MANIFEST
        values = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
        return ScanAbout(
            name=self.folder.resolve().name,
            complete=manifest.is_file(),
            **{key: value if isinstance(value := values.get(key), str) else None for key in _MANIFEST_FIELDS},
            n_rows=n_rows,
            n_answered=n_answered,
            n_in_domain=n_inside,
            kappa_min=low,
            kappa_max=high,
            reasons=[Reason(reason=reason, n=n) for reason, n in reasons],
        )

    def _one(self, sql: str, **values: Any) -> tuple[Any, ...]:
        row = self._connection.execute(sql, values).fetchone()
        assert row is not None
        return row

    def page(self, query: RowsQuery, seconds: float) -> ScanPage:
        """A page of rows."""
        where, values = _where(query)
        columns = ", ".join(ScanRow.model_fields)
        direction = "DESC" if query.descending else "ASC"
        with self._cursor(seconds) as cursor:
            total = _total(cursor, where, values)
            rows = cursor.execute(
                f"SELECT {columns} FROM crystals WHERE {where} ORDER BY {query.order} {direction} NULLS LAST, "
                "part, row LIMIT $limit OFFSET $offset",
                {**values, "limit": query.limit, "offset": query.offset},
            ).fetchall()
        return ScanPage(total=total, rows=[ScanRow(**dict(zip(ScanRow.model_fields, r, strict=True))) for r in rows])

    def points(self, query: PointsQuery, seconds: float) -> ScanPoints:
        """Points of the scatter plot; a sample is chosen by a hash of the row, so that it is the same every time."""
        where, values = _where(query)
        where += f" AND isfinite({query.x})"
        with self._cursor(seconds) as cursor:
            total = _total(cursor, where, values)
            rows = cursor.execute(
                f"SELECT part, row, formula, {query.x}, kappa_w_mk, in_domain FROM crystals WHERE {where} "
                "ORDER BY hash(part, row) LIMIT $sample",
                {**values, "sample": SAMPLE_SIZE},
            ).fetchall()
        return ScanPoints(
            total=total, points=[ScanPoint(**dict(zip(ScanPoint.model_fields, row, strict=True))) for row in rows]
        )

    def summary(self, query: ScanFilters, seconds: float) -> ScanSummary:
        """Distribution and elements of the crystals that pass the filters."""
        where, values = _where(query)
        n_bins = (HIGHEST_DECADE - LOWEST_DECADE) * BINS_PER_DECADE
        with self._cursor(seconds) as cursor:
            counts = cursor.execute(
                "SELECT greatest(0, least($n_bins - 1, floor((log10(kappa_w_mk) - $lowest) * $per_decade)))::INTEGER, "
                f"count(*) FROM crystals WHERE {where} AND kappa_w_mk > 0 GROUP BY 1 ORDER BY 1",
                {**values, "n_bins": n_bins, "lowest": LOWEST_DECADE, "per_decade": BINS_PER_DECADE},
            ).fetchall()
            elements = cursor.execute(
                f"SELECT element, count(*) FROM (SELECT unnest(elements) AS element FROM crystals WHERE {where}) "
                "GROUP BY element ORDER BY element",
                values,
            ).fetchall()
        edges = [10 ** (LOWEST_DECADE + k / BINS_PER_DECADE) for k in range(n_bins + 1)]
        return ScanSummary(
            total=sum(n for _, n in counts),
            histogram=[HistogramBin(from_w_mk=edges[k], to_w_mk=edges[k + 1], n=n) for k, n in counts],
            elements=dict(elements),
        )

    def find(self, query: FormulaQuery, limit: int, seconds: float) -> tuple[int, list[ScanRow]]:
        """Crystals by formula, however the scan spells it, or by their elements.

        Args:
            query: What to look for.
            limit: Most that are returned.
            seconds: Longest time, s.

        Returns:
            How many there are, and those of lowest kappa.
        """
        where = "list_sort(elements) = $elements"
        values: dict[str, Any] = {"elements": [*query.elements]}
        columns = ", ".join(ScanRow.model_fields)
        with self._cursor(seconds) as cursor:
            if query.key is not None:
                spelt = cursor.execute(f"SELECT DISTINCT formula FROM crystals WHERE {where}", values).fetchall()
                where += " AND list_contains($formulas, formula)"
                values["formulas"] = [text for (text,) in spelt if text and _is_formula(text, query)]
            total = _total(cursor, where, values)
            rows = cursor.execute(
                f"SELECT {columns} FROM crystals WHERE {where} ORDER BY kappa_w_mk, part, row LIMIT $limit",
                {**values, "limit": limit},
            ).fetchall()
        return total, [ScanRow(**dict(zip(ScanRow.model_fields, row, strict=True))) for row in rows]

    def crystal(self, part: int, row: int, seconds: float) -> ScanCrystal | None:
        """A whole row, or None if there is none."""
        if not 0 <= part < len(self._parts):
            return None
        columns = ", ".join(ScanCrystal.model_fields)
        with self._cursor(seconds) as cursor:
            found = cursor.execute(
                f"SELECT {columns} FROM {WHOLE_ROWS} WHERE file_row_number = $row",
                {"files": patterns([self._parts[part]]), "row": row},
            ).fetchone()
        return None if found is None else ScanCrystal(**dict(zip(ScanCrystal.model_fields, found, strict=True)))

    def crystal_of(self, key: str, seconds: float) -> Crystal | None:
        """The crystal of a hash (`structures.identity.structure_hash`), or None if the scan has no answer for it."""
        with self._cursor(seconds) as cursor:
            sql = "SELECT part, row FROM crystals WHERE hash = $hash"
            place = cursor.execute(sql, {"hash": int(key, 16)}).fetchone()
        found = None if place is None else self.crystal(place[0], place[1], seconds)
        if found is None or not (found.lattice and found.numbers and found.frac_coords):
            return None
        lattice, places = np.reshape(found.lattice, (3, 3)), np.reshape(found.frac_coords, (-1, 3))
        crystal = Crystal(lattice, np.array(found.numbers), places, id=found.id, file=found.file)
        return crystal if structure_hash(crystal) == key else None

    @contextmanager
    def _cursor(self, seconds: float) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor whose query is interrupted when its time is up."""
        cursor = self._connection.cursor()
        timer = Timer(seconds, cursor.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield cursor
        except duckdb.InterruptException:
            raise RequestError(503, f"the query took more than {seconds:g} s: narrow the filters", 10) from None
        finally:
            timer.cancel()
            cursor.close()


def _is_formula(text: str, query: FormulaQuery) -> bool:
    """Whether a text spells the formula that is looked for."""
    try:
        return FormulaQuery.read(text).key == query.key
    except BadFormula:
        return False


def _where(query: ScanFilters) -> tuple[str, dict[str, Any]]:
    where, values = conditions(
        query,
        kappa_min=("kappa_w_mk >= $kappa_min", query.kappa_min),
        kappa_max=("kappa_w_mk <= $kappa_max", query.kappa_max),
        find=("(contains(lower(id), lower($find)) OR contains(lower(formula), lower($find)))", query.find or None),
    )
    return where + _DOMAINS[query.domain], values


def _total(cursor: duckdb.DuckDBPyConnection, where: str, values: dict[str, Any]) -> int:
    row = cursor.execute(f"SELECT count(*) FROM crystals WHERE {where}", values).fetchone()
    return int(row[0]) if row else 0
