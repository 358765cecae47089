"""The figures of a job as numbers, so that a page can draw them and show what the pointer is at."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Curve(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EnergyVolume(_Curve):
    """E(V) of AGL, per atom.

    Attributes:
        volume_a3: Volumes, Å^3.
        energy_ev: Energies by the potential, eV.
        fit_volume_a3: Volumes at which the fit is given, Å^3.
        fit_energy_ev: The equation of state that kappa is made of, eV.
        volume_300k_a3: Volume at 300 K, Å^3.
    """

    volume_a3: list[float]
    energy_ev: list[float]
    fit_volume_a3: list[float]
    fit_energy_ev: list[float]
    volume_300k_a3: float | None


class KappaCurve(_Curve):
    """Kappa against temperature.

    Attributes:
        name: `AGL` or `phonons`.
        temperature_k: K.
        kappa_w_mk: W/(m K).
        reliable_from_k: Lowest temperature at which the values of `AGL` mean something, K.
    """

    name: str
    temperature_k: list[float]
    kappa_w_mk: list[float]
    reliable_from_k: float | None = None


class DispersionCurves(_Curve):
    """Phonon frequencies along the path of the Bravais lattice.

    Attributes:
        distance: Along the path, 1/Å; where two in a row are equal the path may be broken.
        frequency_thz: By band, THz.
        labels: Names of the points where segments meet.
        label_distance: Their places, 1/Å.
    """

    distance: list[float]
    frequency_thz: list[list[float]]
    labels: list[str]
    label_distance: list[float]


class DensityOfStates(_Curve):
    """States per THz and primitive cell, by frequency, THz."""

    frequency_thz: list[float]
    states_per_thz: list[float]


class CumulativeKappa(_Curve):
    """Kappa at 300 K of the modes up to a frequency: THz and W/(m K)."""

    frequency_thz: list[float]
    kappa_w_mk: list[float]


class CumulativeByPath(_Curve):
    """Kappa at 300 K of the modes up to a mean free path: nm and W/(m K)."""

    mean_free_path_nm: list[float]
    kappa_w_mk: list[float]


class JobCurves(_Curve):
    """The figures of a job as numbers; null is a figure that its method does not have."""

    energy_volume: EnergyVolume | None = None
    kappa: list[KappaCurve] = []
    dispersion: DispersionCurves | None = None
    dos: DensityOfStates | None = None
    cumulative: CumulativeKappa | None = None
    cumulative_mean_free_path: CumulativeByPath | None = None
