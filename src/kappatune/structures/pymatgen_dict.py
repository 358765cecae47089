"""The crystal of a pymatgen structure written as a dictionary, `Structure.as_dict()`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, atomic_number
from kappatune.structures.text import DISORDER_ADVICE, formula_of, unexpected

_ID_KEYS = ("id", "material_id")
EXPECTED = "a pymatgen Structure.as_dict(), or a list of these"


def crystal_of_dict(entry: object) -> Crystal | Rejection:
    """The crystal of one `Structure.as_dict()`, alone or as `structure` beside an `id`; not checked yet."""
    from pymatgen.core import Structure

    name = ""
    symbols: Counter[str] = Counter()
    try:
        body = _body(entry)
        name = _name(entry, body)
        sites = _sites(body["sites"], symbols)
        lattice = {key: body["lattice"][key] for key in ("matrix", "pbc") if key in body["lattice"]}
        if not all(lattice.get("pbc", ())):
            raise BadCrystal("the lattice is not periodic in all three directions: give a three-dimensional crystal")
        return Crystal.from_pymatgen(Structure.from_dict({"lattice": lattice, "sites": sites}), id=name)
    except BadCrystal as error:
        return Rejection(name, str(error), formula=formula_of(symbols))
    except KeyError as error:
        return Rejection(name, f"a site has no {error}: give {EXPECTED}", formula=formula_of(symbols))
    except Exception as error:
        return Rejection(name, unexpected("pymatgen's Structure.as_dict()", error), formula=formula_of(symbols))


def _body(entry: object) -> dict[str, Any]:
    body = entry.get("structure", entry) if isinstance(entry, dict) else entry
    if not isinstance(body, dict) or not isinstance(body.get("sites"), list):
        raise BadCrystal(f"this JSON holds no crystal (no 'sites'): give {EXPECTED}")
    if not isinstance(body.get("lattice"), dict) or "matrix" not in body["lattice"]:
        raise BadCrystal("this JSON has sites but no lattice matrix, as a molecule: give a periodic Structure")
    return body


def _name(entry: object, body: dict[str, Any]) -> str:
    for holder in (entry, body, body.get("properties")):
        if isinstance(holder, dict):
            for key in _ID_KEYS:
                if isinstance(holder.get(key), str | int):
                    return str(holder[key])
    return ""


def _sites(sites: list[Any], symbols: Counter[str]) -> list[dict[str, Any]]:
    """Species and coordinates of the sites alone: their other entries may name classes to import."""
    if not sites:
        raise BadCrystal("the list 'sites' is empty: give the atoms")
    kept = []
    for number, site in enumerate(sites, 1):
        species = site["species"]
        for one in species:
            symbols[str(one["element"])] += one["occu"]
        occupancies = ", ".join(f"{one['element']} {one['occu']:g}" for one in species)
        if len(species) != 1 or species[0]["occu"] != 1:
            raise BadCrystal(f"site {number} is disordered ({occupancies or 'empty'}): {DISORDER_ADVICE}")
        symbol = str(species[0]["element"])
        atomic_number(symbol, number)
        if len(site["abc"]) != 3:
            raise BadCrystal(f"site {number} ({symbol}) does not have three coordinates: correct 'abc'")
        kept.append({"species": [{"element": symbol, "occu": 1}], "abc": [float(x) for x in site["abc"]]})
    return kept
