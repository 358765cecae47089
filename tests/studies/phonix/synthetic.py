"""A synthetic set of DFT labels: rocksalts, zincblendes and half-Heuslers with invented values."""

from __future__ import annotations

import numpy as np
from ase.build import bulk

from kappatune.structures import Crystal
from kappatune.structures.table import LabelledCrystal
from studies.phonix.labels import HEUSLERS, DftLabels, labels_of

HALIDES = [f"{a}{b}" for a in ("Li", "Na", "K", "Rb") for b in ("F", "Cl", "Br", "I")]
OXIDES = [f"{a}O" for a in ("Mg", "Ca", "Sr", "Ba")]
ZINCBLENDES = [f"{a}{b}" for a in ("Zn", "Cd") for b in ("S", "Se", "Te")]


def row(formula: str, structure: str, kappa: float, id: str, **properties: float) -> LabelledCrystal:
    """A labelled crystal; space group and number of sites are those of the structure unless given."""
    crystal = Crystal.from_ase(bulk(formula, structure, a=5.6), id=id)
    number = {"rocksalt": 225.0, "zincblende": 216.0}[structure]
    return LabelledCrystal(
        crystal, kappa, "dft", "synthetic", {"spacegroup": number, "n_sites": float(crystal.n_atoms), **properties}
    )


def synthetic_labels(n_heuslers: int = 0) -> DftLabels:
    """Twenty rocksalts, six zincblendes, second values of some in the small sets, and some as measured "Heuslers"."""
    rng = np.random.default_rng(0)
    structure = dict.fromkeys(HALIDES + OXIDES, "rocksalt") | dict.fromkeys(ZINCBLENDES, "zincblende")
    kappa = {formula: float(10 ** rng.uniform(-0.5, 1.5)) for formula in structure}
    phonix = [row(f, s, kappa[f], f"mp-{k}") for k, (f, s) in enumerate(structure.items())]
    l96 = [row(f, structure[f], 2.0 * kappa[f], f"l-{f}", kappa_ksrme_pbe_nac=kappa[f]) for f in ("NaCl", "MgO", "ZnS")]
    hh143 = [row("KBr", "rocksalt", kappa["KBr"], "h-KBr")]
    textbook = [row("MgO", "rocksalt", 60.0, "MgO"), row("CaO", "rocksalt", 20.0, "CaO")]
    families = {
        "L96:l-NaCl": "rocksalt",
        "L96:l-MgO": "rocksalt",
        "L96:l-ZnS": "tetrahedral",
        "HH143:h-KBr": "rocksalt",
    }
    tables = {"Phonix": phonix, "L96": l96, "HH143": hh143, "textbook": textbook}
    heuslers = [row(f, structure[f], 0.6 * kappa[f], f"m-{f}") for f in list(structure)[:n_heuslers]]
    return labels_of(tables | ({HEUSLERS: heuslers} if heuslers else {}), families)
