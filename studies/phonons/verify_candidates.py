"""The paper's showcase and our best candidates, verified: the results behind `docs/verified.md`.

    python -m studies.phonons.verify_candidates --data FOLDER --scan SCAN [--calculator sevennet-l3i5]

The showcase is BaSb2O6 (mp-9127) with pairs displaced up to 3 Å, 266 of them. The candidates are those of
`candidate_choice` in the scan of the pool that `studies.screening.lowest` makes with `accurate`. Resumable.
`python -m studies.pages verified` then writes the page, which shows the results of every potential.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer
from PIL import Image

from kappatune.progress import Event
from kappatune.structures import Crystal, Rejection
from kappatune.structures.table import crystal_of_row
from kappatune.verification import Verification, VerifierSpec, VerifySettings, iter_verifications
from kappatune.verification.events import ForcesProgress
from studies.figures import FIGURES
from studies.phonons.candidate_choice import candidates
from studies.phonons.verified_page import RESULT_PREFIX, SHOWCASE
from studies.research_data import PHONONDB_POOL, DataOption, research_folder
from studies.store import save_result

STANDARD = VerifySettings.of("standard", wigner=True, temperatures_k=(300.0, 600.0))
PLANS = (STANDARD.replace(pair_cutoff=3.0), STANDARD)
"""Of the showcase and of the candidates."""

LEFT_OUT = {"settings", "relaxed", "file", "cumulative"}
"""Fields that are not stored."""


def main(
    scan: Annotated[Path, typer.Option(help="Scan of the pool by `accurate`, with structures.")],
    data: DataOption = None,
    calculator: str = "nequix",
    work: Path = Path("runs/verify-candidates"),
    workers: int = 1,
) -> None:
    """Verify the paper's showcase and twenty candidates by phonons: hours."""
    pool = research_folder(data) / PHONONDB_POOL
    chosen = [crystal.id for crystal in candidates(scan)]
    rows: list[Verification] = []
    for ids, settings in zip(([SHOWCASE], chosen), PLANS, strict=True):
        spec = VerifierSpec(calculator, settings, work / Path(calculator).stem, figures=work / "figures")
        for row in iter_verifications(_crystals(pool, ids), spec, workers, _show):
            rows.append(row)
            store(calculator, rows)
            _copy_figure(work / "figures")


def _show(event: Event) -> None:
    if not isinstance(event, ForcesProgress) or event.done % 50 == 0:
        typer.echo(event)


def _crystals(pool: Path, ids: list[str]) -> Iterator[Crystal | Rejection]:
    found = {row["id"]: row for row in pq.read_table(pool, filters=[("id", "in", ids)]).to_pylist()}
    for id in ids:
        yield crystal_of_row(found[id], 2, pool)


def store(calculator: str, rows: list[Verification]) -> None:
    """Store the rows of a potential, the showcase first."""
    save_result(
        f"{RESULT_PREFIX}{Path(calculator).stem}",
        {
            "potential": rows[0].potential,
            "phono3py": version("phono3py"),
            "settings": rows[-1].settings,
            "rows": [row.model_dump(mode="json", exclude=LEFT_OUT) for row in rows],
        },
    )


def _copy_figure(drawn: Path) -> None:
    """Copy the showcase's figure, in few colours, to the docs."""
    for file in drawn.glob(f"{SHOWCASE}-nequix*.png"):
        Image.open(file).convert("RGB").quantize(64).save(FIGURES / "verified_showcase.png", optimize=True)


if __name__ == "__main__":
    typer.run(main)
