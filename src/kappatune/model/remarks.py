"""Remarks on predictions: what kappa of a crystal does not say, though the number stands."""

from __future__ import annotations

from functools import cache

from kappatune.model.prediction import TRAINING_TEMPERATURE_K, Prediction
from kappatune.physics.amorphous_limit import amorphous_limit, classical_limit
from kappatune.structures import Crystal
from kappatune.structures.crystal import element_symbol
from kappatune.structures.remarks import Remark

NEAR_LIMIT = 2.0
"""Multiple of the amorphous limit below which kappa is near it: about half of the heat may diffuse there."""

_MEAN = "so kappa differs between directions, and its mean over xx, yy and zz is not what a polycrystal shows"
_BY_DIMENSION = {
    0: Remark.MOLECULAR.sentence(
        "no bonds run through the crystal, so weak forces between molecules decide kappa, and hardly any labelled "
        "crystal is of this kind"
    ),
    1: Remark.CHAINS.sentence(f"the bonds run along one direction, {_MEAN}"),
    2: Remark.LAYERED.sentence(f"the bonds run along layers, {_MEAN}"),
}
_METALLIC = Remark.METALLIC.sentence(
    "unless this is a semiconductor, electrons carry most of the heat, and kappa is the part of the lattice alone"
)


def remarks_on(crystal: Crystal, row: Prediction, dimension: int) -> tuple[str, ...]:
    """All remarks on a prediction, those of reading first.

    Args:
        crystal: The crystal.
        row: Its prediction.
        dimension: Directions along which its bonds run (`structures.dimensionality`).
    """
    return remarks_on_crystal(crystal, dimension) + _glass_like(row, crystal.volume / crystal.n_atoms)


def remarks_on_crystal(crystal: Crystal, dimension: int) -> tuple[str, ...]:
    """The remarks that hold for any kappa of a crystal, those of reading first.

    Args:
        crystal: The crystal.
        dimension: Directions along which its bonds run (`structures.dimensionality`).
    """
    remarks = crystal.remarks
    if all(_is_metal(number) for number in {*crystal.numbers.tolist()}):
        remarks += (_METALLIC,)
    if dimension < 3:
        remarks += (_BY_DIMENSION[dimension],)
    return remarks


def remarks_at_temperature(row: Prediction, volume_per_atom_a3: float) -> tuple[str, ...]:
    """The remarks on a row whose temperature and kappa have changed.

    Args:
        row: With its remarks at another temperature.
        volume_per_atom_a3: Of the crystal, Å^3.
    """
    others = tuple(remark for remark in row.remarks if not remark.startswith(Remark.GLASS_LIKE))
    return others + _glass_like(row, volume_per_atom_a3)


def _glass_like(row: Prediction, volume_per_atom_a3: float) -> tuple[str, ...]:
    """The remark that kappa is near or below the amorphous limit, if it is."""
    kappa, theta, temperature = row.kappa_w_mk, row.debye_temperature_k, row.temperature_k
    if kappa is None or theta is None or kappa > NEAR_LIMIT * classical_limit(theta, volume_per_atom_a3):
        return ()
    limit = amorphous_limit(theta, volume_per_atom_a3, temperature)
    if kappa > NEAR_LIMIT * limit:
        return ()
    where = "below" if kappa < limit else "near"
    higher = ", and is likely higher than this" if temperature > TRAINING_TEMPERATURE_K else ""
    return (
        Remark.GLASS_LIKE.sentence(
            f"kappa is {where} the amorphous limit, {limit:.2g} W/(m K) at {temperature:g} K, so much of the heat "
            f"diffuses as in a glass, and kappa falls less than as 1/T{higher}"
        ),
    )


@cache
def _is_metal(number: int) -> bool:
    from pymatgen.core import Element

    return bool(Element(element_symbol(number)).is_metal)
