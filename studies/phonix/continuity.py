"""Is kappa of the shipped models continuous in the structure, and does it follow the volume as physics says?

    python -m studies.phonix.continuity --data FOLDER

Atoms of supercells move by a small distance in random directions; files keep three decimals; crystals of the DFT sets
expand and shrink. No label is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import torch
import typer
from ase.geometry import cell_to_cellpar, cellpar_to_cell
from numpy.typing import NDArray

from kappatune import KappaModel
from kappatune.structures import Crystal, read_table
from studies.phonix.labels import TABLES
from studies.research_data import DataOption, research_folder
from studies.shipped_models import MODELS
from studies.store import save_result

SEED = 20261126
SUPERCELL_ATOMS = range(40, 97)
N_SUPERCELLS = 10
MOVES_ANGSTROM = (0.02, 0.05)
N_DIRECTIONS = 5
DECIMALS = 3
SLOPE_STRAIN = 0.01
"""Half the difference of ln V over which slopes are taken."""

STEP_LN_V, LARGEST_LN_V = 0.001, 0.03
LARGEST_STEP = 0.02
"""A step of kappa above this, for 0.1 % of volume, counts as a step."""

N_FINE = 300
"""Crystals of each set of which every 0.1 % of volume is asked."""

_AT_ONCE = 256


def main(
    data: DataOption = None,
    n_fine: Annotated[int, typer.Option(help="Crystals of each set for the fine scan of volumes.")] = N_FINE,
) -> None:
    """Ask the shipped models about moved, rounded and strained crystals: a quarter of an hour."""
    torch.set_num_threads(1)
    folder = research_folder(data)
    sets = {name: [row.crystal for row in read_table(folder / file).rows] for name, file in TABLES.items()}
    everything = [crystal for crystals in sets.values() for crystal in crystals]
    models = {name: KappaModel.load(name) for name in MODELS}
    save_result(
        "continuity",
        {
            "seed": SEED,
            "weights_sha256": {name: model.card.weights_sha256 for name, model in models.items()},
            "models": {
                name: {
                    "moved": moved(model, everything),
                    "rounded": rounded(model, everything),
                    "volume": {of: followed(model, crystals, n_fine) for of, crystals in sets.items()},
                }
                for name, model in models.items()
            },
        },
    )


def ln_kappa(model: KappaModel, crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    """(n,) ln kappa by the default rung, NaN where the model gives none."""
    return np.log(_answers(model, crystals)["kappa_w_mk"])


def moved(model: KappaModel, crystals: Sequence[Crystal]) -> list[dict[str, Any]]:
    """Largest change of kappa of ten supercells, for each distance that all their atoms move."""
    draw = np.random.default_rng(SEED)
    found: list[dict[str, Any]] = []
    chosen = [supercell_of(crystals[k]) for k in draw.permutation(len(crystals))[: 20 * N_SUPERCELLS]]
    cells = [cell for cell in chosen if cell is not None][:N_SUPERCELLS]
    exact = ln_kappa(model, cells)
    for distance in MOVES_ANGSTROM:
        changes = []
        for cell, before in zip(cells, exact, strict=True):
            after = ln_kappa(model, [displaced(cell, distance, draw) for _ in range(N_DIRECTIONS)])
            changes.append(float(np.expm1(np.abs(after - before).max())))
        found.append(
            {
                "distance_angstrom": distance,
                "n_supercells": len(cells),
                "n_atoms": sorted(len(cell.numbers) for cell in cells),
                "median_change": float(np.median(changes)),
                "largest_change": max(changes),
            }
        )
    return found


def supercell_of(crystal: Crystal) -> Crystal | None:
    """Several cells with 40 to 96 atoms, their edges as equal as whole cells allow; None if no number of cells fits."""
    copies = np.ones(3, dtype=int)
    while len(crystal.numbers) * copies.prod() < SUPERCELL_ATOMS.start:
        copies[np.argmin(copies * np.linalg.norm(crystal.lattice, axis=1))] += 1
    if len(crystal.numbers) * copies.prod() not in SUPERCELL_ATOMS or copies.prod() == 1:
        return None
    shifts = np.array(list(np.ndindex(*copies)))
    coordinates = ((crystal.frac_coords[None] + shifts[:, None]) / copies).reshape(-1, 3)
    return Crystal(crystal.lattice * copies[:, None], np.tile(crystal.numbers, len(shifts)), coordinates, id=crystal.id)


def displaced(crystal: Crystal, distance: float, draw: np.random.Generator) -> Crystal:
    """The crystal with every atom moved by a distance in Å, each in a direction of its own."""
    direction = draw.normal(size=crystal.frac_coords.shape)
    direction *= distance / np.linalg.norm(direction, axis=1, keepdims=True)
    moved_coordinates = crystal.frac_coords + direction @ np.linalg.inv(crystal.lattice)
    return Crystal(crystal.lattice, crystal.numbers, moved_coordinates, id=crystal.id)


def rounded(model: KappaModel, crystals: Sequence[Crystal]) -> dict[str, Any]:
    """Change of kappa when cell lengths, angles and fractional coordinates have three decimals, as in many files."""
    draw = np.random.default_rng(SEED)
    chosen = [crystals[k] for k in draw.permutation(len(crystals))[:N_FINE]]
    change = np.expm1(np.abs(ln_kappa(model, [with_few_decimals(c) for c in chosen]) - ln_kappa(model, chosen)))
    change = change[np.isfinite(change)]
    return {
        "decimals": DECIMALS,
        "n": len(change),
        "within_5_percent": float((change <= 0.05).mean()),
        "largest_change": float(change.max()),
    }


def with_few_decimals(crystal: Crystal) -> Crystal:
    """The crystal as three decimals describe it."""
    lattice = np.array(cellpar_to_cell(cell_to_cellpar(crystal.lattice).round(DECIMALS)))
    return Crystal(lattice, crystal.numbers, crystal.frac_coords.round(DECIMALS), id=crystal.id)


def followed(model: KappaModel, crystals: Sequence[Crystal], n_fine: int) -> dict[str, Any]:
    """How kappa and the Debye temperature follow the volume of one set."""
    ends = [_answers(model, [strained(c, sign * SLOPE_STRAIN) for c in crystals]) for sign in (-1, 1)]
    slope, of_theta = (
        np.log(ends[1][key] / ends[0][key]) / (2 * SLOPE_STRAIN) for key in ("kappa_w_mk", "debye_temperature_k")
    )
    gruneisen = _answers(model, crystals)["gruneisen"]
    known = np.isfinite(slope)
    draw = np.random.default_rng(SEED)
    steps = [largest_step(model, crystals[k]) for k in draw.permutation(len(crystals))[:n_fine]]
    return {
        "n": int(known.sum()),
        "median_slope": float(np.median(slope[known])),
        "falling": float((slope[known] < 0).mean()),
        "median_gruneisen_difference": float(np.nanmedian(np.abs(-of_theta / gruneisen - 1))),
        "n_fine": len(steps),
        "without_step": float((np.array(steps) <= LARGEST_STEP).mean()),
        "largest_step": float(max(steps)),
    }


def strained(crystal: Crystal, ln_volume: float) -> Crystal:
    """The crystal with ln V changed by this much."""
    return Crystal(crystal.lattice * np.exp(ln_volume / 3), crystal.numbers, crystal.frac_coords, id=crystal.id)


def largest_step(model: KappaModel, crystal: Crystal) -> float:
    """Largest change of ln kappa for 0.1 % of volume, between -3 % and 3 %."""
    ln_volume = np.arange(-LARGEST_LN_V, LARGEST_LN_V + STEP_LN_V / 2, STEP_LN_V)
    return float(np.abs(np.diff(ln_kappa(model, [strained(crystal, x) for x in ln_volume]))).max())


def _answers(model: KappaModel, crystals: Sequence[Crystal]) -> Mapping[str, NDArray[np.float64]]:
    """(n,) values that the model predicts, NaN where it predicts nothing."""
    rows = [
        row for start in range(0, len(crystals), _AT_ONCE) for row in model.predict(crystals[start : start + _AT_ONCE])
    ]
    return {
        name: np.array([getattr(row, name) or np.nan for row in rows], dtype=float)
        for name in ("kappa_w_mk", "debye_temperature_k", "gruneisen")
    }


if __name__ == "__main__":
    typer.run(main)
