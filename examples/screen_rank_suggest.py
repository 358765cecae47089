"""Scan crystals, rank them, and ask which to compute next.

    python examples/screen_rank_suggest.py

The crystals are some of those that come with kappatune. The scan, a folder of Parquet files, and its report are written
to a temporary folder. Takes about half a minute on one core.
"""

import random
import tempfile
from pathlib import Path

import kappatune
from kappatune.screening import write_cifs
from kappatune.storage import SHIPPED_TABLES

N_CRYSTALS = 200


def main():
    """Scan, rank, suggest, report."""
    rows = kappatune.read_table(SHIPPED_TABLES["shipped:prototypes"]).rows
    sample = random.Random(1).sample(rows, N_CRYSTALS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        structures = folder / "structures"
        structures.mkdir()
        for row in sample:
            row.crystal.to_pymatgen().to(filename=str(structures / f"{row.crystal.id}.cif"))

        # Killed? The same call with resume=True continues. Databases of any size are read as a stream.
        scan = kappatune.screen(structures, folder / "scan", "fast", workers=1)
        print(scan)

        print("\nLowest conductivities, in the model's domain, each set of elements once if possible:")
        lowest = kappatune.rank(scan, n=5, in_domain_only=True, diverse=True)
        print(lowest.to_pandas()[["formula", "n_atoms", "kappa_w_mk", "lower_w_mk", "upper_w_mk"]])

        print("\nWorth computing next:")
        suggested = kappatune.suggest(scan, n=5, max_atoms=10)
        print(suggested.to_pandas()[["formula", "kappa_w_mk", "expected_improvement", "probability"]])

        write_cifs(suggested, folder / "to-compute")
        page = kappatune.report(scan)
        print(f"\nThe report, a page for the browser: {page.name}, {page.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
