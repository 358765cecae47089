"""Write the shipped host `bond-geometry` from tables of the elements.

    python scripts/write_bond_geometry.py

Covalent radii (Cordero et al., Dalton Trans. 2832, 2008) and masses are read from ASE's copy, electronegativities and
van der Waals radii from pymatgen. Where an element lacks a property, it gets the median over the elements that have it.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version

import numpy as np
import torch
from ase.data import atomic_masses, covalent_radii
from pymatgen.core import Element

from kappatune.model.hosts.bonds import BondGeometry, BondSettings
from kappatune.model.hosts.weights import SHIPPED, save_host

ELEMENTS = tuple(range(1, 95))


def main() -> None:
    """Write the host file."""
    warnings.filterwarnings("ignore")
    elements = [Element.from_Z(z) for z in ELEMENTS]
    values = np.array(
        [[covalent_radii[e.Z], e.van_der_waals_radius or np.nan, e.X, atomic_masses[e.Z]] for e in elements],
        dtype=float,
    )
    host = BondGeometry(BondSettings(elements=ELEMENTS))
    host.table.copy_(torch.from_numpy(np.where(np.isfinite(values), values, np.nanmedian(values, axis=0))))
    save_host(
        host,
        SHIPPED / "bond-geometry.safetensors",
        name="bond-geometry",
        source=(
            "covalent radii of Cordero et al., Dalton Trans. 2832 (2008); masses of IUPAC; electronegativities and van "
            f"der Waals radii of pymatgen {version('pymatgen')}"
        ),
        licence="MIT (pymatgen)",
    )


if __name__ == "__main__":
    main()
