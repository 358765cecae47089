"""The paper's showcase and our best candidates, verified: the table in `docs/verified.md`.

    python -m studies.phonons.verify_candidates --data FOLDER [--calculator sevennet-l3i5] [--scan SCAN]

The showcase is BaSb2O6 (mp-9127) with pairs displaced up to 3 Å, 266 of them. The candidates are the ten lowest of
`accurate` among the crystals of at most twelve atoms in the scan of `studies.screening`. Resumable; the page
shows what is stored of every potential.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import duckdb
import pyarrow.parquet as pq
import typer
from PIL import Image

from kappatune.progress import Event
from kappatune.structures import Crystal, Rejection
from kappatune.structures.table import crystal_of_row
from kappatune.verification import Verification, VerifierSpec, VerifySettings, iter_verifications
from kappatune.verification.events import ForcesProgress
from studies.results import FOLDER, data_folder, store

DOCS = Path(__file__).parents[2] / "docs"
SHOWCASE = "mp-9127"
PAPER = "1.23 predicted, 7.1 computed (arXiv 2411.18259)"
FIGURE = "verified_showcase.png"
RESULT = "verify_candidates_"
N_CANDIDATES, MAX_ATOMS = 10, 12


def main(
    data: Annotated[Path | None, typer.Option(envvar="KAPPATUNE_DATA")] = None,
    calculator: str = "sevennet-l3i5",
    scan: Annotated[Path, typer.Option(help="Scan of the pool by `accurate`.")] = Path("runs/candidates-accurate"),
    work: Path = Path("runs/verify-candidates"),
    workers: int = 1,
) -> None:
    pool = data_folder(data) / "phonondb_pool.parquet"
    standard = {"wigner": True, "temperatures_k": (300.0, 600.0)}
    plans = [
        ([SHOWCASE], VerifySettings.of("standard", pair_cutoff=3.0, **standard)),
        (_candidates(scan), VerifySettings.of("standard", **standard)),
    ]
    rows: list[Verification] = []
    for ids, settings in plans:
        spec = VerifierSpec(calculator, settings, work / Path(calculator).stem, figures=work / "figures")
        for row in iter_verifications(_crystals(pool, ids), spec, workers, _show):
            rows.append(row)
            _store(calculator, rows)
            _keep_figure(work / "figures")


def _show(event: Event) -> None:
    if not isinstance(event, ForcesProgress) or event.done % 50 == 0:
        typer.echo(event)


def _candidates(scan: Path) -> list[str]:
    rows = duckdb.execute(
        f"SELECT id FROM '{scan}/part-*.parquet' WHERE kappa_w_mk IS NOT NULL AND n_atoms <= {MAX_ATOMS} "
        f"AND id <> '{SHOWCASE}' ORDER BY kappa_w_mk, id LIMIT {N_CANDIDATES}"
    ).fetchall()
    return [id for (id,) in rows]


def _crystals(pool: Path, ids: list[str]) -> Iterator[Crystal | Rejection]:
    found = {row["id"]: row for row in pq.read_table(pool, filters=[("id", "in", ids)]).to_pylist()}
    for id in ids:
        yield crystal_of_row(found[id], 2, pool)


def _store(calculator: str, rows: list[Verification]) -> None:
    kept = {"settings", "relaxed", "file"}
    store(
        f"{RESULT}{Path(calculator).stem}",
        {
            "potential": rows[0].potential,
            "phono3py": version("phono3py"),
            "settings": rows[-1].settings,
            "rows": [row.model_dump(mode="json", exclude=kept) for row in rows],
        },
    )
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob(f"{RESULT}*.json"))]
    results.sort(key=lambda result: "SevenNet" not in result["potential"])
    (DOCS / "verified.md").write_text(_page(results), encoding="utf-8")


def _keep_figure(drawn: Path) -> None:
    """The showcase's figure, in few colours, for the docs."""
    for file in drawn.glob(f"{SHOWCASE}-SevenNet*.png"):
        Image.open(file).convert("RGB").quantize(64).save(DOCS / "figures" / FIGURE, optimize=True)


def _page(results: list[dict[str, Any]]) -> str:
    lines = [
        "# Candidates, verified",
        "",
        f"Written by `python -m studies.phonons.verify_candidates` with kappatune {version('kappatune')} and phono3py "
        f"{results[0]['phono3py']}: quality standard, RTA with coherences, no Born charges. [What the columns "
        f"mean](verify.md). First stands {SHOWCASE}, BaSb2O6, the find of the paper, which says of it: {PAPER}. Below "
        f"it stand the {N_CANDIDATES} crystals of at most {MAX_ATOMS} atoms to which `accurate` gives the lowest κ in "
        "the [scan of the pool](candidates.md). κ in W/(m K) at 300 K; *likely* is where the potential places κ once "
        "its known bias is taken off.",
        "",
        f"![{SHOWCASE}](figures/{FIGURE})",
    ]
    for result in results:
        rows = [Verification.model_validate(row) for row in result["rows"]]
        n = Counter(row.verdict if row.outcome == "answered" else row.outcome for row in rows[1:])
        said = ", ".join(f"{count} {what}" for what, count in n.most_common())
        missing = N_CANDIDATES + 1 - len(rows)
        lines += [
            "",
            f"## {result['potential']}, {result['date']}",
            "",
            f"Of {len(rows) - 1} candidates: {said}." + (f" {missing} were not computed." if missing else ""),
            "",
            "| id | formula | predicted (interval) | AGL | phonons | likely | verdict | remark |",
            "|---|---|---|---|---|---|---|---|",
            *map(_line, rows),
        ]
    return "\n".join([*lines, ""])


def _line(row: Verification) -> str:
    interval = f" ({row.lower_w_mk:.2g} to {row.upper_w_mk:.2g})" if row.lower_w_mk and row.upper_w_mk else ""
    likely = f"{row.likely_lower_w_mk:.2g} to {row.likely_upper_w_mk:.2g}" if row.likely_lower_w_mk else "–"
    verdict = row.verdict if row.outcome == "answered" else row.outcome
    return (
        f"| {row.id} | {row.formula} | {_number(row.predicted_w_mk)}{interval} | {_number(row.agl_w_mk)} "
        f"| {_number(row.kappa_bte_w_mk)} | {likely} | {verdict} | {row.reason or '; '.join(row.warnings)} |"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


if __name__ == "__main__":
    typer.run(main)
