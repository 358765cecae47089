"""Compute conductivities with an interatomic potential, by the Debye-Grüneisen model AGL.

    python examples/agl_with_a_potential.py

The potential is ASE's effective medium theory, which knows a few metals and is fast; any other ASE calculator will do.
For other crystals leave it out: the default is CHGNet (`pip install '.[mlip]'` in a clone). Takes some seconds.
"""

from ase.build import bulk
from ase.calculators.emt import EMT

import kappatune


def main():
    """Three metals and a crystal that the potential does not know. The heat that electrons carry is not included."""
    settings = kappatune.AglSettings(temperatures_k=(300.0, 600.0))
    rows = kappatune.agl([bulk("Cu"), bulk("Ni"), bulk("Au"), bulk("Si")], EMT(), settings)
    columns = ["formula", "kappa_w_mk", "debye_temperature_k", "gruneisen", "bulk_modulus_gpa", "poisson_ratio"]
    print(rows.to_pandas()[columns].round(2).to_string())
    for row in rows:
        if row.reason:
            print(f"{row.formula} has no value: {row.reason}")

    copper = rows[0]
    for temperature, kappa in zip(copper.temperatures_k, copper.kappa_by_temperature_w_mk, strict=True):
        print(f"{copper.formula} at {temperature:.0f} K: {kappa:.1f} W/(m K)")


if __name__ == "__main__":
    main()
