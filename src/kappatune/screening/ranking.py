"""Ranking of a scan: the crystals that matter, by DuckDB directly on the scan's Parquet parts.

A scan is read in two steps. The first orders the few columns that decide, page by page, and keeps no
more rows than a page; the second fetches whole rows, with their structures, for the winners alone.
Memory therefore follows the number of winners, not the size of the scan.
"""

from __future__ import annotations

import glob
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import duckdb
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from kappatune.errors import UserError
from kappatune.screening.layout import MANIFEST, PARTS
from kappatune.structures import Crystal
from kappatune.structures.crystal import MAX_ATOMIC_NUMBER, element_symbol

ELEMENT_SHARE = 4
"""A diverse choice gives at most one place in this many to crystals with the same element."""

_FIRST_PAGE = 1000
_PAGE_GROWTH = 8
_ID_LENGTH = 80

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "preserve_insertion_order": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""How DuckDB is opened: order is always asked for, and nothing is fetched."""

ROWS = "read_parquet($files, filename = true, file_row_number = true)"
"""The rows of the files `$files`, as a table for SQL, with where each stands."""

_SPREAD = "CASE WHEN isfinite(list_max(members_w_mk)) THEN list_stddev_samp(members_w_mk) / list_avg(members_w_mk) END"
_ORDERS = {"lowest": "kappa_w_mk ASC", "highest": "kappa_w_mk DESC"}


class BadScan(UserError):
    """A folder that holds no readable scan; the message says what is wrong with it."""


class Filters(BaseModel):
    """Which crystals of a scan may take part. Crystals without a conductivity never do.

    Attributes:
        elements: Elements that must all be there.
        without: Elements of which none may be there.
        min_atoms: Fewest atoms in the cell.
        max_atoms: Most atoms in the cell.
        in_domain_only: Only crystals that resemble what the model was trained on.
        prototypes: Allowed anonymous formulas; `AB2`, `B2A` and `CaF2` all mean `AB2`. Empty allows all.
        novel: Only crystals whose formula stands in no rung's training data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    elements: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    min_atoms: int | None = Field(default=None, ge=1)
    max_atoms: int | None = Field(default=None, ge=1)
    in_domain_only: bool = False
    prototypes: tuple[str, ...] = ()
    novel: bool = False

    @field_validator("elements", "without")
    @classmethod
    def _elements_exist(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        known = {element_symbol(number) for number in range(1, MAX_ATOMIC_NUMBER + 1)}
        for symbol in symbols:
            if symbol not in known:
                raise ValueError(f"'{symbol}' is not a chemical element: write symbols such as Pb or Te")
        return symbols

    @field_validator("prototypes")
    @classmethod
    def _prototypes_in_one_spelling(cls, formulas: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(anonymous_formula(formula) for formula in formulas)

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if both := sorted({*self.elements} & {*self.without}):
            raise ValueError(f"{', '.join(both)} cannot be both required and excluded")
        if self.min_atoms and self.max_atoms and self.min_atoms > self.max_atoms:
            raise ValueError(f"no cell has at least {self.min_atoms} and at most {self.max_atoms} atoms")
        return self


class RankSettings(Filters):
    """What to rank by, and which crystals may take part.

    Attributes:
        order: Lowest or highest conductivity first.
        limit: Most crystals to return.
        max_upper: Highest upper end of the interval, W/(m K).
        min_lower: Lowest lower end of the interval, W/(m K).
        agree_below: The agreement rule: every member's conductivity is below this value, W/(m K), and
            the crystals are sorted by relative spread (sample standard deviation of the members over
            their mean), smallest first; `order` then decides among equals.
        diverse: Pick a spread of chemistries (see `rank`).
    """

    order: Literal["lowest", "highest"] = "lowest"
    limit: int = Field(default=20, ge=1)
    max_upper: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    min_lower: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    agree_below: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    diverse: bool = False


class RankedCrystal(BaseModel):
    """A crystal of a scan, at its place in the ranking.

    Attributes:
        id: Name of the crystal.
        file: File it came from.
        formula: Reduced formula.
        n_atoms: Atoms in the cell.
        kappa_w_mk: Lattice thermal conductivity at 300 K, W/(m K).
        lower_w_mk: Lower end of the interval, W/(m K).
        upper_w_mk: Upper end of the interval, W/(m K).
        max_member_w_mk: Highest conductivity that a member of the ensemble gives, W/(m K).
        relative_spread: Sample standard deviation of the members over their mean; null for one member.
        debye_temperature_k: Debye temperature of the primitive cell, K.
        gruneisen: Grüneisen parameter.
        in_domain: Whether the crystal resembles what the model was trained on.
        known_rungs: Rungs in whose training data the formula stands; empty for a novel one.
        structure_hash: Hash of the structure; the same for duplicates.
        reason: Why the crystal is out of domain.
        lattice: Row vectors, row after row, Å. This and the next two stay out of dumps.
        numbers: Atomic numbers.
        frac_coords: Fractional coordinates, atom after atom.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    file: str | None = None
    formula: str | None = None
    n_atoms: int | None = None
    kappa_w_mk: float
    lower_w_mk: float | None = None
    upper_w_mk: float | None = None
    max_member_w_mk: float | None = None
    relative_spread: float | None = None
    debye_temperature_k: float | None = None
    gruneisen: float | None = None
    in_domain: bool | None = None
    known_rungs: tuple[str, ...] | None = None
    structure_hash: str | None = None
    reason: str | None = None
    lattice: tuple[float, ...] | None = Field(default=None, exclude=True, repr=False)
    numbers: tuple[int, ...] | None = Field(default=None, exclude=True, repr=False)
    frac_coords: tuple[float, ...] | None = Field(default=None, exclude=True, repr=False)

    def crystal(self) -> Crystal:
        """The crystal itself.

        Raises:
            BadScan: The scan holds no structure for this row.
        """
        if self.lattice is None or self.numbers is None or self.frac_coords is None:
            raise BadScan(f"crystal '{self.id}': the scan holds no structure for it")
        if len(self.lattice) != 9 or len(self.frac_coords) != 3 * len(self.numbers):
            raise BadScan(f"crystal '{self.id}': its structure in the scan is damaged")
        return Crystal(
            np.array(self.lattice, dtype=np.float64).reshape(3, 3),
            np.array(self.numbers, dtype=np.int64),
            np.array(self.frac_coords, dtype=np.float64).reshape(-1, 3),
            id=self.id,
            file=self.file,
        )


class RowLocation(NamedTuple):
    """Where a row of a scan stands.

    Attributes:
        part: The file.
        row: Its number there.
    """

    part: str
    row: int


class _Candidate(NamedTuple):
    """A row on its way down the ranking: which chemistry, and where the rest of it stands."""

    structure_hash: str | None
    elements: list[str] | None
    place: RowLocation


_DERIVED = {"max_member_w_mk": "list_max(members_w_mk)", "relative_spread": _SPREAD}
_WANTED = ", ".join(f"{_DERIVED[name]} AS {name}" if name in _DERIVED else name for name in RankedCrystal.model_fields)
NEEDED = (RankedCrystal.model_fields.keys() - _DERIVED.keys()) | {"members_w_mk", "elements", "anonymous_formula"}
"""Columns a scan must have to be ranked."""


def scan_is_complete(folder: str | Path) -> bool:
    """Whether the scan in a folder was brought to its end; one that was not can be ranked all the same."""
    return (Path(folder) / MANIFEST).is_file()


def anonymous_formula(formula: str) -> str:
    """The formula with letters for elements, fewest atoms first: `CaF2`, `B2A` and `A2B4` give `AB2`.

    Raises:
        ValueError: It is no formula, or names a letter twice.
    """
    if not re.fullmatch(r"([A-Z][a-z]?([1-9][0-9]{0,3})?)+", formula):
        raise ValueError(f"'{formula}' is not a formula: write a prototype as AB2 or CaF2")
    letters, digits = zip(*re.findall(r"([A-Z][a-z]?)([0-9]*)", formula), strict=True)
    if len({*letters}) < len(letters) or len(letters) > 26:
        raise ValueError(f"'{formula}' names a letter twice: write a prototype as AB2 or CaF2")
    counts = [int(number or 1) for number in digits]
    shares = sorted(count // math.gcd(*counts) for count in counts)
    return "".join(chr(ord("A") + place) + (str(n) if n > 1 else "") for place, n in enumerate(shares))


def rank(folder: str | Path, settings: RankSettings | None = None) -> list[RankedCrystal]:
    """The first crystals of a scan that pass the filters, in order.

    Of crystals with the same structure hash only the first counts. Equal crystals are ordered by id.

    A diverse choice walks down the ranking once. It takes a crystal unless its set of elements has been
    met before, or one of its elements (those that the settings require aside) stands in a quarter of
    the places already. Places left at the end of the ranking go to the first crystals of the remaining
    sets of elements, then to further crystals of sets met before. The choice is returned in the order
    of the ranking.

    Args:
        folder: Folder of a scan, complete or not.
        settings: What to rank by; the lowest 20 by default.

    Returns:
        At most `settings.limit` crystals; none if no crystal passes.

    Raises:
        BadScan: There is no readable scan in the folder.
    """
    settings = settings or RankSettings()
    parts = scan_parts(Path(folder))
    with duckdb.connect(config=CONFIG) as connection:
        try:
            check_columns(connection, parts[0])
            candidates = _ranking(connection, parts, settings)
            chosen = _spread_out(candidates, settings) if settings.diverse else _distinct(candidates, settings.limit)
            return whole_rows(connection, [candidate.place for candidate in chosen])
        except duckdb.Error as error:
            raise BadScan(f"{folder}: the scan cannot be read ({str(error).splitlines()[0]})") from error


def write_cifs(rows: Iterable[RankedCrystal], folder: str | Path) -> list[Path]:
    """Write one CIF per crystal, named by place, formula and id, as `001_MgO_mp-1265.cif`.

    Characters of an id that are not safe in a file name become hyphens.

    Raises:
        BadScan: The scan holds no structure for a crystal.
        OSError: The folder or a file cannot be written.
    """
    from pymatgen.io.cif import CifWriter

    rows, folder = list(rows), Path(folder)
    digits = max(3, len(str(len(rows))))
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, row in enumerate(rows, 1):
        crystal = row.crystal()
        names = [f"{place:0{digits}d}", _safe(crystal.formula), _safe(row.id)]
        path = folder / ("_".join(name for name in names if name) + ".cif")
        path.write_text(str(CifWriter(crystal.to_pymatgen(), significant_figures=10)), encoding="utf-8")
        paths.append(path)
    return paths


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_ID_LENGTH].strip("-.")


def scan_parts(folder: Path) -> list[str]:
    """Files of a scan's rows, in order.

    Raises:
        BadScan: There is no scan in the folder.
    """
    if not folder.is_dir():
        raise BadScan(f"{folder}: {'a file, not the folder of a scan' if folder.exists() else 'no such folder'}")
    parts = sorted(path for path in folder.glob(PARTS) if path.is_file())
    if not parts:
        raise BadScan(f"{folder}: no {PARTS} in it: give a folder that `kappatune screen --out` has filled")
    return [str(part) for part in parts]


def patterns(parts: Iterable[str]) -> list[str]:
    """Patterns that match these files alone: DuckDB takes every name for a pattern."""
    return [glob.escape(part) for part in parts]


def check_columns(connection: duckdb.DuckDBPyConnection, part: str, needed: Set[str] = NEEDED) -> None:
    """Make sure that a part has the columns a query needs.

    Raises:
        BadScan: One is missing.
    """
    answer = connection.execute("SELECT * FROM read_parquet($files) LIMIT 0", {"files": patterns([part])})
    if missing := sorted(needed - {column[0] for column in answer.description or ()}):
        raise BadScan(f"{part}: column {', '.join(map(repr, missing))} is missing: no scan of this version")


def conditions(filters: Filters, **further: tuple[str, Any]) -> tuple[str, dict[str, Any]]:
    """The filters as SQL, and the values it refers to.

    Args:
        filters: The filters.
        further: More conditions and the value each refers to by its name; one without a value is left out.
    """
    clauses: dict[str, tuple[str, Any]] = {
        "elements": ("list_has_all(elements, $elements::VARCHAR[])", [*filters.elements]),
        "without": ("NOT list_has_any(elements, $without::VARCHAR[])", [*filters.without]),
        "prototypes": ("list_contains($prototypes::VARCHAR[], anonymous_formula)", [*filters.prototypes]),
        "min_atoms": ("n_atoms >= $min_atoms", filters.min_atoms),
        "max_atoms": ("n_atoms <= $max_atoms", filters.max_atoms),
        **further,
    }
    used = {name: value for name, (_, value) in clauses.items() if value not in (None, [])}
    sql = ["isfinite(kappa_w_mk)", *(clauses[name][0] for name in used)]
    if filters.in_domain_only:
        sql.append("in_domain")
    if filters.novel:
        sql.append("len(known_rungs) = 0")
    return " AND ".join(sql), used


def _ranking(connection: duckdb.DuckDBPyConnection, parts: list[str], settings: RankSettings) -> Iterator[_Candidate]:
    """The rows that pass, in order. Every page reads the scan anew, so pages grow."""
    where, values = conditions(
        settings,
        max_upper=("upper_w_mk <= $max_upper", settings.max_upper),
        min_lower=("lower_w_mk >= $min_lower", settings.min_lower),
        agree_below=("list_max(members_w_mk) < $agree_below", settings.agree_below),
    )
    by = _ORDERS[settings.order]
    if settings.agree_below is not None:
        by = f"{_SPREAD} ASC NULLS LAST, {by}"
    query = (
        f"SELECT structure_hash, elements, filename, file_row_number FROM {ROWS} WHERE {where} "
        f"ORDER BY {by}, id, filename, file_row_number LIMIT $page OFFSET $start"
    )
    start, page = 0, max(_FIRST_PAGE, 2 * settings.limit)
    while True:
        answer = connection.execute(query, {"files": patterns(parts), "page": page, "start": start, **values})
        n_rows = 0
        while rows := answer.fetchmany(_FIRST_PAGE):
            n_rows += len(rows)
            yield from (_Candidate(key, elements, RowLocation(part, row)) for key, elements, part, row in rows)
        if n_rows < page:
            return
        start, page = start + page, page * _PAGE_GROWTH


def _distinct(candidates: Iterable[_Candidate], limit: int) -> list[_Candidate]:
    chosen: list[_Candidate] = []
    met: set[str] = set()
    for candidate in candidates:
        if candidate.structure_hash is not None:
            if candidate.structure_hash in met:
                continue
            met.add(candidate.structure_hash)
        chosen.append(candidate)
        if len(chosen) == limit:
            break
    return chosen


def _spread_out(candidates: Iterable[_Candidate], settings: RankSettings) -> list[_Candidate]:
    """The diverse choice that `rank` describes, holding no more than the choice and its substitutes."""
    limit, share = settings.limit, max(1, settings.limit // ELEMENT_SHARE)
    queues: tuple[list[tuple[int, _Candidate]], ...] = ([], [], [])
    first, crowded, further = queues
    chemistries: set[tuple[str, ...]] = set()
    uses: Counter[str] = Counter()
    met: set[str] = set()
    for place, candidate in enumerate(candidates):
        if candidate.structure_hash in met:
            continue
        chemistry = tuple(candidate.elements or ())
        free = set(chemistry) - set(settings.elements)
        if chemistry in chemistries:
            queue = further
        elif any(uses[element] >= share for element in free):
            queue = crowded
        else:
            queue = first
            uses.update(free)
        chemistries.add(chemistry)
        if len(queue) < limit:
            queue.append((place, candidate))
            if candidate.structure_hash is not None:
                met.add(candidate.structure_hash)
        if len(first) == limit:
            break
    chosen = [entry for queue in queues for entry in queue][:limit]
    return [candidate for _, candidate in sorted(chosen, key=lambda entry: entry[0])]


def columns_at(
    connection: duckdb.DuckDBPyConnection, columns: str, places: Sequence[RowLocation]
) -> list[tuple[Any, ...]]:
    """Some columns, or SQL expressions of them, of the rows at these places, in their order."""
    if not places:
        return []
    return connection.execute(
        f"SELECT {columns} FROM {ROWS} JOIN (SELECT unnest($parts::VARCHAR[]) AS filename, "
        "unnest($rows::BIGINT[]) AS file_row_number, unnest($places::BIGINT[]) AS place) "
        "USING (filename, file_row_number) ORDER BY place",
        {
            "files": patterns(sorted({place.part for place in places})),
            "parts": [place.part for place in places],
            "rows": [place.row for place in places],
            "places": [*range(len(places))],
        },
    ).fetchall()


def whole_rows(connection: duckdb.DuckDBPyConnection, places: Sequence[RowLocation]) -> list[RankedCrystal]:
    """The rows at these places, in their order."""
    return [
        RankedCrystal.model_validate(dict(zip(RankedCrystal.model_fields, row, strict=True)))
        for row in columns_at(connection, _WANTED, places)
    ]
