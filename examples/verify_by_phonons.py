"""Check a prediction against the conductivity from phonons, after asking what that costs.

    python examples/verify_by_phonons.py

The potential is ASE's effective medium theory, which knows copper and is fast. For other crystals leave it out: the
default is Nequix once its weights are fetched, and SevenNet-l3i5 until then. Needs phono3py (`pip install '.[phonons]'`
in a clone); takes about half a minute on one core.
"""

from ase.build import bulk
from ase.calculators.emt import EMT

import kappatune
from kappatune.verification import estimate_cost


def main():
    """Estimate the cost, run, and print the row. The heat that the electrons of copper carry is not part of it."""
    copper = kappatune.Crystal.from_ase(bulk("Cu", "fcc", 3.6), id="copper")
    print(estimate_cost(copper, EMT(), quality="quick")[0])

    rows = kappatune.verify(copper, EMT(), quality="quick", model="fast")
    # With a potential by name, out="runs/verify" stores every step: the same call continues after an interruption.

    row = rows[0]
    print(f"{row.formula} at 300 K, in W/(m K):")
    print(f"  predicted    {row.predicted_w_mk:.3g} ({row.lower_w_mk:.3g} to {row.upper_w_mk:.3g})")
    print(f"  AGL          {row.agl_w_mk:.3g}")
    print(f"  from phonons {row.kappa_bte_w_mk:.3g}, with {row.n_forces} force calculations")
    print(f"verdict: {row.verdict}; {row.because}")
    print(rows.to_pandas()[["id", "outcome", "mesh", "mesh_change", "lowest_frequency_thz"]])


if __name__ == "__main__":
    main()
