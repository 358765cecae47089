"""AFLOW's crystals with AGL values, fetched by its search language AFLUX.

See Rose et al., Comput. Mater. Sci. 137, 362 (2017), and https://aflow.org/API/aflux/. A query ("summons") is a list of
keywords. An argument in parentheses narrows the matches; `keyword(*)` narrows them to entries that have the keyword;
`paging` cuts the matches into pages, sorted by the first keyword. AFLUX responds with an object of entries named "1 of
5578", or with a list of entries; numbers and arrays come as such or as text.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, count, repeat
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import requests

from kappatune.data.fetching import (
    TemporaryFailure,
    cached,
    get_json,
    new_session,
    one_line,
    with_retries,
    without_deep_nesting,
)
from kappatune.data.table_writer import (
    CRYSTAL_COLUMNS,
    TableCounts,
    TableEntry,
    check_target,
    crystal_row,
    pages_of,
    spacegroup_number,
    write_table,
)
from kappatune.errors import BadSource
from kappatune.progress import OnProgress, ignore
from kappatune.structures import BadCrystal, Crystal, Rejection, check
from kappatune.structures.crystal import atomic_number, check_angles
from kappatune.structures.text import finite_number

AFLUX_URL = "https://aflow.org/API/aflux/"

PAGE_SIZE = 500
"""Entries per page."""

PAUSE_S = 1.0
"""Pause between two requests, s."""

PROPERTIES = (
    "agl_debye",
    "agl_acoustic_debye",
    "agl_gruneisen",
    "agl_heat_capacity_Cp_300K",
    "agl_heat_capacity_Cv_300K",
    "agl_thermal_expansion_300K",
    "agl_vibrational_entropy_300K_atom",
    "agl_vibrational_free_energy_300K_atom",
    "agl_bulk_modulus_static_300K",
    "agl_bulk_modulus_isothermal_300K",
    "ael_bulk_modulus_vrh",
    "ael_shear_modulus_vrh",
    "ael_poisson_ratio",
    "ael_debye_temperature",
    "energy_atom",
    "Egap",
)
"""Numbers copied under AFLOW's names and in AFLOW's units; `agl_debye` is that of the whole cell, in K."""

_KAPPA = "agl_thermal_conductivity_300K"
_SCHEMA = pa.schema(
    [
        *CRYSTAL_COLUMNS,
        ("kappa_w_mk_300k", pa.float64()),
        ("fidelity", pa.string()),
        ("aurl", pa.string()),
        *((name, pa.float64()) for name in PROPERTIES),
    ]
)
_CELL = ("compound", "aurl", "species", "composition", "geometry", "positions_fractional", "spacegroup_relax")
_OPERATORS = "(),:*!$'"
_NUMBERED = re.compile(r"(\d+) of (\d+)")
_ICSD = re.compile(r"[\w.]+_ICSD_\d+")
_log = logging.getLogger(__name__)


def fetch_aflow(out: Path, url: str = AFLUX_URL, query: str = "", on_progress: OnProgress = ignore) -> TableCounts:
    """Write AFLOW's ICSD crystals with AGL values as a table of labelled crystals.

    Pages are stored beside the table: after an interruption the same call continues, and requests no page twice.

    Args:
        out: The table, a `.parquet` file.
        url: URL of AFLUX.
        query: Further keywords that narrow the matches, such as `species(Si),nspecies(2)`.
        on_progress: Called with the number of rows so far.

    Raises:
        kappatune.data.table_writer.BadTarget: Something else has that name.
        BadSource: AFLOW cannot be reached, refuses, does not respond as documented, or has no such entry.
        OSError: The disk is full.
    """
    if "?" in url.rstrip("?"):
        raise BadSource(f"{url}: give the URL without a query, and the keywords that narrow the entries with --query")
    summons = url.rstrip("?") + "?" + quote(_keywords(query), safe=_OPERATORS)
    check_target(out, summons)
    entries = (
        entry_of(item, f"page {page}, entry {number}")
        for page, items in _pages(url, summons, pages_of(out))
        for number, item in enumerate(items, 1)
    )
    return write_table(out, entries, _SCHEMA, summons, on_progress)


def entry_of(item: object, where: str) -> TableEntry:
    """One entry as a row of the table, or with the reason why it is not one.

    Args:
        item: As AFLUX gives it.
        where: Identifies an entry without an identifier of its own.
    """
    fields = item if isinstance(item, dict) else {}
    auid, aurl = (_text(fields.get(key)) for key in ("auid", "aurl"))
    label = re.split(r"[:/]", aurl)[-1]
    id = f"aflow:{label}" if _ICSD.fullmatch(label) else auid or aurl or where
    try:
        if not fields:
            raise BadCrystal("the entry is not an object with keywords")
        kappa = finite_number(fields.get(_KAPPA))
        if kappa is None or kappa <= 0:
            raise BadCrystal(f"{_KAPPA} is {_shown(fields, _KAPPA)}, not a positive number")
        row = crystal_row(
            _crystal(fields, id), spacegroup_number(fields.get("spacegroup_relax")), f"AFLOW {auid or aurl}".strip()
        )
    except BadCrystal as error:
        return TableEntry(
            auid or aurl or None, Rejection(id, str(error), formula=_text(fields.get("compound")) or None)
        )
    row |= {"kappa_w_mk_300k": kappa, "fidelity": "agl", "aurl": aurl or None}
    return TableEntry(auid or aurl or None, row | {name: finite_number(fields.get(name)) for name in PROPERTIES})


def _keywords(query: str) -> str:
    """The query without its page; `auid` comes first, so that pages neither overlap nor leave gaps."""
    narrower = query.strip(" ,")
    terms = ["auid", "catalog(ICSD)", narrower, f"{_KAPPA}(*)", *_CELL, *PROPERTIES]
    return ",".join(term for term in terms if term)


def _pages(url: str, summons: str, fetched: Path) -> Iterator[tuple[int, list[Any]]]:
    """All pages, up to the announced total, or else up to a page that is empty or shorter than an earlier one.

    A page shorter than `PAGE_SIZE` does not suffice: the server may have a smaller limit.
    """
    announced: int | None = None
    seen = longest = 0
    previous: list[Any] = []
    pause = iter(chain([0.0], repeat(PAUSE_S)))
    with new_session() as session:
        for number in count(1):
            where = f"{url}, page {number}"
            advice = f"{number - 1} pages are stored, and the same command continues from there"
            page_url = f"{summons},paging({number},{PAGE_SIZE}),format(json)"
            request = partial(with_retries, partial(_request, session, page_url, where), where, advice)
            page = cached(fetched, page_url, partial(_after_pause, pause, request))
            items = page["entries"]
            announced = announced or page["total"]
            if items and items == previous:
                raise BadSource(f"{where}: the provider sent the previous page again; to start over, delete {fetched}")
            if items:
                yield number, items
            seen += len(items)
            longest = max(longest, len(items))
            previous = items
            if not items or (len(items) < longest if announced is None else seen >= announced):
                break
    if not seen:
        raise BadSource(f"{url}: the provider has no such entry; to start over, delete {fetched}")
    if announced is not None and seen < announced:
        _log.warning("%s: the provider announced %d entries and sent %d", url, announced, seen)


def _after_pause(pause: Iterator[float], request: Callable[[], Any]) -> Any:
    time.sleep(next(pause))
    return request()


def _request(session: requests.Session, page_url: str, where: str) -> dict[str, Any]:
    """One page: its entries, and the total number of entries on all pages, if the server gives it."""
    response = get_json(session, page_url, where)
    content, total = response.content, None
    if isinstance(content, dict):
        names = [_NUMBERED.fullmatch(name) for name in content]
        totals = {int(name[2]) for name in names if name}
        if content and (None in names or len(totals) != 1):
            raise TemporaryFailure(f"the response is not AFLUX's JSON (it begins '{response.text}')")
        total = totals.pop() if totals else None
        content = [content[name] for name in sorted(content, key=lambda name: int(name.split()[0]))]
    if not isinstance(content, list) or (content and not any(isinstance(item, dict) for item in content)):
        raise TemporaryFailure(f"the response is not AFLUX's JSON (it begins '{response.text}')")
    return {"entries": [without_deep_nesting(item) for item in content], "total": total}


def _crystal(fields: dict[str, Any], id: str) -> Crystal:
    species = _words(fields.get("species"))
    counts, cell, positions = (_numbers(fields, key) for key in ("composition", "geometry", "positions_fractional"))
    if not species or len(species) != len(counts):
        raise BadCrystal(f"{len(species)} species, but a composition of {len(counts)} numbers")
    if any(count < 1 or count != int(count) for count in counts):
        raise BadCrystal(f"composition is {_shown(fields, 'composition')}, not counts of atoms")
    if len(positions) != 3 * sum(counts):
        raise BadCrystal(
            f"positions_fractional has {len(positions)} numbers for {sum(counts):.0f} atoms, not three for each"
        )
    if len(cell) != 6 or min(cell) <= 0:
        raise BadCrystal(f"geometry is {_shown(fields, 'geometry')}, not three lengths and three angles")
    check_angles(*cell[3:])
    symbols = [symbol for symbol, count in zip(species, counts, strict=True) for _ in range(int(count))]
    numbers = [atomic_number(symbol, site) for site, symbol in enumerate(symbols, 1)]
    return check(Crystal(_lattice(cell), np.array(numbers), np.array(positions).reshape(-1, 3), id=id))


def _lattice(cell: list[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    from pymatgen.core import Lattice

    return np.array(Lattice.from_parameters(*cell).matrix)


def _numbers(fields: dict[str, Any], key: str) -> list[float]:
    words = _words(fields.get(key))
    numbers = [finite_number(word) for word in words]
    if None in numbers:
        raise BadCrystal(f"{key} holds '{words[numbers.index(None)][:40]}', which is not a number")
    return [number for number in numbers if number is not None]


def _words(value: object) -> list[str]:
    """The items of a list, whether nested or written as text with commas and semicolons."""
    if isinstance(value, list):
        return [word for item in value for word in (["null"] if item is None else _words(item))]
    return [] if value is None else [word for word in re.split(r"[\s,;\[\]]+", str(value)) if word]


def _text(value: object) -> str:
    return "" if value is None else one_line(value)


def _shown(fields: dict[str, Any], key: str) -> str:
    return f"'{one_line(fields[key])[:60]}'" if fields.get(key) is not None else "missing"
