"""From the results of AGL and of a verification to the numbers of their figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kappatune.calculations.agl_result import AglResult
from kappatune.calculations.agl_settings import AglSettings
from kappatune.jobs.curves import (
    CumulativeByPath,
    CumulativeKappa,
    DensityOfStates,
    DispersionCurves,
    EnergyVolume,
    JobCurves,
    KappaCurve,
)
from kappatune.physics.equation_of_state import BadCurve, Fit, fit_equation_of_state
from kappatune.verification.plot import Curves
from kappatune.verification.row import Verification

MOST_POINTS = 400
"""Points of a curve that counts phonon modes, of which there may be a hundred thousand."""

_FIT_POINTS = 120


def curves_of_agl(result: AglResult, fit: Fit) -> JobCurves:
    """The figures of AGL.

    Args:
        result: With or without a kappa.
        fit: The equation of state it was made with.
    """
    if result.kappa_w_mk is None:
        return JobCurves()
    kappa = KappaCurve(
        name="AGL",
        temperature_k=list(result.temperatures_k),
        kappa_w_mk=list(result.kappa_by_temperature_w_mk),
        reliable_from_k=result.lowest_reliable_k,
    )
    return JobCurves(energy_volume=_energy_volume(result, fit), kappa=[kappa])


def _energy_volume(result: AglResult, fit: Fit) -> EnergyVolume | None:
    n = result.n_atoms or 1
    volumes, energies = np.array(result.curve_volumes_a3), np.array(result.curve_energies_ev)
    try:
        used = fit_equation_of_state(volumes, energies, fit)
    except BadCurve:
        return None
    fine = np.linspace(volumes[0], volumes[-1], _FIT_POINTS)
    return EnergyVolume(
        volume_a3=_numbers(volumes / n),
        energy_ev=_numbers(energies / n),
        fit_volume_a3=_numbers(fine / n),
        fit_energy_ev=_numbers(used.derivatives(fine)[0] / n),
        volume_300k_a3=result.volume_a3 / n if result.volume_a3 else None,
    )


def curves_of_verification(row: Verification, curves: Curves | None, agl: AglResult | None) -> JobCurves:
    """The figures of a verification.

    Args:
        row: With or without a kappa.
        curves: Of the same crystal; None without a kappa.
        agl: AGL of the same relaxed crystal with the same potential.
    """
    if row.kappa_bte_w_mk is None or curves is None:
        return JobCurves()
    shown = _few(len(curves.cumulative))
    flying = np.flatnonzero(curves.mean_free_paths > 0)
    paths = flying[_few(len(flying))]
    phonons = KappaCurve(
        name="phonons", temperature_k=list(row.temperatures_k), kappa_w_mk=list(row.kappa_by_temperature_w_mk)
    )
    beside = JobCurves() if agl is None else curves_of_agl(agl, AglSettings().fit)
    return JobCurves(
        energy_volume=beside.energy_volume,
        kappa=[phonons, *beside.kappa],
        dispersion=DispersionCurves(
            distance=_numbers(curves.distance),
            frequency_thz=[_numbers(band) for band in curves.frequencies.T],
            labels=[str(label) for label in curves.labels],
            label_distance=_numbers(curves.label_distances),
        ),
        dos=DensityOfStates(frequency_thz=_numbers(curves.dos_frequencies), states_per_thz=_numbers(curves.dos)),
        cumulative=CumulativeKappa(
            frequency_thz=_numbers(curves.mode_frequencies[shown]), kappa_w_mk=_numbers(curves.cumulative[shown])
        ),
        cumulative_mean_free_path=CumulativeByPath(
            mean_free_path_nm=_numbers(curves.mean_free_paths[paths]),
            kappa_w_mk=_numbers(curves.cumulative_by_path[paths]),
        ),
    )


def _few(n: int) -> NDArray[np.int64]:
    """At most `MOST_POINTS` of n positions, evenly spaced, first and last included."""
    return np.unique(np.linspace(0, n - 1, min(MOST_POINTS, n)).round().astype(np.int64))


def _numbers(values: NDArray[np.float64]) -> list[float]:
    """Seven digits of each number, which is more than a figure shows."""
    return [float(f"{value:.7g}") for value in values.tolist()]
