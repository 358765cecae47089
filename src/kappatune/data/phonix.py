"""The DFT conductivities of Phonix, from the summary table that its authors publish, as a table to train on.

Ohnishi et al., npj Comput. Mater. 12, 150 (2026), arXiv:2504.21245: kappa at 300 K by the phonon Boltzmann equation and
force constants of PBEsol; `klat` is the particle part `kp` plus the coherences `kc`. The table is `phonix-summary`, CSV
or Parquet (CC BY 4.0), or the earlier `data_all.csv` of the authors' repository `phonon_e3nn` (MIT). Columns have their
unit in brackets in the first (`klat[W/mK]`) and none in the second; `structure` is a dictionary of ASE's `Atoms`, as
text.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kappatune.data.fetching import one_line
from kappatune.data.table_writer import (
    CRYSTAL_COLUMNS,
    TableCounts,
    TableEntry,
    check_target,
    crystal_row,
    spacegroup_number,
    write_table,
)
from kappatune.errors import BadSource
from kappatune.progress import OnProgress, ignore
from kappatune.storage import file_sha256
from kappatune.structures import BadCrystal, Crystal, Rejection, check, read_crystals
from kappatune.structures.pymatgen_dict import crystal_of_dict
from kappatune.structures.table import table_rows
from kappatune.structures.text import finite_number, formula_of

LARGEST_FIT_ERROR = 10.0
"""Percent by which the force constants may miss the forces they were fitted to; a row beyond is rejected."""

LARGEST_KAPPA = 1e4
"""W/(m K), some three times diamond: a value beyond is no conductivity."""

_KAPPA_UNIT = "W/mK"
_SUM_TOLERANCE = 0.02
_KEPT = {
    "kp": "kappa_peierls_w_mk_300k",
    "kc": "kappa_coherences_w_mk_300k",
    "fc2_error": "fc2_error_percent",
    "fc3_error": "fc3_error_percent",
    "min_phfreq": "lowest_frequency_per_cm",
    "max_phfreq": "highest_frequency_per_cm",
}
"""Numbers of the summary that stay beside kappa, and their columns here."""

_SCHEMA = pa.schema(
    [
        *CRYSTAL_COLUMNS,
        ("kappa_w_mk_300k", pa.float64()),
        ("fidelity", pa.string()),
        *((name, pa.float64()) for name in _KEPT.values()),
    ]
)
_OTHER_PHYSICS = {"scph": "phonons renormalised by temperature", "four": "four-phonon scattering"}
_BRACKET = re.compile(r"\s*\[(.*)\]\s*$")
_MP_ID = re.compile(r"(?<![A-Za-z\d])(?:mp|mvc)-(?:\d+|[a-z]+)(?![A-Za-z\d])")

Fields = Mapping[str, Any]
"""One row of the summary by column, without units."""


def import_phonix(
    out: Path, summary: Path, structures: Path | None = None, on_progress: OnProgress = ignore
) -> TableCounts:
    """Write the conductivities of a downloaded summary as a table of labelled crystals of fidelity `dft`.

    Args:
        out: The table, a `.parquet` file.
        summary: The downloaded `.csv` or `.parquet`.
        structures: Crystals for the rows without one inside, by their Materials Project id: a folder whose files have
            the id in their names, or a table with the id as `id`.
        on_progress: Called with the number of rows so far.

    Raises:
        kappatune.data.table_writer.BadTarget: Something else has the name of the table.
        kappatune.structures.table.BadTable: The summary cannot be read.
        BadSource: The summary is none, or no row of it can be used.
        OSError: The disk is full.
    """
    origin = f"Phonix: {file_sha256(summary) if summary.is_file() else summary} {structures or ''}"
    check_target(out, origin)
    rows = _summary_rows(summary)
    known = _by_mp_id(structures) if structures is not None else {}
    where = f" in {structures}" if structures is not None else ""
    entries = (entry_of(row, number, known, where) for number, row in enumerate(rows, 1))
    return write_table(out, entries, _SCHEMA, origin, on_progress)


def entry_of(row: Fields, number: int, known: Mapping[str, Crystal | Rejection], where: str = "") -> TableEntry:
    """One row of the summary as a row of the table, or with the reason why it is not one.

    Args:
        row: By column, without units.
        number: Its number, from 1.
        known: Crystals by Materials Project id, for a row that holds none.
        where: What these come from, for messages: ` in FOLDER`.
    """
    mp_id = _text(row.get("mp_id"))
    id = _text(row.get("unique_id")) or mp_id or f"row {number}"
    formula = _text(row.get("formula")) or None
    try:
        kappa = _kappa(row)
        _check_calculation(row)
        crystal = check(_crystal(row, id, mp_id, known, where))
        _check_formula(crystal, formula)
    except BadCrystal as error:
        return TableEntry(id, Rejection(id, f"row {number}: {error}", formula=formula))
    values = crystal_row(crystal, spacegroup_number(row.get("spg_number")), f"Phonix {mp_id or id}")
    values |= {"kappa_w_mk_300k": kappa, "fidelity": "dft"}
    return TableEntry(id, values | {column: finite_number(row.get(name)) for name, column in _KEPT.items()})


def _summary_rows(summary: Path) -> Iterator[Fields]:
    """Rows without the units in the names of the columns, which are checked first."""
    for number, row in enumerate(table_rows(summary)):
        if number == 0:
            _check_columns(summary, row)
        yield {_BRACKET.sub("", name): value for name, value in row.items()}


def _check_columns(summary: Path, row: Fields) -> None:
    units = {_BRACKET.sub("", name): _BRACKET.search(name) for name in row}
    kappa = {"klat"} if "klat" in units else {"kp", "kc"}
    if missing := ({"mp_id"} | kappa) - units.keys():
        found = one_line(", ".join(row))[:200]
        raise BadSource(f"{summary}: not a summary of Phonix, without {', '.join(sorted(missing))} (columns: {found})")
    for name in ("klat", "kp", "kc"):
        unit = units.get(name)
        if unit is not None and unit[1] != _KAPPA_UNIT:
            raise BadSource(f"{summary}: {name} is in {unit[1]}; only {_KAPPA_UNIT} at 300 K is known")


def _kappa(row: Fields) -> float:
    """W/(m K), the coherences included."""
    total, particles, coherences = (finite_number(row.get(name)) for name in ("klat", "kp", "kc"))
    both = particles + coherences if particles is not None and coherences is not None else None
    kappa = both if total is None else total
    if kappa is None:
        raise BadCrystal("it has no conductivity (klat is empty, and kp and kc are not both there)")
    if not 0 < kappa <= LARGEST_KAPPA:
        raise BadCrystal(f"its conductivity is {kappa:g} W/(m K): not above zero and at most {LARGEST_KAPPA:g}")
    if both is not None and abs(kappa - both) > _SUM_TOLERANCE * kappa:
        raise BadCrystal(f"klat is {kappa:g} W/(m K), but kp and kc are {both:g} together: one of them is wrong")
    return kappa


def _check_calculation(row: Fields) -> None:
    """Refuse what was computed otherwise than the bulk of the database, or badly."""
    for name, physics in _OTHER_PHYSICS.items():
        if _is_set(row.get(name)):
            raise BadCrystal(f"computed with {physics} ({name}), which values of the other rows do not include")
    for name in ("fc2_error", "fc3_error"):
        error = finite_number(row.get(name))
        if error is not None and error > LARGEST_FIT_ERROR:
            raise BadCrystal(
                f"{name} is {error:g} %: its force constants miss the forces by over {LARGEST_FIT_ERROR:g} %"
            )


def _crystal(row: Fields, id: str, mp_id: str, known: Mapping[str, Crystal | Rejection], where: str) -> Crystal:
    inside = row.get("structure")
    if not _is_empty(inside):
        return _of_dictionary(_dictionary(inside), id)
    found = known.get(mp_id)
    if found is None:
        raise BadCrystal(
            f"it has no structure inside, and there is none of {mp_id or 'a row without mp_id'}{where}: "
            "give --structures, as from `kappatune data fetch mp`"
        )
    if isinstance(found, Rejection):
        raise BadCrystal(f"its structure{where} cannot be used: {found.reason}")
    return found.named(id, None)


def _dictionary(structure: object) -> Mapping[str, Any]:
    """The dictionary that a cell of the table holds, as such or as the text of JSON or of Python."""
    if isinstance(structure, str):
        try:
            structure = json.loads(structure)
        except (json.JSONDecodeError, RecursionError):
            try:
                structure = ast.literal_eval(str(structure))
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                raise BadCrystal(f"its structure is no dictionary (it begins '{one_line(structure)[:40]}')") from None
    if not isinstance(structure, Mapping):
        raise BadCrystal(f"its structure is no dictionary but '{one_line(structure)[:40]}'")
    return structure


def _of_dictionary(structure: Mapping[str, Any], id: str) -> Crystal:
    """The crystal of `ase.Atoms.todict()`, or of pymatgen's `Structure.as_dict()`; not checked yet."""
    if "sites" in structure:
        crystal = crystal_of_dict(dict(structure))
        if isinstance(crystal, Rejection):
            raise BadCrystal(crystal.reason)
        return crystal.named(id, None)
    missing = {"numbers", "positions", "cell"} - structure.keys()
    if missing:
        raise BadCrystal(
            f"its structure has no {', '.join(sorted(missing))} (found: {one_line(', '.join(structure))[:80]})"
        )
    try:
        lattice = np.array(structure["cell"], dtype=np.float64).reshape(3, 3)
        positions = np.array(structure["positions"], dtype=np.float64).reshape(-1, 3)
        numbers = np.array(structure["numbers"], dtype=np.int64).reshape(-1)
        frac_coords = np.linalg.solve(lattice.T, positions.T).T.astype(np.float64)
    except (TypeError, ValueError, OverflowError, np.linalg.LinAlgError) as error:
        raise BadCrystal(f"its structure is not three vectors with atoms ({one_line(error)[:80]})") from None
    if len(numbers) != len(positions):
        raise BadCrystal(f"its structure has {len(numbers)} atomic numbers but {len(positions)} positions")
    if not np.all(np.atleast_1d(structure.get("pbc", True))):
        raise BadCrystal("its structure is not periodic in all three directions")
    return Crystal(lattice, numbers, frac_coords, id=id)


def _check_formula(crystal: Crystal, formula: str | None) -> None:
    """Refuse a structure of another composition than the row names."""
    if formula is not None and crystal.formula != (named := formula_of(formula)):
        raise BadCrystal(f"its structure is {crystal.formula}, but its formula is {named or formula}")


def _by_mp_id(structures: Path) -> dict[str, Crystal | Rejection]:
    """Crystals by the Materials Project id in their name or in that of their file; a usable one comes first.

    Raises:
        BadSource: No name holds such an id.
    """
    found: dict[str, Crystal | Rejection] = {}
    for entry in read_crystals([structures]):
        name = _MP_ID.search(entry.id) or _MP_ID.search(Path(entry.file or "").name)
        if name and isinstance(found.get(name[0]), Rejection | None):
            found[name[0]] = entry
    if not found:
        raise BadSource(f"{structures}: no crystal there has a Materials Project id (mp-149) in its name")
    return found


def _is_set(value: object) -> bool:
    """Whether a flag is on: true, or a number other than zero, also as text."""
    return _text(value).lower() == "true" or bool(finite_number(value))


def _text(value: object) -> str:
    """A name; empty where the table has none or NaN."""
    return "" if _is_empty(value) else one_line(value)


def _is_empty(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
