"""The Poisson ratio of a relaxed crystal from the source that the settings name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kappatune.calculations.agl_settings import AglSettings
from kappatune.calculations.elasticity import ElasticConstants, elastic_constants
from kappatune.calculations.network_moduli import SOURCE, UnknownModuli, network_poisson_ratio
from kappatune.physics.elastic import BadElasticity
from kappatune.potentials import Potential

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class PoissonRatio:
    """A Poisson ratio and how it was found.

    Attributes:
        value: The ratio.
        source: Where it comes from.
        elastic: The potential's elastic constants, if they were computed and are those of a stable crystal.
        warnings: What is unusual.
    """

    value: float
    source: str
    elastic: ElasticConstants | None = None
    warnings: tuple[str, ...] = ()


def find_poisson_ratio(atoms: Atoms, potential: Potential, settings: AglSettings) -> PoissonRatio:
    """Find the Poisson ratio from the source in `settings.poisson`.

    Args:
        atoms: Relaxed cell.
        potential: The potential that relaxed it.
        settings: `poisson` and what the elastic constants need are used.

    Raises:
        BadElasticity: The crystal is mechanically unstable, and the ratio was to come from its elastic constants.
        EvaluationError: The potential fails or gives unphysical numbers.
        UnknownModuli: The networks were asked for and cannot predict the elastic moduli.
    """
    if not isinstance(settings.poisson, str):
        return PoissonRatio(settings.poisson, "given")
    if settings.poisson == "network":
        return PoissonRatio(network_poisson_ratio(atoms), SOURCE)
    if settings.poisson == "auto" and potential.soft_in_shear:
        return _for_soft_potential(atoms, potential, settings)
    elastic = _elastic_constants(atoms, potential, settings)
    return PoissonRatio(elastic.moduli.poisson_ratio, _source(potential), elastic)


def _for_soft_potential(atoms: Atoms, potential: Potential, settings: AglSettings) -> PoissonRatio:
    """From the networks; from the elastic constants if the networks cannot predict it."""
    elastic, warnings = None, []
    try:
        elastic = _elastic_constants(atoms, potential, settings)
    except BadElasticity as error:
        warnings.append(f"{potential.name} finds it {error}")
    try:
        return PoissonRatio(network_poisson_ratio(atoms), SOURCE, elastic, tuple(warnings))
    except UnknownModuli as error:
        if elastic is None:
            raise
        warnings.append(f"{error}: the Poisson ratio is that of a potential known to be too soft in shear")
        return PoissonRatio(elastic.moduli.poisson_ratio, _source(potential), elastic, tuple(warnings))


def _elastic_constants(atoms: Atoms, potential: Potential, settings: AglSettings) -> ElasticConstants:
    return elastic_constants(
        atoms, potential, strain=settings.strain, displacement=settings.displacement, symprec=settings.symprec
    )


def _source(potential: Potential) -> str:
    return f"elastic constants of {potential.name}"
