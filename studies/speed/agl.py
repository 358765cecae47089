"""Time that AGL takes: textbook crystals with CHGNet, one worker and two.

    python -m studies.speed.agl [--repeats 3]

Needs an idle machine and the extra `mlip`, no data. Times are wall times; start-up is the time until the first row, of
an input that needs no calculation.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import typer

from kappatune.agl_workflow import AglResult, AglSettings, iter_agl
from kappatune.agl_workflow.batch import agl_or_reason
from kappatune.calculations.agl import energy_curve
from kappatune.calculations.relaxation import relax_crystal
from kappatune.demo import textbook_table
from kappatune.potentials import load_potential
from kappatune.processes import use_one_thread
from kappatune.structures import Crystal, Rejection
from studies.store import save_result

SETTINGS = AglSettings()


def main(repeats: int = 3) -> None:
    """Time AGL on textbook crystals with CHGNet: ten minutes."""
    use_one_thread()
    crystals = [row.crystal for part in ("shown", "learned") for row in textbook_table(part).rows]
    crystals = [crystal for crystal in crystals if crystal.n_atoms <= 12]
    potential = load_potential("chgnet")
    agl_or_reason(crystals[0], potential, SETTINGS)  # the first pass warms the libraries
    rows = [agl_or_reason(crystal, potential, SETTINGS) for crystal in crystals]
    curves = []
    for crystal in crystals:
        relaxed = relax_crystal(
            crystal, potential, fmax=SETTINGS.fmax, max_steps=SETTINGS.max_steps, symprec=SETTINGS.symprec
        ).atoms
        start = perf_counter()
        energy_curve(relaxed, potential, SETTINGS)
        curves.append(perf_counter() - start)
    runs = [{n: _seconds(crystals, n) for n in (1, 2)} for _ in range(repeats)]
    save_result(
        "agl_speed",
        {
            "potential": str(potential),
            "n_crystals": len(crystals),
            "median_seconds_ions_fixed": _median(rows, ions_fixed=True),
            "median_seconds_ions_free": _median(rows, ions_fixed=False),
            "median_seconds_curve": median(curves),
            "seconds_one_worker": median(run[1][1] for run in runs),
            "seconds_two_workers": median(run[2][1] for run in runs),
            "start_up_seconds_two_workers": median(run[2][0] for run in runs),
            "ratio": median(run[1][1] / run[2][1] for run in runs),
            "ratio_with_start_up": median(sum(run[1]) / sum(run[2]) for run in runs),
        },
    )


def _seconds(crystals: list[Crystal], workers: int) -> tuple[float, float]:
    """Start-up time and the rest, s."""
    start = perf_counter()
    rows = iter_agl([Rejection("nothing", "to see when work begins"), *crystals], "chgnet", SETTINGS, workers)
    next(rows)
    begun = perf_counter()
    for _ in rows:
        pass
    return begun - start, perf_counter() - begun


def _median(rows: list[AglResult], *, ions_fixed: bool) -> float:
    return median(row.seconds for row in rows if row.seconds and row.ions_fixed == ions_fixed)


if __name__ == "__main__":
    typer.run(main)
