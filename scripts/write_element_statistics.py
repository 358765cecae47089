"""Write the shipped host `element-statistics` from pymatgen's table of the elements.

    python scripts/write_element_statistics.py

Where an element lacks a property, it gets the median over the elements that have it.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version

import numpy as np
import torch
from pymatgen.core import Element

from kappatune.model.hosts.elements import ElementSettings, ElementStatistics
from kappatune.model.hosts.weights import SHIPPED, save_host

ELEMENTS = tuple(range(1, 95))
PROPERTIES = (
    "Z",
    "atomic_mass",
    "row",
    "group",
    "X",
    "atomic_radius",
    "atomic_radius_calculated",
    "van_der_waals_radius",
    "average_ionic_radius",
    "mendeleev_no",
    "ionization_energy",
    "electron_affinity",
    "melting_point",
    "boiling_point",
    "density_of_solid",
    "molar_volume",
    "bulk_modulus",
    "youngs_modulus",
    "rigidity_modulus",
    "poissons_ratio",
    "thermal_conductivity",
    "coefficient_of_linear_thermal_expansion",
)


def main() -> None:
    """Write the host file."""
    warnings.filterwarnings("ignore")
    values = np.array([[_value(Element.from_Z(z), name) for name in PROPERTIES] for z in ELEMENTS])
    filled = np.where(np.isfinite(values), values, np.nanmedian(values, axis=0))
    host = ElementStatistics(ElementSettings(elements=ELEMENTS, properties=PROPERTIES))
    host.table.copy_(torch.from_numpy((filled - filled.mean(axis=0)) / filled.std(axis=0)))
    save_host(
        host,
        SHIPPED / "element-statistics.safetensors",
        name="element-statistics",
        source=f"elemental properties of pymatgen {version('pymatgen')}, standardised over Z = 1 to 94",
        licence="MIT (pymatgen)",
    )


def _value(element: Element, name: str) -> float:
    try:
        return float(getattr(element, name))
    except (TypeError, ValueError, AttributeError):
        return np.nan


if __name__ == "__main__":
    main()
