"""Ranking of a scan: its crystals with the lowest or highest conductivity, found by DuckDB in the Parquet parts.

A scan is read in two steps. The first orders the few columns that decide, page by page, and holds no more rows than a
page; the second fetches whole rows, with their structures, for the winners only. Memory therefore grows with the number
of winners, not with the size of the scan.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import duckdb
from pydantic import Field

from kappatune.results import Results
from kappatune.screening.query import ROWS, Filters, RowLocation, as_words, conditions, opened, patterns
from kappatune.screening.ranked_crystal import NEEDED, RELATIVE_SPREAD, RankedCrystal, crystals_at

ELEMENT_SHARE = 4
"""At most one crystal in this many of a diverse choice contains the same element."""

_FIRST_PAGE = 1000
_PAGE_GROWTH = 8
_ORDERS = {"lowest": "kappa_w_mk ASC", "highest": "kappa_w_mk DESC"}


class RankSettings(Filters):
    """Arguments of `rank`, which documents them."""

    order: Literal["lowest", "highest"] = "lowest"
    n: int = Field(default=20, ge=1)
    max_upper: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    min_lower: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    agree_below: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    diverse: bool = False


class _RankedRow(NamedTuple):
    """A row in the order of the ranking: its chemistry and its location."""

    structure_hash: str | None
    elements: list[str] | None
    location: RowLocation


def rank(
    scan: str | os.PathLike[str],
    *,
    n: int = 20,
    order: Literal["lowest", "highest"] = "lowest",
    elements: str | Iterable[str] = (),
    without: str | Iterable[str] = (),
    min_atoms: int | None = None,
    max_atoms: int | None = None,
    in_domain_only: bool = False,
    prototypes: str | Iterable[str] = (),
    novel: bool = False,
    max_upper: float | None = None,
    min_lower: float | None = None,
    agree_below: float | None = None,
    diverse: bool = False,
) -> Results[RankedCrystal]:
    """The crystals of a scan with the lowest or highest conductivity that pass the filters, in order.

    Of crystals with the same structure hash only the first counts. Crystals with equal values are ordered by id.

    A diverse choice goes through the ranking once. It takes a crystal unless its set of elements has occurred before,
    or one of its elements (except those that are required) is in a quarter of the choice already. If crystals are still
    missing at the end, the first crystals of the remaining sets of elements are added, then further crystals of sets
    that have occurred before. The choice is returned in the order of the ranking.

    Args:
        scan: Folder of a scan, complete or not, or the result of `screen`.
        n: Most crystals to return.
        order: Which conductivity comes first.
        elements: Elements that must all be present, such as `"Pb,Te"` or `["Pb", "Te"]`.
        without: Elements that must not be present.
        min_atoms: Fewest atoms in the cell.
        max_atoms: Most atoms in the cell.
        in_domain_only: Only crystals similar to those the model was trained on.
        prototypes: Allowed anonymous formulas; `AB2`, `B2A` and `CaF2` all mean `AB2`. Empty allows all.
        novel: Only crystals whose formula is in no rung's training data.
        max_upper: Highest upper end of the interval, W/(m K).
        min_lower: Lowest lower end of the interval, W/(m K).
        agree_below: Only crystals for which every member of the ensemble is below this value, W/(m K), sorted by the
            relative spread of the members (sample standard deviation over mean), smallest first.
        diverse: Choose a variety of chemistries, see above.

    Returns:
        At most `n` crystals; none if no crystal passes.

    Raises:
        kappatune.screening.query.BadScan: There is no readable scan in the folder.
        kappatune.settings.BadSettings: The filters are invalid or contradict each other.

    Examples:
        >>> from kappatune import rank
        >>> rows = rank("my-scan", n=50, max_upper=1.0, in_domain_only=True, novel=True)
        >>> rows[0].formula, rows[0].kappa_w_mk
        ('CsPbI3', 0.31)
        >>> rows.to_pandas()
    """
    settings = RankSettings(
        n=n,
        order=order,
        elements=as_words(elements),
        without=as_words(without),
        min_atoms=min_atoms,
        max_atoms=max_atoms,
        in_domain_only=in_domain_only,
        prototypes=as_words(prototypes),
        novel=novel,
        max_upper=max_upper,
        min_lower=min_lower,
        agree_below=agree_below,
        diverse=diverse,
    )
    with opened(scan, NEEDED) as (connection, parts):
        rows = _ranking(connection, parts, settings)
        chosen = _diverse(rows, settings) if settings.diverse else _distinct(rows, settings.n)
        return Results(crystals_at(connection, [row.location for row in chosen]))


def _ranking(connection: duckdb.DuckDBPyConnection, parts: list[str], settings: RankSettings) -> Iterator[_RankedRow]:
    """The rows that pass, in order. Every page reads the scan again, so pages grow."""
    where, values = conditions(
        settings,
        max_upper=("upper_w_mk <= $max_upper", settings.max_upper),
        min_lower=("lower_w_mk >= $min_lower", settings.min_lower),
        agree_below=("list_max(members_w_mk) < $agree_below", settings.agree_below),
    )
    by = _ORDERS[settings.order]
    if settings.agree_below is not None:
        by = f"{RELATIVE_SPREAD} ASC NULLS LAST, {by}"
    query = (
        f"SELECT structure_hash, elements, filename, file_row_number FROM {ROWS} WHERE {where} "
        f"ORDER BY {by}, id, filename, file_row_number LIMIT $page OFFSET $start"
    )
    start, page = 0, max(_FIRST_PAGE, 2 * settings.n)
    while True:
        result = connection.execute(query, {"files": patterns(parts), "page": page, "start": start, **values})
        n_rows = 0
        while rows := result.fetchmany(_FIRST_PAGE):
            n_rows += len(rows)
            yield from (_RankedRow(key, elements, RowLocation(part, row)) for key, elements, part, row in rows)
        if n_rows < page:
            return
        start, page = start + page, page * _PAGE_GROWTH


def _distinct(rows: Iterable[_RankedRow], n: int) -> list[_RankedRow]:
    chosen: list[_RankedRow] = []
    met: set[str] = set()
    for row in rows:
        if row.structure_hash is not None:
            if row.structure_hash in met:
                continue
            met.add(row.structure_hash)
        chosen.append(row)
        if len(chosen) == n:
            break
    return chosen


def _diverse(rows: Iterable[_RankedRow], settings: RankSettings) -> list[_RankedRow]:
    """The diverse choice that `rank` describes; only the choice and its substitutes are held in memory."""
    n, share = settings.n, max(1, settings.n // ELEMENT_SHARE)
    queues: tuple[list[tuple[int, _RankedRow]], ...] = ([], [], [])
    first, crowded, repeated = queues
    chemistries: set[tuple[str, ...]] = set()
    uses: Counter[str] = Counter()
    met: set[str] = set()
    for position, row in enumerate(rows):
        if row.structure_hash in met:
            continue
        chemistry = tuple(row.elements or ())
        free = set(chemistry) - set(settings.elements)
        if chemistry in chemistries:
            queue = repeated
        elif any(uses[element] >= share for element in free):
            queue = crowded
        else:
            queue = first
            uses.update(free)
        chemistries.add(chemistry)
        if len(queue) < n:
            queue.append((position, row))
            if row.structure_hash is not None:
                met.add(row.structure_hash)
        if len(first) == n:
            break
    chosen = [entry for queue in queues for entry in queue][:n]
    return [row for _, row in sorted(chosen, key=lambda entry: entry[0])]
