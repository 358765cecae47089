"""Rows of the data set, by the schema of labelled tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from kappatune.data.prototypes.competition import PrototypeCrystal

_VECTOR = pa.list_(pa.float64())
_FLOATS = (
    "volume_per_atom",
    "kappa_w_mk_300k",
    "energy_per_atom_ev",
    "formation_energy_ev_per_atom",
    "energy_above_best_ev_per_atom",
    "debye_temperature_k",
    "gruneisen",
    "bulk_modulus_gpa",
    "poisson_ratio",
    "heat_capacity_v",
    "thermal_expansion_per_k",
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "formula", "prototype", "prototype_name", "fidelity", "source")),
        ("spacegroup", pa.int32()),
        ("n_sites", pa.int32()),
        ("n_competing", pa.int32()),
        ("lattice", pa.list_(_VECTOR)),
        ("species", pa.list_(pa.string())),
        ("frac_coords", pa.list_(_VECTOR)),
        *((name, pa.float64()) for name in _FLOATS),
    ]
)


def row_of(crystal: PrototypeCrystal, potential: str) -> dict[str, Any]:
    """The row of a crystal.

    Args:
        crystal: A crystal of the data set.
        potential: Name and version of the potential.
    """
    result, atoms = crystal.agl, crystal.relaxed.atoms
    n_atoms = len(atoms)
    return {
        "id": f"prototype:{result.id}",
        "formula": result.formula,
        "prototype": crystal.template.label,
        "prototype_name": crystal.template.title,
        "spacegroup": crystal.relaxed.space_group,
        "lattice": atoms.cell.array.tolist(),
        "species": atoms.get_chemical_symbols(),
        "frac_coords": atoms.get_scaled_positions().tolist(),
        "n_sites": n_atoms,
        "volume_per_atom": atoms.get_volume() / n_atoms,
        "kappa_w_mk_300k": result.kappa_w_mk,
        "fidelity": "agl",
        "source": f"kappatune AGL with {potential}",
        "energy_per_atom_ev": result.energy_per_atom_ev,
        "formation_energy_ev_per_atom": crystal.formation_energy_ev,
        "energy_above_best_ev_per_atom": crystal.above_best_ev,
        "n_competing": crystal.n_competing,
        "debye_temperature_k": result.debye_temperature_k,
        "gruneisen": result.gruneisen,
        "bulk_modulus_gpa": result.bulk_modulus_gpa,
        "poisson_ratio": result.poisson_ratio,
        "heat_capacity_v": result.heat_capacity_v,
        "thermal_expansion_per_k": result.thermal_expansion_per_k,
    }
