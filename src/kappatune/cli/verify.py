"""`kappatune verify`: phonon Boltzmann transport for the candidates, and the verdict."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from kappatune.cli.output import EXIT_SOME_WITHOUT_ANSWER, Form, answer_stream, chosen_form, plain_errors, tell

if TYPE_CHECKING:
    from kappatune.structures import Crystal, Rejection
    from kappatune.verification import Verification, VerifierSpec


class QualityName(StrEnum):
    """How much care is taken."""

    QUICK = "quick"
    STANDARD = "standard"
    CONVERGED = "converged"


def verify(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="CIF, POSCAR/CONTCAR, extxyz, pymatgen JSON, tables (.parquet, .jsonl, .csv), folders or 'globs'.",
        ),
    ],
    calculator: Annotated[
        str,
        typer.Option(
            help="`sevennet` (SevenNet-0), `sevennet-l3i5`, `chgnet`, `mace`, `nequix`, Nequix weights by path, or "
            "PATH:FACTORY, where FACTORY() of a module or of a .py file returns an ASE calculator."
        ),
    ] = "sevennet",
    temperatures: Annotated[
        str, typer.Option(metavar="T,T,...", help="Temperatures of kappa(T), K; 300 is always among them.")
    ] = "200,300,400,600,800,1000",
    quality: Annotated[QualityName, typer.Option(help="How much care is taken.")] = QualityName.STANDARD,
    pair_cutoff: Annotated[
        float | None, typer.Option(help="Largest distance of a displaced pair, Å. [default: from the crystal]")
    ] = None,
    direct: Annotated[
        bool, typer.Option("--direct", help="Solve the Boltzmann equation directly, not in the RTA.")
    ] = False,
    wigner: Annotated[bool, typer.Option("--wigner", help="Add the coherences between bands.")] = False,
    born: Annotated[
        Path | None,
        typer.Option(help="Born charges in phonopy's format, for one crystal. [default: NAME.born beside each file]"),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Whose prediction is judged: `accurate`, `fast`, or a folder.")
    ] = "accurate",
    out: Annotated[
        Path, typer.Option(help="Folder where every step is kept: the same command goes on after a kill.")
    ] = Path("runs/verify"),
    plot: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write a PNG per crystal.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Parquet table for `train` to which the values are added, fidelity `mlip`.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with a crystal of its own.")] = 1,
    estimate: Annotated[bool, typer.Option("--estimate", help="Say what each crystal would cost, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object per crystal.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line per crystal, without kappa(T).")] = False,
) -> None:
    """Compute kappa from phonons with an interatomic potential, and judge the prediction by it.

    The crystal is standardised, relaxed, and its atoms are displaced; phono3py makes force constants of the forces
    and solves the phonon Boltzmann equation. Every crystal gets one row, in order, with prediction, AGL value,
    phonon value and verdict. One without a phonon value (imaginary modes, an unknown element, ...) has no number
    but a named outcome and a reason, and the rest goes on.

    Exit code: 0 all answered, 3 finished but some rows have no answer, 1 could not run, 2 usage.

    Examples:
        kappatune verify mgo.cif --quality quick --plot figures

        kappatune verify candidates/ --workers 4 --json > verdicts.json

        kappatune verify winners/ --calculator sevennet-l3i5 --wigner --labels mine.parquet
    """
    form = chosen_form(as_json, as_csv)
    grid = _temperatures(temperatures)
    with answer_stream() as answer, plain_errors():
        from kappatune.structures import Crystal, read_crystals
        from kappatune.verification import VerifierSpec, VerifySettings, iter_verifications
        from kappatune.verification.display import crystals_on_stderr
        from kappatune.verification.table import add_labels, check_labels

        settings = VerifySettings.of(
            quality.value,
            temperatures_k=grid,
            pair_cutoff=pair_cutoff,
            solution="direct" if direct else "rta",
            wigner=wigner,
        )
        spec = VerifierSpec(calculator, settings, out, model, born, plot)
        entries = read_crystals(files)
        if born:
            entries = iter(_one_crystal(entries))
        if estimate:
            _write_estimates(entries, spec, form, answer)
            return
        if labels:
            check_labels(labels)
        counts = [0, 0]
        given: list[Crystal | Rejection] = []

        def noted() -> Iterator[Crystal | Rejection]:
            for entry in entries:
                given.append(entry)
                yield entry

        def rows() -> Iterator[Verification]:
            with crystals_on_stderr() as on_progress:
                for row in iter_verifications(noted(), spec, workers, on_progress):
                    entry = given.pop(0)
                    counts[0] += 1
                    counts[1] += row.kappa_bte_w_mk is None
                    if labels and isinstance(entry, Crystal):
                        add_labels(labels, [(entry, row)])
                    yield row

        {Form.TABLE: _write_table, Form.JSON: _write_json, Form.CSV: _write_csv}[form](rows(), answer)
    if counts[1]:
        tell(f"{counts[1]} of {counts[0]} crystals have no answer; 'outcome' and 'reason' say why")
        raise typer.Exit(EXIT_SOME_WITHOUT_ANSWER)


def _temperatures(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' are no temperatures: give a list in K, as 300,600") from error


def _one_crystal(entries: Iterable[Crystal | Rejection]) -> list[Crystal | Rejection]:
    found = list(entries)
    if len(found) != 1:
        raise typer.BadParameter(
            f"--born is for one crystal, not for {len(found)}: lay a file NAME.born beside each structure file instead"
        )
    return found


def _write_estimates(entries: Iterable[Crystal | Rejection], spec: VerifierSpec, form: Form, answer: TextIO) -> None:
    from dataclasses import asdict

    from kappatune.potentials.base import load_potential
    from kappatune.verification.estimate import estimates, format_duration

    rows = []
    for entry, said in estimates(entries, load_potential(spec.calculator), spec.settings):
        tell(f"{entry.id}: {said}")
        rows.append({"id": entry.id, **({"reason": said} if isinstance(said, str) else asdict(said))})
    if form is Form.JSON:
        answer.write(json.dumps(rows, indent=1) + "\n")
    elif form is Form.CSV:
        writer = csv.DictWriter(answer, dict.fromkeys(name for row in rows for name in row), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        total = sum(row.get("seconds", 0.0) for row in rows)
        answer.write(f"{len(rows)} crystals, about {format_duration(total)} in one process\n")


def _write_json(rows: Iterable[Verification], answer: TextIO) -> None:
    answer.write("[")
    for index, row in enumerate(rows):
        answer.write(("," if index else "") + "\n " + row.model_dump_json())
        answer.flush()
    answer.write("\n]\n")


def _write_csv(rows: Iterable[Verification], answer: TextIO) -> None:
    from kappatune.verification.row import NESTED_FIELDS, Verification

    writer = csv.writer(answer, lineterminator="\n")
    writer.writerow(name for name in Verification.model_fields if name not in NESTED_FIELDS)
    for row in rows:
        values = row.model_dump(exclude=set(NESTED_FIELDS)) | {"warnings": "; ".join(row.warnings)}
        writer.writerow("" if value is None else value for value in values.values())
        answer.flush()


def _write_table(rows: Iterable[Verification], answer: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("crystal", overflow="fold")
    table.add_column("formula")
    for name in ("predicted", "AGL", "phonons", "likely"):
        table.add_column(f"{name},\nW/(m K)", justify="right")
    table.add_column("verdict", overflow="fold")
    table.add_column("remark", overflow="fold", ratio=1)
    for row in rows:
        table.add_row(
            Text(row.id),
            Text(row.formula or ""),
            _number(row.predicted_w_mk) + (f"\n{_range(row.lower_w_mk, row.upper_w_mk)}" if row.lower_w_mk else ""),
            _number(row.agl_w_mk),
            _number(row.kappa_bte_w_mk),
            _range(row.likely_lower_w_mk, row.likely_upper_w_mk),
            row.verdict if row.outcome == "answered" else row.outcome,
            Text("; ".join(filter(None, (row.reason or row.because, *row.warnings)))),
        )
    console = Console(file=answer, width=None if answer.isatty() else 140)
    console.print(table)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _range(lower: float | None, upper: float | None) -> str:
    return "–" if lower is None or upper is None else f"{lower:.3g} to {upper:.3g}"
