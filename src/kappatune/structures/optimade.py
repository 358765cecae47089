"""Structures as OPTIMADE providers answer them, entry by entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kappatune.structures.crystal import OCCUPANCY_TOLERANCE, BadCrystal, Crystal, Rejection, atomic_number, check
from kappatune.structures.text import DISORDER_ADVICE, formula_of, printable, unexpected

FIELDS = (
    "lattice_vectors",
    "cartesian_site_positions",
    "species",
    "species_at_sites",
    "nperiodic_dimensions",
    "dimension_types",
    "structure_features",
    "chemical_formula_reduced",
)
"""Properties of an entry that are read."""

_Vector = tuple[float, float, float]


class _Species(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    chemical_symbols: list[str]
    concentration: list[float]
    attached: list[str] | None = None


class _Cell(BaseModel):
    model_config = ConfigDict(extra="ignore")

    lattice_vectors: tuple[_Vector, _Vector, _Vector]
    cartesian_site_positions: list[_Vector] = Field(min_length=1)
    species: list[_Species]
    species_at_sites: list[str]


def crystal_of_optimade(entry: object) -> Crystal | Rejection:
    """The crystal of one entry of an OPTIMADE answer.

    Args:
        entry: An item of the answer's `data`, whatever it holds.

    Returns:
        The checked crystal, or why there is none; the id is the entry's, empty where it has none.
    """
    name, formula = "", None
    try:
        if not isinstance(entry, dict) or not isinstance(entry.get("attributes"), dict):
            raise BadCrystal("this is not an OPTIMADE entry: it has no attributes")
        attributes = entry["attributes"]
        if isinstance(entry.get("id"), str | int):
            name = printable(str(entry["id"]))
        if isinstance(attributes.get("chemical_formula_reduced"), str):
            formula = formula_of(attributes["chemical_formula_reduced"])
        return check(replace(_crystal(attributes), id=name))
    except BadCrystal as error:
        return Rejection(name, printable(str(error)), formula=formula)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        return Rejection(name, printable(f"the database gives an unusable {where}: {fault['msg']}"), formula=formula)
    except Exception as error:
        return Rejection(name, printable(unexpected("an OPTIMADE structure", error)), formula=formula)


def _crystal(attributes: dict[str, Any]) -> Crystal:
    _require_three_dimensions(attributes.get("nperiodic_dimensions"), attributes.get("dimension_types"))
    if features := attributes.get("structure_features"):
        advice = f": {DISORDER_ADVICE}" if "disorder" in features else ", which is not modelled"
        raise BadCrystal(f"the database marks it with {_listed(features)}{advice}")
    if missing := [key for key in _Cell.model_fields if attributes.get(key) is None]:
        raise BadCrystal(f"the database gives no {_listed(missing)} for it")
    cell = _Cell.model_validate(attributes)
    n_sites, n_positions = len(cell.species_at_sites), len(cell.cartesian_site_positions)
    if n_sites != n_positions:
        raise BadCrystal(f"the database gives {n_positions} positions for {n_sites} sites")
    species = {one.name: one for one in cell.species}
    numbers = [_number(species.get(name), name, site) for site, name in enumerate(cell.species_at_sites, 1)]
    from ase import Atoms

    return Crystal.from_ase(Atoms(numbers, cell.cartesian_site_positions, cell=cell.lattice_vectors, pbc=True))


def _require_three_dimensions(count: object, types: object) -> None:
    if count not in (None, 3) or types not in (None, [1, 1, 1]):
        given = f"nperiodic_dimensions {count}" if count not in (None, 3) else f"dimension_types {types}"
        raise BadCrystal(f"it is not periodic in all three directions ({given[:60]}): take a three-dimensional crystal")


def _number(species: _Species | None, name: str, site: int) -> int:
    """Atomic number of the one element at a site."""
    if species is None:
        raise BadCrystal(f"site {site} is '{name}', which the database does not explain among its species")
    symbols, shares = species.chemical_symbols, species.concentration
    if len(symbols) != 1 or len(shares) != 1 or not abs(shares[0] - 1) <= OCCUPANCY_TOLERANCE:
        found = ", ".join(f"{symbol} {share:g}" for symbol, share in zip(symbols, shares, strict=False))
        raise BadCrystal(f"site {site} is disordered ({found[:80] or 'empty'}): {DISORDER_ADVICE}")
    if symbols[0] in ("X", "vacancy"):
        what = "of an unknown element" if symbols[0] == "X" else "a vacancy"
        raise BadCrystal(f"site {site} is {what} ('{symbols[0]}'): take an entry whose sites are all known")
    if species.attached:
        raise BadCrystal(f"site {site} ({symbols[0]}) has {_listed(species.attached)} attached without positions")
    return atomic_number(symbols[0], site)


def _listed(names: object) -> str:
    return ", ".join(str(name)[:40] for name in names) if isinstance(names, Sequence) else str(names)[:40]
