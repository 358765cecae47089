"""What phonons tell beside the mean conductivity: anisotropy, mean free paths, lifetimes, anharmonicity, remarks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kappatune.physics.polycrystal import effective_medium, principal_values
from kappatune.structures import Crystal
from kappatune.structures.crystal import neighbour_pairs
from kappatune.structures.remarks import Remark
from kappatune.verification.modes import Modes, value_at_half
from kappatune.verification.settings import VerifySettings

if TYPE_CHECKING:
    from ase import Atoms

    from kappatune.verification.phonons import PhononResult

COHERENT_SHARE = 0.1
"""Estimated share of the coherences in kappa above which they are worth `--wigner`."""

LARGE_DISPLACEMENT = 0.05
"""Root of the mean-square displacement over the shortest distance in the crystal above which an atom is loose: 0.03 in
silicon, 0.05 in sodium chloride, where four-phonon scattering counts at room temperature (Ravichandran and Broido,
Phys. Rev. B 98, 085205 (2018)). A rule of thumb."""

_NEAREST_WITHIN = 8.0
"""Å; no atom of a crystal is alone within it."""


def character_fields(phonons: PhononResult, settings: VerifySettings) -> dict[str, Any]:
    """The fields of a row beside kappa itself, all at 300 K.

    Args:
        phonons: Phonons and conductivity.
        settings: Its temperatures, and whether coherences are counted.
    """
    transport, modes = phonons.transport, phonons.transport.modes
    principal = principal_values(transport.kappa[settings.index_of_300_k()].tolist())
    paths, by_path = modes.by_mean_free_path
    lifetimes, by_lifetime = modes.cumulative(modes.lifetimes, modes.mean_populations, logarithmic=True)
    frequencies, by_frequency = modes.by_frequency
    return {
        "kappa_polycrystal_w_mk": effective_medium(principal),
        "anisotropy": float(principal[2] / principal[0]) if principal[0] > 0 else None,
        "mean_free_path_nm": value_at_half(paths, by_path),
        "lifetime_ps": value_at_half(lifetimes, by_lifetime),
        "gruneisen": modes.average(phonons.gruneisen),
        "gruneisen_rms": math.sqrt(modes.average(phonons.gruneisen**2)),
        "largest_displacement_a2": phonons.largest_displacement,
        "remarks": remarks_of(phonons, settings),
        "cumulative": {
            "mean_free_path_nm": paths.tolist(),
            "kappa_up_to_mean_free_path_w_mk": by_path.tolist(),
            "lifetime_ps": lifetimes.tolist(),
            "kappa_up_to_lifetime_w_mk": by_lifetime.tolist(),
            "frequency_thz": frequencies.tolist(),
            "kappa_up_to_frequency_w_mk": by_frequency.tolist(),
        },
    }


def remarks_of(phonons: PhononResult, settings: VerifySettings) -> tuple[str, ...]:
    """What kappa leaves out that may matter in this crystal."""
    modes, primitive = phonons.transport.modes, phonons.prepared.cell.primitive
    remarks = []
    share = estimated_coherences(modes)
    if not settings.wigner and share > COHERENT_SHARE:
        remarks.append(
            Remark.COHERENCES.sentence(
                f"many phonons live so briefly that heat also passes from band to band: these coherences would add "
                f"about {share:.0%}, and count only with --wigner"
            )
        )
    gap, top = acoustic_gap(modes)
    loose = math.sqrt(phonons.largest_displacement) / nearest_distance(primitive)
    if gap > top:
        remarks.append(
            Remark.FOUR_PHONONS.sentence(
                f"the optical modes lie {gap:.2g} THz above the acoustic ones, which end at {top:.2g} THz, so that "
                "three phonons can hardly scatter, and four, which are not counted, lower kappa by much"
            )
        )
    elif loose > LARGE_DISPLACEMENT:
        remarks.append(
            Remark.FOUR_PHONONS.sentence(
                f"an atom moves by {loose:.0%} of the shortest bond of the crystal at 300 K, and with such "
                "anharmonicity the scattering of four phonons and the shift of frequencies with temperature, which are "
                "not counted, change kappa by tens of per cent"
            )
        )
    return tuple(remarks)


def estimated_coherences(modes: Modes) -> float:
    """About the share that coherences would add to the populations' kappa.

    A phonon tunnels to other bands instead of flying on to the extent that it lives shorter than the inverse of the
    mean spacing of the bands (Simoncelli, Marzari and Mauri, Phys. Rev. X 12, 041011 (2022), section III).

    Args:
        modes: At 300 K.
    """
    spacing = 2 * np.pi * modes.frequencies.max() / modes.frequencies.shape[1]
    populations = modes.mean_populations
    alive = np.isfinite(modes.lifetimes)
    ratio = 1.0 / (spacing * modes.lifetimes[alive])
    return float((populations[alive] * ratio).sum() / populations[alive].sum())


def acoustic_gap(modes: Modes) -> tuple[float, float]:
    """Lowest optical minus highest acoustic frequency, and the latter, THz.

    If the first exceeds the second, no two acoustic phonons have the energy of an optical one, and kappa without
    four-phonon scattering is too high, as in boron arsenide (Feng, Lindsay and Ruan, Phys. Rev. B 96, 161201 (2017)).
    """
    frequencies = modes.frequencies
    top = float(frequencies[:, :3].max())
    return (float(frequencies[:, 3:].min()) - top if frequencies.shape[1] > 3 else 0.0), top


def nearest_distance(primitive: Atoms) -> float:
    """The shortest distance between two atoms, Å."""
    return float(neighbour_pairs(Crystal.from_ase(primitive), _NEAREST_WITHIN)[2].min())
