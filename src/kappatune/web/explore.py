"""A scan to explore: DuckDB on its Parquet parts, the columns that are filtered by kept at hand.

A scan has one part per 256 crystals, and a million crystals are four thousand files: too many to open for every move
of a slider. The narrow columns are therefore read once, at the start; whole rows, with their structures, come from
the parts. What a client sends reaches SQL as a bound parameter or as one of a few fixed words, never as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from kappatune.screening.layout import MANIFEST
from kappatune.screening.ranking import (
    CONFIG,
    NEEDED,
    BadScan,
    Filters,
    check_columns,
    conditions,
    patterns,
    scan_parts,
)
from kappatune.web.limits import Refusal

MEMORY = "4GB"
"""Most that DuckDB may hold."""

SAMPLE = 3_000
"""Points of a scatter plot."""

BINS_PER_DECADE = 8
LOWEST_DECADE, HIGHEST_DECADE = -3, 5
_N_REASONS = 8
_MOST_ELEMENTS = 12

Axis = Literal["n_atoms", "mean_mass_u", "volume_per_atom_a3", "debye_temperature_k", "gruneisen"]
Order = Literal["kappa_w_mk", "upper_w_mk", "lower_w_mk", "formula", "id", Axis]
Domain = Literal["any", "inside", "outside"]

_KEPT = (
    "id, formula, n_atoms, elements, anonymous_formula, mean_mass_u, volume_per_atom_a3, kappa_w_mk, lower_w_mk, "
    "upper_w_mk, debye_temperature_k, gruneisen, in_domain, known_rungs, "
    "list_position($parts, filename)::INTEGER - 1 AS part, file_row_number::INTEGER AS row"
)
_DOMAINS = {"any": "", "inside": " AND in_domain", "outside": " AND NOT in_domain"}


class ScanFilters(Filters):
    """Which crystals of the scan.

    Attributes:
        elements: Elements that must all be there.
        without: Elements of which none may be there.
        kappa_min: Lowest kappa, W/(m K).
        kappa_max: Highest kappa, W/(m K).
        domain: Inside or outside what the model was trained on.
        find: Part of the name or of the formula.
    """

    elements: tuple[str, ...] = Field(default=(), max_length=_MOST_ELEMENTS)
    without: tuple[str, ...] = Field(default=(), max_length=118)
    kappa_min: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    kappa_max: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    domain: Domain = "any"
    find: str | None = Field(default=None, max_length=80)


class RowsQuery(ScanFilters):
    """Which page of the rows, and in which order.

    Attributes:
        order: Column to sort by.
        descending: Highest first.
        limit: Rows of the page.
        offset: Rows before it.
    """

    order: Order = "kappa_w_mk"
    descending: bool = False
    limit: int = Field(default=50, ge=1, le=500)
    offset: int = Field(default=0, ge=0, le=2**31)


class PointsQuery(ScanFilters):
    """What the scatter plot shows below kappa.

    Attributes:
        x: Quantity of the horizontal axis.
    """

    x: Axis = "mean_mass_u"


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ScanRow(_Wire):
    """A crystal of the scan; `part` and `row` say where it stands."""

    part: int
    row: int
    id: str
    formula: str | None
    n_atoms: int | None
    kappa_w_mk: float
    lower_w_mk: float | None
    upper_w_mk: float | None
    debye_temperature_k: float | None
    gruneisen: float | None
    in_domain: bool | None


class ScanPage(_Wire):
    """A page of rows, and how many rows pass the filters."""

    total: int
    rows: list[ScanRow]


class ScanPoint(_Wire):
    """A point of the scatter plot."""

    part: int
    row: int
    formula: str | None
    x: float
    kappa_w_mk: float
    in_domain: bool | None


class ScanPoints(_Wire):
    """Points of the scatter plot: all that pass the filters, or a sample that is the same every time."""

    total: int
    points: list[ScanPoint]


class Bin(_Wire):
    """Crystals between two conductivities, W/(m K)."""

    from_w_mk: float
    to_w_mk: float
    n: int


class ScanSummary(_Wire):
    """What passes the filters: how many, their distribution of kappa, and how many hold each element."""

    total: int
    histogram: list[Bin]
    elements: dict[str, int]


class Reason(_Wire):
    """Why rows have no answer, and how many."""

    reason: str
    n: int


class ScanAbout(_Wire):
    """The scan as a whole."""

    name: str
    complete: bool
    model: str | None
    fidelity: str | None
    created: str | None
    n_rows: int
    n_answered: int
    n_in_domain: int
    kappa_min: float | None
    kappa_max: float | None
    reasons: list[Reason]


class ScanCrystal(_Wire):
    """A whole row of the scan, with its structure in the columns of kappatune's tables."""

    id: str
    file: str | None
    formula: str | None
    n_atoms: int | None
    kappa_w_mk: float | None
    lower_w_mk: float | None
    upper_w_mk: float | None
    debye_temperature_k: float | None
    gruneisen: float | None
    in_domain: bool | None
    reason: str | None
    members_w_mk: list[float] | None
    known_rungs: list[str] | None
    nearest: list[dict[str, Any]] | None
    lattice: list[float] | None
    numbers: list[int] | None
    frac_coords: list[float] | None


class Scan:
    """An opened scan; what it holds is what was there when it was opened.

    Attributes:
        folder: Its folder.
        about: The scan as a whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parts = scan_parts(folder)
        self._connection = duckdb.connect(config={**CONFIG, "memory_limit": MEMORY})
        self._connection.execute("SET enable_progress_bar = false")
        try:
            check_columns(self._connection, self._parts[0], NEEDED | {"nearest"})
            self._connection.execute(
                f"CREATE TABLE crystals AS SELECT {_KEPT} FROM "
                "read_parquet($files, filename = true, file_row_number = true) WHERE isfinite(kappa_w_mk)",
                {"files": patterns(self._parts), "parts": self._parts},
            )
            self.about = self._look()
        except duckdb.Error as error:
            raise BadScan(f"{folder}: the scan cannot be read ({str(error).splitlines()[0]})") from error

    def _look(self) -> ScanAbout:
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
        facts = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
        return ScanAbout(
            name=self.folder.resolve().name,
            complete=manifest.is_file(),
            **{key: value if isinstance(value := facts.get(key), str) else None for key in _FACTS},
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
        """Points of the scatter plot; a sample is drawn by a hash of the place, so that it does not flicker."""
        where, values = _where(query)
        where += f" AND isfinite({query.x})"
        with self._cursor(seconds) as cursor:
            total = _total(cursor, where, values)
            rows = cursor.execute(
                f"SELECT part, row, formula, {query.x}, kappa_w_mk, in_domain FROM crystals WHERE {where} "
                "ORDER BY hash(part, row) LIMIT $sample",
                {**values, "sample": SAMPLE},
            ).fetchall()
        return ScanPoints(
            total=total, points=[ScanPoint(**dict(zip(ScanPoint.model_fields, row, strict=True))) for row in rows]
        )

    def summary(self, query: ScanFilters, seconds: float) -> ScanSummary:
        """Distribution and elements of what passes the filters."""
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
            histogram=[Bin(from_w_mk=edges[k], to_w_mk=edges[k + 1], n=n) for k, n in counts],
            elements=dict(elements),
        )

    def crystal(self, part: int, row: int, seconds: float) -> ScanCrystal | None:
        """A whole row, or None if there is none."""
        if not 0 <= part < len(self._parts):
            return None
        columns = ", ".join(ScanCrystal.model_fields)
        with self._cursor(seconds) as cursor:
            found = cursor.execute(
                f"SELECT {columns} FROM read_parquet($files, file_row_number = true) WHERE file_row_number = $row",
                {"files": patterns([self._parts[part]]), "row": row},
            ).fetchone()
        return None if found is None else ScanCrystal(**dict(zip(ScanCrystal.model_fields, found, strict=True)))

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
            raise Refusal(503, f"the query took more than {seconds:g} s: filter for less", 10) from None
        finally:
            timer.cancel()
            cursor.close()


_FACTS = ("model", "fidelity", "created")


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
