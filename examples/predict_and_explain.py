"""Predict crystals, at one temperature and at several, and ask why a value is what it is.

    python examples/predict_and_explain.py

Takes some seconds.
"""

from __future__ import annotations

from ase.build import bulk
from pymatgen.core import Lattice, Structure

import kappatune


def main():
    """Predict three crystals with `fast`; the default model, `accurate`, takes a second longer to load."""
    rocksalt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.21), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystals = [rocksalt, bulk("Si", "diamond", a=5.43), bulk("NaCl", "rocksalt", a=5.64)]

    rows = kappatune.predict(crystals, model="fast")
    print(rows.to_pandas()[["formula", "kappa_w_mk", "lower_w_mk", "upper_w_mk", "in_domain"]].to_string())

    model = kappatune.KappaModel.load("fast")
    print(model)
    print(
        model.predict(rocksalt, temperature_k=[300, 600, 900]).to_pandas()[["temperature_k", "kappa_w_mk"]].to_string()
    )

    print("\nwhy MgO conducts better than a typical labelled crystal:")
    print(model.explain(rocksalt).to_pandas()[["name", "words", "factor"]].to_string())


if __name__ == "__main__":
    main()
