"""Fine-tune a shipped model on 50 values of your own.

    python examples/finetune_on_50_values.py

The values stand for yours: conductivities from AGL with an interatomic potential, of crystals that come with kappatune
and that the shipped models were not trained on. They are written as a CSV beside CIF files, as you would keep them.
Takes about half a minute on one core.
"""

import csv
import math
import random
import tempfile
from pathlib import Path
from statistics import mean

import kappatune
from kappatune.storage import SHIPPED_TABLES

N_OWN, N_TEST = 50, 100


def write_table(folder, rows):
    """Write `values.csv` with the columns `id`, `file` and `kappa` (W/(m K) at 300 K), and one CIF per row."""
    with (folder / "values.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "file", "kappa"])
        for row in rows:
            row.crystal.to_pymatgen().to(filename=str(folder / f"{row.crystal.id}.cif"))
            table.writerow([row.crystal.id, f"{row.crystal.id}.cif", row.kappa])


def typical_factor(model, rows):
    """Geometric mean of the factor between prediction and value."""
    predictions = model.predict([row.crystal for row in rows])
    return math.exp(mean(abs(math.log(p.kappa_w_mk / row.kappa)) for p, row in zip(predictions, rows, strict=True)))


def main():
    """Fine-tune, and compare the errors on other crystals before and after."""
    rows = kappatune.read_table(SHIPPED_TABLES["shipped:prototypes"]).rows
    random.Random(1).shuffle(rows)
    formulas = {row.crystal.formula for row in rows[:N_OWN]}
    test = [row for row in rows[N_OWN:] if row.crystal.formula not in formulas][:N_TEST]

    before = kappatune.KappaModel.load("fast")
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder), rows[:N_OWN])
        after = kappatune.train("finetune", Path(folder) / "values.csv", start="fast")

    print(f"{len(test)} crystals of other formulas, typical factor between prediction and value:")
    print(f"  before: {typical_factor(before, test):.2f}")
    print(f"  after:  {typical_factor(after, test):.2f}")
    # after.save("my-model") keeps it; `kappatune predict FILE --model my-model` uses it.


if __name__ == "__main__":
    main()
