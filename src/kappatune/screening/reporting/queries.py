"""The overview of a scan, by DuckDB.

Every result is small, however large the scan is: crystals are counted in bins, medians are taken from fine bins, and
lists have a fixed length.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import duckdb

from kappatune.screening.layout import MANIFEST, SCAN_INFO, scan_is_complete
from kappatune.screening.query import CONFIG, LATER_COLUMNS, BadScan, patterns, scan_parts
from kappatune.screening.reporting.overview import (
    DECADES,
    STEPS_PER_DECADE,
    DensityCell,
    ElementMedian,
    ExtremeCrystal,
    KappaBin,
    ReasonCount,
    RemarkCount,
    SampleCrystal,
    ScanOverview,
)
from kappatune.structures.crystal import MAX_ATOMIC_NUMBER, element_symbol

N_EXTREMES = 25
N_SAMPLE = 1500
N_REASONS = 20
MAX_REASON_CHARACTERS = 300

_MEDIAN_STEPS_PER_DECADE = 1000
_EVERYTHING = "*"

_SYMBOLS = [element_symbol(number) for number in range(1, MAX_ATOMIC_NUMBER + 1)]
_ONE_SYMBOL = "|".join(_SYMBOLS)
_NORMALISE = (
    (r"'[^']*'", "'…'"),
    (rf"\b({_ONE_SYMBOL})(, ({_ONE_SYMBOL}))*\b", "…"),
    (r"(^|[^\w^.])[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", r"\1…"),
)
"""Patterns of what differs between crystals with the same reason: quoted text, elements, numbers (not the 3 of Å^3)."""


def overview_of(folder: str | os.PathLike[str]) -> ScanOverview:
    """Everything that a report shows about a scan.

    Raises:
        BadScan: There is no scan in the folder, or it cannot be read.
    """
    folder = Path(folder)
    complete = scan_is_complete(folder)  # before the parts are listed, so that an old list is never called complete
    parts = scan_parts(folder)
    about = _json(folder / SCAN_INFO) | _json(folder / MANIFEST)
    try:
        with _open(parts) as scan:
            return _overview(scan, folder.resolve().name, complete, about)
    except duckdb.Error as error:
        raise BadScan(f"{folder}: the scan cannot be read ({str(error).strip().splitlines()[0]})") from error


def _open(parts: list[str]) -> duckdb.DuckDBPyConnection:
    """A database with the rows in the view `scan`; `kappa` is null where there is no answer."""
    scan = duckdb.connect(config=CONFIG)
    scan.read_parquet(patterns(parts), hive_partitioning=False, union_by_name=True).create_view("part_as_written")
    scan.execute(
        f"CREATE VIEW part AS SELECT * FROM part_as_written UNION ALL BY NAME SELECT {LATER_COLUMNS} WHERE false"
    )
    scan.execute(
        f"""
        CREATE VIEW scan AS
        SELECT *,
            CASE WHEN kappa_w_mk > 0 AND isfinite(kappa_w_mk) THEN kappa_w_mk END AS kappa,
            CAST(floor(least(greatest(log10(kappa), {DECADES[0]}), {DECADES[1]} - 1e-9) * {STEPS_PER_DECADE}) AS INT)
                AS step,
        FROM part
        """
    )
    return scan


def _overview(scan: duckdb.DuckDBPyConnection, name: str, complete: bool, about: dict[str, Any]) -> ScanOverview:
    n_rows, n_answered, n_in_domain, n_low = scan.execute(
        "SELECT count(*), count(kappa), count(kappa) FILTER (in_domain), count(*) FILTER (in_domain AND kappa < 1) "
        "FROM scan"
    ).fetchall()[0]
    medians = _medians(scan)
    return ScanOverview(
        name=name,
        complete=complete,
        about=about,
        n_rows=n_rows,
        n_answered=n_answered,
        n_in_domain=n_in_domain,
        n_low=n_low,
        unanswered=_reasons(scan, "kappa IS NULL"),
        out_of_domain=_reasons(scan, "kappa IS NOT NULL AND in_domain IS NOT TRUE"),
        remarks=[
            RemarkCount(*row)
            for row in scan.execute(
                "SELECT arg_min(remark, id), count(*), min(id) FROM (SELECT id, unnest(remarks) AS remark FROM scan "
                "WHERE kappa IS NOT NULL) GROUP BY split_part(remark, ':', 1) ORDER BY count(*) DESC, min(remark)"
            ).fetchall()
        ],
        bins=[
            KappaBin(*row)
            for row in scan.execute(
                "SELECT step, count(*) FILTER (in_domain), count(*) FILTER (in_domain IS NOT TRUE) "
                "FROM scan WHERE kappa IS NOT NULL GROUP BY step ORDER BY step"
            ).fetchall()
        ],
        by_mass=_cells(scan, "mean_mass_u", 400),
        by_n_atoms=_cells(scan, "n_atoms", 10_000),
        sample=[
            SampleCrystal(*row)
            for row in scan.execute(
                "SELECT id, formula, kappa, mean_mass_u, n_atoms, in_domain FROM scan WHERE kappa IS NOT NULL "
                f"ORDER BY md5(id), id, kappa LIMIT {N_SAMPLE}"
            ).fetchall()
        ],
        median=medians.pop(_EVERYTHING, None),
        elements=medians,
        lowest=_extremes(scan, "ASC"),
        highest=_extremes(scan, "DESC"),
    )


def _reasons(scan: duckdb.DuckDBPyConnection, condition: str) -> list[ReasonCount]:
    normal = f"substr(coalesce(nullif(trim(reason), ''), 'no reason given'), 1, {MAX_REASON_CHARACTERS})"
    for pattern, replacement in _NORMALISE:
        quoted = [text.replace("'", "''") for text in (pattern, replacement)]
        normal = f"regexp_replace({normal}, '{quoted[0]}', '{quoted[1]}', 'g')"
    counted = scan.execute(
        f"SELECT {normal} AS normal, count(*) AS n, min(id) FROM scan WHERE {condition} "
        f"GROUP BY normal ORDER BY n DESC, normal LIMIT {N_REASONS}"
    ).fetchall()
    reasons = [ReasonCount(*row) for row in counted]
    ((total,),) = scan.execute(f"SELECT count(*) FROM scan WHERE {condition}").fetchall()
    others = total - sum(reason.n for reason in reasons)
    return [*reasons, ReasonCount("", others, "")] if others else reasons


def _cells(scan: duckdb.DuckDBPyConnection, column: str, most: int) -> list[DensityCell]:
    rows = scan.execute(
        f"SELECT CAST(floor(least(greatest({column}, 1), {most})) AS INT) AS x, step, count(*) FROM scan "
        f"WHERE kappa IS NOT NULL AND {column} IS NOT NULL AND NOT isnan(CAST({column} AS DOUBLE)) "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return [DensityCell(*row) for row in rows]


def _medians(scan: duckdb.DuckDBPyConnection) -> dict[str, ElementMedian]:
    """By element; `_EVERYTHING` stands for all crystals. Fine bins keep memory constant."""
    rows = scan.execute(
        f"""
        WITH pair AS (
            SELECT kappa, in_domain, unnest(list_append(list_distinct(elements), '{_EVERYTHING}')) AS element
            FROM scan WHERE kappa IS NOT NULL
        ), fine AS (
            SELECT element, floor(log10(kappa) * {_MEDIAN_STEPS_PER_DECADE}) AS bin,
                count(*) AS n, count(*) FILTER (in_domain) AS n_in_domain, min(kappa) AS kappa
            FROM pair GROUP BY element, bin
        ), running AS (
            SELECT element, kappa, bin, sum(n) OVER (PARTITION BY element ORDER BY bin) AS below,
                sum(n) OVER (PARTITION BY element) AS n, sum(n_in_domain) OVER (PARTITION BY element) AS n_in_domain
            FROM fine
        )
        SELECT element, CAST(any_value(n) AS BIGINT), CAST(any_value(n_in_domain) AS BIGINT), arg_min(kappa, bin)
        FROM running WHERE 2 * below >= n GROUP BY element
        """
    ).fetchall()
    known = {*_SYMBOLS, _EVERYTHING}
    return {row[0]: ElementMedian(*row[1:]) for row in sorted(rows, key=lambda row: str(row[0])) if row[0] in known}


def _extremes(scan: duckdb.DuckDBPyConnection, order: Literal["ASC", "DESC"]) -> list[ExtremeCrystal]:
    limit = 8 * N_EXTREMES
    while True:
        rows = scan.execute(
            "SELECT id, formula, n_atoms, kappa, lower_w_mk, upper_w_mk, known_rungs, structure_hash, "
            "remarks FROM scan "
            f"WHERE in_domain AND kappa IS NOT NULL ORDER BY kappa {order}, id LIMIT {limit}"
        ).fetchall()
        found: dict[tuple[str, str], ExtremeCrystal] = {}
        for crystal in (ExtremeCrystal(*row) for row in rows):
            key = ("structure", crystal.structure_hash) if crystal.structure_hash else ("id", crystal.id)
            found.setdefault(key, crystal)
        if len(found) >= N_EXTREMES or len(rows) < limit:
            return list(found.values())[:N_EXTREMES]
        limit *= 8


def _json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
