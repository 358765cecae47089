"""`kappatune verify`: phonon Boltzmann transport for the candidates, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from kappatune.cli.options import (
    AsCsvWithoutCurves,
    AsJson,
    Files,
    PotentialOption,
    bad_settings_as_usage,
    check_files,
    read_files,
)
from kappatune.cli.output import answer_only_stdout, chosen_format, errors_as_messages, exit_if_unanswered, note
from kappatune.cli.ray_option import RayOption
from kappatune.cli.remarks import RemarkNotes, kinds
from kappatune.cli.temperatures import TEMPERATURES_HELP, TEMPERATURES_METAVAR, parse_temperatures
from kappatune.cli.writers import Column, Layout, OutputFormat, interval, number, write_rows

if TYPE_CHECKING:
    from kappatune.structures import Crystal, Rejection
    from kappatune.verification import Verification, VerifierSpec


class QualityName(StrEnum):
    """Accuracy; a higher one takes longer."""

    QUICK = "quick"
    STANDARD = "standard"
    CONVERGED = "converged"


def verify(
    files: Files,
    calculator: PotentialOption = "best",
    temperatures: Annotated[
        str,
        typer.Option(
            metavar=TEMPERATURES_METAVAR,
            help=f"Temperatures of kappa(T), K: {TEMPERATURES_HELP}; 300 is always among them.",
        ),
    ] = "200,300,400,600,800,1000",
    quality: Annotated[QualityName, typer.Option(help="Accuracy; a higher one takes longer.")] = QualityName.STANDARD,
    pair_cutoff: Annotated[
        float | None, typer.Option(min=1.5, help="Largest distance of a displaced pair, Å. [default: from the crystal]")
    ] = None,
    fewer_forces: Annotated[
        bool,
        typer.Option(
            "--fewer-forces",
            help="Displace all atoms at random, not pairs, where that takes at most half as many force calculations.",
        ),
    ] = False,
    direct: Annotated[
        bool,
        typer.Option(
            "--direct", help="Solve the Boltzmann equation directly, not in the relaxation-time approximation."
        ),
    ] = False,
    wigner: Annotated[bool, typer.Option("--wigner", help="Add the coherences between bands.")] = False,
    boundary: Annotated[
        float | None,
        typer.Option(
            min=1.0, metavar="NM", help="Size of grains, or thickness of a film, nm: no phonon flies farther."
        ),
    ] = None,
    born: Annotated[
        Path | None,
        typer.Option(help="Born charges in phonopy's format, for one crystal. [default: NAME.born beside each file]"),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Model whose prediction is checked: `accurate`, `fast`, or a folder.")
    ] = "accurate",
    out: Annotated[
        Path,
        typer.Option(help="Folder where every step is stored: after an interruption the same command continues."),
    ] = Path("runs/verify"),
    plot: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write a PNG per crystal.")] = None,
    phono3py_files: Annotated[
        Path | None,
        typer.Option(
            "--files",
            metavar="FOLDER",
            help="Write files that phono3py opens (displacements, forces, fc2, fc3, kappa).",
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Parquet table for `train` to which the values are added, fidelity `mlip`.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Worker processes; each computes one crystal at a time. [default: 1; with --ray one per CPU]",
        ),
    ] = None,
    ray: RayOption = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Print what each crystal would cost, and stop.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsvWithoutCurves = False,
) -> None:
    """Compute kappa from phonons with an interatomic potential, and check the prediction against it.

    The crystal is standardised and relaxed, and its atoms are displaced; phono3py turns the forces into force constants
    and solves the phonon Boltzmann equation. Every crystal gets one row, in order, with its prediction, AGL value,
    phonon value, the best estimate from prediction and phonon value, and the verdict. A crystal without a phonon value
    (imaginary modes, an unknown element, ...) gets an outcome and a reason instead of a number, and the others are
    still computed. The AGL value is that of the potential; `predict --fidelity agl` and `agl` give others: docs/agl.md,
    Three AGL values, says why.

    Exit code: 0 all answered, 3 finished but some rows have no answer, 1 could not run, 2 usage.

    **Examples**

        kappatune verify mgo.cif --quality quick --plot figures
        kappatune verify candidates/ --workers 4 --json > verdicts.json
        kappatune verify candidates/ --ray head:6379 --out /shared/verify
        kappatune verify mgo.cif --files phono3py --boundary 100
        kappatune verify winners/ --calculator sevennet-l3i5 --wigner --labels mine.parquet
    """
    output_format = chosen_format(as_json, as_csv)
    if labels and boundary:
        raise typer.BadParameter(
            "--labels is for kappa of crystals, and --boundary gives that of grains: use one of them"
        )
    temperatures_k = parse_temperatures(temperatures)
    check_files(files)
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.structures import Crystal
        from kappatune.verification import Verification, VerifierSpec, VerifySettings, iter_verifications
        from kappatune.verification.display import crystals_on_stderr
        from kappatune.verification.labels import add_labels, check_labels
        from kappatune.verification.row import NESTED_FIELDS

        with bad_settings_as_usage():
            settings = VerifySettings.of(
                quality.value,
                temperatures_k=temperatures_k,
                pair_cutoff=pair_cutoff,
                third_order="fewest forces" if fewer_forces else "pairs",
                solution="direct" if direct else "rta",
                wigner=wigner,
                boundary_nm=boundary,
            )
        spec = VerifierSpec(calculator, settings, out, model, born, plot, phono3py_files)
        entries = read_files(files)
        if born:
            entries = iter(_one_crystal(entries))
        if estimate:
            _write_estimates(entries, spec, output_format, stdout)
            return
        if labels:
            check_labels(labels)
        given: list[Crystal | Rejection] = []

        def noted() -> Iterator[Crystal | Rejection]:
            for entry in entries:
                given.append(entry)
                yield entry

        def rows() -> Iterator[Verification]:
            with crystals_on_stderr() as on_progress:
                for row in iter_verifications(noted(), spec, workers, on_progress, ray):
                    entry = given.pop(0)
                    if labels and isinstance(entry, Crystal):
                        add_labels(labels, [(entry, row)])
                    yield row

        layout = Layout(
            Verification,
            [
                Column("crystal", "id"),
                Column("formula", "formula"),
                Column("predicted,\nW/(m K)", _predicted, right=True),
                Column("AGL,\nW/(m K)", lambda row: number(row.agl_w_mk), right=True),
                Column("phonons,\nW/(m K)", lambda row: number(row.kappa_bte_w_mk), right=True),
                Column("best,\nW/(m K)", _best, right=True),
                Column("verdict", lambda row: row.verdict if row.outcome == "answered" else row.outcome),
                Column("remark", _remark, fill=True),
            ],
            value="kappa_bte_w_mk",
            not_in_csv=frozenset(NESTED_FIELDS),
        )
        notes = RemarkNotes()
        counts = write_rows(notes.collected(rows()), layout, output_format, stdout)
    if output_format is OutputFormat.TABLE:
        notes.print()
    exit_if_unanswered(counts, "'outcome' and 'reason' say why")


def _one_crystal(entries: Iterable[Crystal | Rejection]) -> list[Crystal | Rejection]:
    found = list(entries)
    if len(found) != 1:
        raise typer.BadParameter(
            f"--born is for one crystal, not for {len(found)}: put a file NAME.born beside each structure file instead"
        )
    return found


def _write_estimates(
    entries: Iterable[Crystal | Rejection], spec: VerifierSpec, output_format: OutputFormat, stdout: TextIO
) -> None:
    from kappatune.verification.api import CostEstimate, iter_costs
    from kappatune.verification.cost import format_duration

    rows: list[CostEstimate] = []
    for row in iter_costs(entries, spec.calculator, spec.settings, lambda event: note(str(event))):
        note(str(row))
        rows.append(row)
    if output_format is OutputFormat.TABLE:
        seconds = [row.seconds for row in rows if row.seconds is not None]
        noun = "crystal" if len(seconds) == 1 else "crystals"
        rest = f"; {len(rows) - len(seconds)} cannot be computed" if len(seconds) < len(rows) else ""
        stdout.write(f"{len(seconds)} {noun}, about {format_duration(sum(seconds))} in one process{rest}\n")
    else:
        write_rows(rows, Layout(CostEstimate, []), output_format, stdout)


def _predicted(row: Verification) -> str:
    shown = number(row.predicted_w_mk)
    return f"{shown}\n{interval(row.lower_w_mk, row.upper_w_mk)}" if row.lower_w_mk else shown


def _best(row: Verification) -> str:
    shown = number(row.kappa_best_w_mk)
    return f"{shown}\n{interval(row.best_lower_w_mk, row.best_upper_w_mk)}" if row.best_lower_w_mk else shown


def _remark(row: Verification) -> str:
    return "; ".join(filter(None, (row.reason, row.because, *row.warnings, kinds(row))))
