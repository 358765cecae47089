"""The crystal of a pymatgen structure written as a dictionary, `Structure.as_dict()`."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from kappatune.structures.crystal import OCCUPANCY_TOLERANCE, BadCrystal, Crystal, Rejection, atomic_number
from kappatune.structures.text import DISORDER_ADVICE, formula_of, unexpected

_ID_KEYS = ("id", "material_id", "entry_id", "task_id")
EXPECTED = "a pymatgen Structure.as_dict(), or a list of these"


def crystal_of_dict(entry: object) -> Crystal | Rejection:
    """The crystal of one `Structure.as_dict()`, alone or as `structure` beside an `id`; not checked yet."""
    name = ""
    symbols: Counter[str] = Counter()
    try:
        body = _body(entry)
        name = _name(entry, body)
        numbers, frac_coords = _sites(body["sites"], symbols)
        if not all(body["lattice"].get("pbc", ())):
            raise BadCrystal("the lattice is not periodic in all three directions: give a three-dimensional crystal")
        lattice = np.array(body["lattice"]["matrix"], dtype=np.float64).reshape(3, 3)
        return Crystal(lattice, np.array(numbers, dtype=np.int64), np.array(frac_coords), id=name)
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


def _sites(sites: list[Any], symbols: Counter[str]) -> tuple[list[int], list[list[float]]]:
    """Atomic numbers and fractional coordinates; the symbols are counted as they are met."""
    if not sites:
        raise BadCrystal("the list 'sites' is empty: give the atoms")
    numbers, frac_coords = [], []
    for number, site in enumerate(sites, 1):
        species = site["species"]
        for one in species:
            symbols[str(one["element"])] += one["occu"]
        elements = {str(one["element"]) for one in species}
        if len(elements) != 1 or abs(sum(one["occu"] for one in species) - 1) > OCCUPANCY_TOLERANCE:
            occupancies = ", ".join(f"{one['element']} {one['occu']:g}" for one in species)
            raise BadCrystal(f"site {number} is disordered ({occupancies or 'empty'}): {DISORDER_ADVICE}")
        symbol = elements.pop()
        if len(site["abc"]) != 3:
            raise BadCrystal(f"site {number} ({symbol}) does not have three coordinates: correct 'abc'")
        numbers.append(atomic_number(symbol, number))
        frac_coords.append([float(x) for x in site["abc"]])
    return numbers, frac_coords
