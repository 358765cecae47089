"""What a scan looks like: counts, distributions and candidates, asked of DuckDB, and one HTML file made from them.

Every answer is small whatever the scan holds: points are counted in bins, medians are taken from fine bins,
and lists have a fixed length.
"""

from __future__ import annotations

import glob
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import duckdb

from kappatune.screening.layout import CLAIM, MANIFEST, PARTS
from kappatune.screening.ranking import BadScan, scan_is_complete
from kappatune.structures.crystal import MAX_ATOMIC_NUMBER, element_symbol

N_CANDIDATES = 25
N_POINTS = 1500
N_REASONS = 20
MAX_REASON_CHARACTERS = 300
DECADES = (-3, 5)
"""Range of log10 of kappa in W/(m K) that figures show; what lies beyond is counted in the outermost bin."""

STEPS_PER_DECADE = 20
"""Finest bins of kappa in figures."""

_MEDIAN_STEPS_PER_DECADE = 1000
_EVERYTHING = "*"

_SYMBOLS = [element_symbol(number) for number in range(1, MAX_ATOMIC_NUMBER + 1)]
_ONE_SYMBOL = "|".join(_SYMBOLS)
_NORMALISE = (
    (r"'[^']*'", "'…'"),
    (rf"\b({_ONE_SYMBOL})(, ({_ONE_SYMBOL}))*\b", "…"),
    (r"(^|[^\w^.])[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", r"\1…"),
)
"""What differs between crystals that share a reason: quoted text, elements, numbers (not the 3 of Å^3)."""


class Group(NamedTuple):
    """Crystals that share a reason.

    Attributes:
        reason: The reason, with … for what differs between crystals; empty for "all others".
        n: How many.
        example: id of one of them.
    """

    reason: str
    n: int
    example: str


class Bin(NamedTuple):
    """A bin of the distribution of kappa.

    Attributes:
        step: Lower end, log10(kappa in W/(m K)) times `STEPS_PER_DECADE`.
        in_domain: Crystals in domain.
        other: Other crystals with an answer.
    """

    step: int
    in_domain: int
    other: int


class Cell(NamedTuple):
    """Crystals of about the same property and kappa.

    Attributes:
        x: The property, rounded down to a whole number.
        step: As in `Bin`.
        n: How many.
    """

    x: int
    step: int
    n: int


class Point(NamedTuple):
    """One crystal of the sample.

    Attributes:
        id: Its id.
        formula: Its formula.
        kappa: W/(m K).
        mean_mass: u; None if unknown.
        n_atoms: In the cell; None if unknown.
        in_domain: Whether the model counts it as in domain.
    """

    id: str
    formula: str | None
    kappa: float
    mean_mass: float | None
    n_atoms: int | None
    in_domain: bool | None


class Median(NamedTuple):
    """Crystals that contain an element.

    Attributes:
        n: How many have an answer.
        in_domain: How many of these are in domain.
        kappa: Their median, W/(m K) (of an even number the lower middle one, within 0.25 %).
    """

    n: int
    in_domain: int
    kappa: float


class Candidate(NamedTuple):
    """A crystal in domain.

    Attributes:
        id: Its id.
        formula: Its formula.
        n_atoms: In the cell.
        kappa: W/(m K).
        lower: Lower end of the interval, W/(m K).
        upper: Upper end of the interval, W/(m K).
        known_rungs: Rungs at which the model was trained on a crystal of this formula.
        structure_hash: Key of its structure.
    """

    id: str
    formula: str | None
    n_atoms: int | None
    kappa: float
    lower: float | None
    upper: float | None
    known_rungs: list[str] | None
    structure_hash: str | None


@dataclass(frozen=True)
class ScanOverview:
    """All that a report says about a scan.

    Attributes:
        name: Name of the scan's folder.
        complete: Whether the scan was finished.
        about: What the scan says about itself: model, time, command, versions.
        n_rows: All crystals.
        n_answered: Crystals with a value.
        n_in_domain: Crystals with a value that are in domain.
        n_low: Crystals in domain with kappa below 1 W/(m K).
        unanswered: Why crystals have no value, most frequent first.
        out_of_domain: Why crystals with a value are not in domain.
        bins: Distribution of kappa.
        by_mass: kappa over mean atomic mass, u.
        by_n_atoms: kappa over the number of atoms in the cell.
        points: Sample of crystals, the same for the same scan.
        median: Over all crystals with an answer.
        elements: Medians by element symbol.
        lowest: In domain, lowest kappa first, each structure once.
        highest: In domain, highest kappa first, each structure once.
    """

    name: str
    complete: bool
    about: dict[str, Any]
    n_rows: int
    n_answered: int
    n_in_domain: int
    n_low: int
    unanswered: list[Group]
    out_of_domain: list[Group]
    bins: list[Bin]
    by_mass: list[Cell]
    by_n_atoms: list[Cell]
    points: list[Point]
    median: Median | None
    elements: dict[str, Median]
    lowest: list[Candidate]
    highest: list[Candidate]


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write a report on a scan as one HTML file that needs nothing else.

    Args:
        folder: Folder of the scan, finished or not.
        out: File to write; by default `_report.html` in the folder.

    Returns:
        The file.

    Raises:
        BadScan: There is no scan in the folder, or it cannot be read.
        OSError: The file cannot be written.
    """
    from kappatune.screening.reporting.page import page

    path = out or folder / "_report.html"
    html = page(overview_of(folder))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        partial.write_text(html, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def overview_of(folder: Path) -> ScanOverview:
    """Ask a scan for all that a report says.

    Raises:
        BadScan: There is no scan in the folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise BadScan(f"{folder}: {'a file, not the folder of a scan' if folder.exists() else 'no such folder'}")
    complete = scan_is_complete(folder)  # before the parts are listed, so that an old list is never called complete
    parts = sorted(map(str, folder.glob(PARTS)))
    if not parts:
        raise BadScan(f"{folder}: no {PARTS} in it, so there is nothing to report: run `kappatune screen` first")
    about = _json(folder / CLAIM) | _json(folder / MANIFEST)
    try:
        with _open(parts) as scan:
            return _look(scan, folder.resolve().name, complete, about)
    except duckdb.Error as error:
        raise BadScan(f"{folder}: not a readable scan ({str(error).strip().splitlines()[0]})") from error


def _open(parts: list[str]) -> duckdb.DuckDBPyConnection:
    """A database whose view `scan` holds the rows; `kappa` is null where there is no answer."""
    scan = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    files = [glob.escape(part) for part in parts]
    scan.read_parquet(files, hive_partitioning=False, union_by_name=True).create_view("part")
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


def _look(scan: duckdb.DuckDBPyConnection, name: str, complete: bool, about: dict[str, Any]) -> ScanOverview:
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
        unanswered=_groups(scan, "kappa IS NULL"),
        out_of_domain=_groups(scan, "kappa IS NOT NULL AND in_domain IS NOT TRUE"),
        bins=[
            Bin(*row)
            for row in scan.execute(
                "SELECT step, count(*) FILTER (in_domain), count(*) FILTER (in_domain IS NOT TRUE) "
                "FROM scan WHERE kappa IS NOT NULL GROUP BY step ORDER BY step"
            ).fetchall()
        ],
        by_mass=_cells(scan, "mean_mass_u", 400),
        by_n_atoms=_cells(scan, "n_atoms", 10_000),
        points=[
            Point(*row)
            for row in scan.execute(
                "SELECT id, formula, kappa, mean_mass_u, n_atoms, in_domain FROM scan WHERE kappa IS NOT NULL "
                f"ORDER BY md5(id), id, kappa LIMIT {N_POINTS}"
            ).fetchall()
        ],
        median=medians.pop(_EVERYTHING, None),
        elements=medians,
        lowest=_candidates(scan, "ASC"),
        highest=_candidates(scan, "DESC"),
    )


def _groups(scan: duckdb.DuckDBPyConnection, condition: str) -> list[Group]:
    normal = f"substr(coalesce(nullif(trim(reason), ''), 'no reason given'), 1, {MAX_REASON_CHARACTERS})"
    for pattern, replacement in _NORMALISE:
        quoted = [text.replace("'", "''") for text in (pattern, replacement)]
        normal = f"regexp_replace({normal}, '{quoted[0]}', '{quoted[1]}', 'g')"
    counted = scan.execute(
        f"SELECT {normal} AS normal, count(*) AS n, min(id) FROM scan WHERE {condition} "
        f"GROUP BY normal ORDER BY n DESC, normal LIMIT {N_REASONS}"
    ).fetchall()
    groups = [Group(*row) for row in counted]
    ((total,),) = scan.execute(f"SELECT count(*) FROM scan WHERE {condition}").fetchall()
    others = total - sum(group.n for group in groups)
    return [*groups, Group("", others, "")] if others else groups


def _cells(scan: duckdb.DuckDBPyConnection, column: str, most: int) -> list[Cell]:
    rows = scan.execute(
        f"SELECT CAST(floor(least(greatest({column}, 1), {most})) AS INT) AS x, step, count(*) FROM scan "
        f"WHERE kappa IS NOT NULL AND {column} IS NOT NULL AND NOT isnan(CAST({column} AS DOUBLE)) "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return [Cell(*row) for row in rows]


def _medians(scan: duckdb.DuckDBPyConnection) -> dict[str, Median]:
    """By element; `_EVERYTHING` stands for all crystals. Fine bins keep the memory flat."""
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
    return {row[0]: Median(*row[1:]) for row in sorted(rows, key=lambda row: str(row[0])) if row[0] in known}


def _candidates(scan: duckdb.DuckDBPyConnection, order: Literal["ASC", "DESC"]) -> list[Candidate]:
    limit = 8 * N_CANDIDATES
    while True:
        rows = scan.execute(
            "SELECT id, formula, n_atoms, kappa, lower_w_mk, upper_w_mk, known_rungs, structure_hash FROM scan "
            f"WHERE in_domain AND kappa IS NOT NULL ORDER BY kappa {order}, id LIMIT {limit}"
        ).fetchall()
        found: dict[tuple[str, str], Candidate] = {}
        for candidate in (Candidate(*row) for row in rows):
            key = ("structure", candidate.structure_hash) if candidate.structure_hash else ("id", candidate.id)
            found.setdefault(key, candidate)
        if len(found) >= N_CANDIDATES or len(rows) < limit:
            return list(found.values())[:N_CANDIDATES]
        limit *= 8


def _json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
