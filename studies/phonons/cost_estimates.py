"""Is the time that `verify` names beforehand the time that it takes?

    python -m studies.phonons.cost_estimates --nequix PATH/nequix-mp-1-pft.nqx [--forces runs/fewer-forces]

All times are processor times on one thread: on a busy machine only these are reproducible. The constants of
`kappatune.verification.phono3py_time` are fitted to one set of crystals, those of `fewer_forces`; forces that are found
in the folder of that study save time, and are not counted. The estimates are judged on others: crystals of our own data
set, one of each prototype that is no metal and no element, drawn with a seed, computed in an empty folder. Each crystal
is stored as it comes, and the same command goes on; at the end it prints constants and errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import TYPE_CHECKING, Annotated, Any
from unittest.mock import patch

import numpy as np
import pyarrow.dataset as ds
import typer

from kappatune.data.prototypes.templates import templates
from kappatune.potentials import Potential, load_potential
from kappatune.progress import Event
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import Crystal, Rejection
from kappatune.structures.table import crystal_of_row
from kappatune.verification import Verifier, VerifySettings, transport
from kappatune.verification.cost import Cost
from kappatune.verification.events import CostEstimated
from kappatune.verification.phono3py_time import Phono3pyWork
from kappatune.verification.prepare import PreparedCrystal, prepare
from kappatune.verification.settings import DEFAULT_TEMPERATURES_K, Quality
from kappatune.verification.spec import use_one_thread_for_phonons
from kappatune.verification.standard_cell import standardise
from studies.phonons.cost_fit import fitted_constants, summary
from studies.phonons.cost_record import Purpose, TimedVerification
from studies.phonons.fewer_forces import crystals
from studies.store import RESULTS, RecordFile, today

if TYPE_CHECKING:
    from ase import Atoms

COST_ESTIMATES = RESULTS / "cost_estimates.jsonl"
MOST_FORCES = 200
"""More of them than a crystal of this study may need: it would take too long."""

SEED = 0


def main(
    nequix: Annotated[str, typer.Option(help="Path of nequix-mp-1-pft.nqx, or `nequix` once it is downloaded.")],
    forces: Annotated[
        Path | None, typer.Option(help="Folder of `fewer_forces`; without it the constants stay as they are.")
    ] = None,
    quality: Quality = "quick",
    limit: Annotated[int, typer.Option(min=1, help="Most crystals on which the estimates are judged.")] = 20,
) -> None:
    """Compare estimated and taken time: a minute per crystal."""
    use_one_thread_for_phonons()
    records, potential = RecordFile(COST_ESTIMATES), load_potential(nequix)
    warm_up(potential)
    chosen: Iterator[tuple[Purpose, Crystal]] = chain(
        (("constants", crystal) for crystal in constant_crystals(forces)),
        (("judged", crystal) for crystal in islice(judged_crystals(quality), limit)),
    )
    for purpose, crystal in chosen:
        if any(record.name == f"{purpose} {crystal.id} {quality}" for record in records.read(TimedVerification)):
            continue
        with TemporaryDirectory() as empty:
            folder = forces if forces and purpose == "constants" else Path(empty)
            record = timed(purpose, crystal, quality, potential, folder)
        records.add(record)
        typer.echo(record.model_dump_json())
    typer.echo(fitted_constants(records.read(TimedVerification)))
    typer.echo(summary(records.read(TimedVerification)))


def constant_crystals(forces: Path | None) -> list[Crystal]:
    """Crystals that the constants are fitted to: those of `fewer_forces` that are computed."""
    if forces is None:
        return []
    return [
        Crystal.from_ase(atoms, id=name) for name, (_, atoms) in crystals().items() if any(forces.glob(f"{name}-*"))
    ]


def judged_crystals(quality: Quality) -> Iterator[Crystal]:
    """Crystals on which the estimates are judged, in the order in which they were drawn."""
    kinds = {template.label for template in templates() if "ionic" in template.bondings}
    path = SHIPPED_TABLES["shipped:prototypes"]
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for row in ds.dataset(path, format="parquet").to_table().to_pylist():
        if row["prototype"] in kinds and len(set(row["species"])) > 1:
            by_kind.setdefault(row["prototype"], []).append(row)
    draw, labels = np.random.default_rng(SEED), sorted(by_kind)
    known = set(crystals())
    drawn = [by_kind[labels[k]][draw.integers(len(by_kind[labels[k]]))] for k in draw.permutation(len(labels))]
    settings = settings_of(quality)
    for row in drawn:
        crystal = crystal_of_row(row, 2, path)
        if isinstance(crystal, Rejection) or row["formula"] in known:
            continue
        if prepare(standardise(crystal, settings.symprec), settings).n_forces <= MOST_FORCES:
            yield crystal


def settings_of(quality: Quality) -> VerifySettings:
    """Those of the command line."""
    return VerifySettings.of(quality, temperatures_k=DEFAULT_TEMPERATURES_K)


def warm_up(potential: Potential) -> None:
    """The first evaluation in a process takes longer than the others."""
    atoms, (other, *_) = crystals()["Si"][1], [atoms for _, atoms in crystals().values()][1:]
    for cell in (atoms, other, atoms.repeat(3)):
        potential.evaluate([cell])


def seconds_per_primitive_cell(primitive: Atoms, potential: Potential) -> float:
    """Time of one evaluation, the mean of five."""
    start = process_time()
    for _ in range(5):
        potential.evaluate([primitive])
    return (process_time() - start) / 5


def seconds_of_forces(prepared: PreparedCrystal, cost: Cost) -> float:
    """What the estimate counts for the force calculations."""
    n_single = len(prepared.single_cells)
    in_large_cells = (prepared.n_forces - n_single) * cost.n_atoms + n_single * cost.n_harmonic_atoms
    return cost.seconds_per_force * in_large_cells / cost.n_atoms


def timed(
    purpose: Purpose, crystal: Crystal, quality: Quality, potential: Potential, folder: Path
) -> TimedVerification:
    """Verify a crystal by the clock of the processor."""
    settings = settings_of(quality)
    prepared = prepare(standardise(crystal, settings.symprec), settings)
    work = Phono3pyWork.of(prepared, settings)
    estimates: list[CostEstimated] = []

    def note(event: Event) -> None:
        if isinstance(event, CostEstimated):
            estimates.append(event)

    with processor_clock() as meshes:
        start = process_time()
        row = Verifier(potential, settings, folder).verify(crystal, note)
        total = process_time() - start
    (estimate,) = estimates
    return TimedVerification(
        purpose=purpose,
        crystal=crystal.id,
        space_group=prepared.cell.space_group,
        quality=quality,
        outcome=row.outcome,
        work=work,
        n_forces=prepared.n_forces,
        n_found=estimate.n_on_disk,
        primitive_s=seconds_per_primitive_cell(prepared.cell.primitive, potential),
        estimated_forces_s=None if purpose == "constants" else seconds_of_forces(prepared, estimate.cost),
        taken_s={**row.seconds, "total": total},
        meshes=meshes,
        potential=str(potential),
        date=today(),
    )


@contextmanager
def processor_clock() -> Iterator[list[tuple[int, float]]]:
    """Times are those of the processor; collects points and time of each mesh."""
    meshes: list[tuple[int, float]] = []
    run = transport.run_transport

    def timed_run(*arguments: Any, **named: Any) -> transport.Transport:
        start = process_time()
        found = run(*arguments, **named)
        meshes.append((int(np.prod(found.mesh)), process_time() - start))
        return found

    with (
        patch("kappatune.verification.clock.perf_counter", process_time),
        patch("kappatune.verification.cost.perf_counter", process_time),
        patch("kappatune.verification.transport.run_transport", timed_run),
    ):
        yield meshes


if __name__ == "__main__":
    typer.run(main)
