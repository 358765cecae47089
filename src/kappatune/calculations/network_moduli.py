"""The Poisson ratio from the shipped networks for elastic moduli.

Debye temperatures depend steeply on the Poisson ratio, and universal potentials are far too soft in shear. Two networks
trained on elastic moduli from density functional theory predict the ratio better: MEGNet for log10 K and for
log10 G, Materials Project 2018.6.1 (Chen et al., Chem. Mater. 31, 3564 (2019)).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

import torch

from kappatune.errors import UserError
from kappatune.model.graphs import build_graphs
from kappatune.model.hosts import MEGNet, load_host
from kappatune.physics.elastic import poisson_ratio
from kappatune.structures import Crystal
from kappatune.structures.crystal import element_symbol

if TYPE_CHECKING:
    from ase import Atoms

MODULI = ("megnet-mp-2018.6.1-log10K", "megnet-mp-2018.6.1-log10G")
SOURCE = "MEGNet log10 K and log10 G (mp-2018.6.1)"


class UnknownModuli(UserError):
    """The networks cannot predict the elastic moduli of a crystal."""


def network_poisson_ratio(atoms: Atoms) -> float:
    """Poisson ratio from the networks' bulk and shear modulus.

    Args:
        atoms: Any periodic cell.

    Raises:
        UnknownModuli: The networks do not know an element, or an atom has no neighbour within their cutoff.
    """
    crystal = Crystal.from_ase(atoms)
    moduli = []
    for host in _hosts():
        unknown = sorted(set(crystal.numbers.tolist()) - host.supported_elements)
        if unknown:
            raise UnknownModuli(
                f"the networks for elastic moduli do not know {', '.join(map(element_symbol, unknown))}"
            )
        graphs = build_graphs([crystal], host.cutoff_angstrom)
        if graphs.n_isolated[0]:
            raise UnknownModuli(
                f"the networks for elastic moduli see {host.cutoff_angstrom:g} Å; an atom has no neighbour within that"
            )
        with torch.inference_mode():
            moduli.append(10.0 ** float(host.predict_property(graphs.batch())[0]))
    return poisson_ratio(*moduli)


@cache
def _hosts() -> tuple[MEGNet, ...]:
    return tuple(cast(MEGNet, load_host(name).eval()) for name in MODULI)
