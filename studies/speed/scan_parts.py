"""A made-up scan of any size, in the layout of `kappatune screen`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ase.data import atomic_masses, chemical_symbols

from kappatune.screening.layout import MANIFEST
from kappatune.screening.rows import SCHEMA

ROWS_PER_PART = 256
DISTINCT_PARTS = 100
_ELEMENTS = np.array([z for z in range(1, 93) if z not in (2, 10, 18, 36, 43, 54, 61, 84, 85, 86, 87, 88, 89, 91)])


def write_scan(folder: Path, n_rows: int, seed: int = 0) -> Path:
    """Write a finished scan of `n_rows` made-up crystals; every hundredth row has no answer.

    Values are random, not predicted; they serve to time and test whatever reads a scan. After `DISTINCT_PARTS` parts
    the same values repeat under other names.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    made: list[pa.Table] = []
    for part, start in enumerate(range(0, n_rows, ROWS_PER_PART)):
        if part < DISTINCT_PARTS:
            rows = [_row(rng, k) for k in range(start, start + ROWS_PER_PART)]
            made.append(pa.Table.from_pylist(rows, schema=SCHEMA))
        ids = [f"crystal-{k}" for k in range(start, min(start + ROWS_PER_PART, n_rows))]
        table = made[part % DISTINCT_PARTS].slice(0, len(ids)).set_column(0, SCHEMA.field("id"), [ids])
        pq.write_table(table, folder / f"part-{part:06d}.parquet", compression="zstd")
    facts = {"model": "made-up", "fidelity": "dft", "created": "2026-01-01", "rows": n_rows}
    (folder / MANIFEST).write_text(json.dumps(facts), encoding="utf-8")
    return folder


def _row(rng: np.random.Generator, k: int) -> dict[str, object]:
    n_kinds = int(rng.integers(1, 4))
    kinds = rng.choice(_ELEMENTS, n_kinds, replace=False)
    numbers = np.repeat(kinds, rng.integers(1, 4, n_kinds))
    n = len(numbers)
    symbols = [chemical_symbols[z] for z in numbers]
    formula = "".join(f"{s}{c if c > 1 else ''}" for s, c in ((s, symbols.count(s)) for s in dict.fromkeys(symbols)))
    mass = float(atomic_masses[numbers].mean())
    kappa = float(np.exp(rng.normal(np.log(300 / mass), 1.0)))
    half = float(np.exp(abs(rng.normal(0.2, 0.2))))
    row: dict[str, object] = {"id": f"crystal-{k}", "file": "made-up.parquet", "formula": formula, "n_atoms": n}
    row |= {
        "anonymous_formula": "A",
        "elements": sorted({*symbols}),
        "mean_mass_u": mass,
        "volume_per_atom_a3": float(rng.uniform(8, 40)),
        "known_rungs": [],
        "nearest": [],
        "structure_hash": f"{k:016x}",
        "lattice": (np.eye(3) * 3.0 * n ** (1 / 3)).ravel().tolist(),
        "numbers": numbers.tolist(),
        "frac_coords": rng.random(3 * n).tolist(),
    }
    if k % 100 == 99:
        return row | {"reason": "made up to have no answer"}
    inside = bool(rng.random() < 0.8)
    return row | {
        "kappa_w_mk": kappa,
        "lower_w_mk": kappa / half,
        "upper_w_mk": kappa * half,
        "debye_temperature_k": float(rng.uniform(80, 900)),
        "gruneisen": float(rng.uniform(1, 3)),
        "members_w_mk": [kappa / half, kappa * half],
        "in_domain": inside,
        "reason": None if inside else "made up to be out of domain",
    }
