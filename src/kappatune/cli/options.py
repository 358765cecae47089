"""Arguments and options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kappatune.cli.output import fail

if TYPE_CHECKING:
    from kappatune.structures import Crystal, Rejection

STANDARD_INPUT = "-"

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="CIF, POSCAR/CONTCAR, extxyz, pymatgen JSON, tables (.parquet, .jsonl, .csv), folders, 'globs', "
        "or `-` for standard input.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON list, one object per row.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, one line per row.")]
AsCsvWithoutCurves = Annotated[bool, typer.Option("--csv", help="Print CSV, one line per crystal, without kappa(T).")]
PotentialOption = Annotated[
    str,
    typer.Option(
        "--calculator",
        help="`nequix`, `sevennet-l3i5`, `sevennet` (SevenNet-0), `chgnet`, `mace`, the path of Nequix weights (.nqx), "
        "`best` (`nequix` if its weights are on this machine, `sevennet-l3i5` otherwise), "
        "or PATH:FACTORY, where FACTORY() of a module or of a .py file returns an ASE calculator.",
    ),
]

ScanFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a scan, as `screen --out` made it.")]
Elements = Annotated[
    list[str] | None, typer.Option(help="Elements that must all be present, as `Pb,Te`.", metavar="SYMBOLS")
]
Without = Annotated[list[str] | None, typer.Option(help="Elements that must not be present.", metavar="SYMBOLS")]
MinAtoms = Annotated[int | None, typer.Option(min=1, help="Smallest number of atoms in the cell.")]
MaxAtoms = Annotated[int | None, typer.Option(min=1, help="Largest number of atoms in the cell.")]
Prototype = Annotated[
    list[str] | None, typer.Option(help="Allowed anonymous formulas, as `AB,ABC3`.", metavar="FORMULAS")
]
Novel = Annotated[bool, typer.Option("--novel", help="Only formulas that no rung was trained on.")]
CifFolder = Annotated[Path | None, typer.Option(help="New folder for CIFs of the crystals listed.", metavar="FOLDER")]


def read_files(files: Sequence[str]) -> Iterator[Crystal | Rejection]:
    """The crystals of the arguments, in order; `-` reads one file from standard input."""
    from kappatune.structures import read_crystals
    from kappatune.structures.files import read_content

    for file in files:
        if file == STANDARD_INPUT:
            yield from read_content(sys.stdin.buffer.read(), "stdin")
        else:
            yield from read_crystals([file])


def check_files(files: Sequence[str]) -> None:
    """Stop if standard input is named twice: it can be read only once."""
    if files.count(STANDARD_INPUT) > 1:
        raise typer.BadParameter("give `-` once: standard input can be read only once")


def split_words(values: Sequence[str] | None) -> list[str]:
    """The words of an option that takes several, given one by one or with commas."""
    return [word for value in values or () for word in value.replace(",", " ").split()]


@contextmanager
def bad_settings_as_usage() -> Iterator[None]:
    """Report options that are invalid or contradict each other as wrong usage."""
    from kappatune.settings import BadSettings

    try:
        yield
    except BadSettings as error:
        raise typer.BadParameter(str(error)) from error


def check_new_folder(folder: Path | None) -> None:
    """Stop unless the folder is missing or empty."""
    if folder and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fail(f"{folder}: this exists and is not an empty folder: give a new one for the CIFs")
