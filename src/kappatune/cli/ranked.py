"""What the commands that list crystals of a scan share: arguments, filters, and how rows are written."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer

from kappatune.cli.output import fail

if TYPE_CHECKING:
    from kappatune.screening.ranking import Filters, RankedCrystal

    Settings = TypeVar("Settings", bound=Filters)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a scan, as `screen --out` made it.")]
Elements = Annotated[
    list[str] | None, typer.Option(help="Elements that must all be there, as `Pb,Te`.", metavar="SYMBOLS")
]
Without = Annotated[list[str] | None, typer.Option(help="Elements of which none may be there.", metavar="SYMBOLS")]
MinAtoms = Annotated[int | None, typer.Option(min=1, help="Fewest atoms in the cell.")]
MaxAtoms = Annotated[int | None, typer.Option(min=1, help="Most atoms in the cell.")]
Prototype = Annotated[
    list[str] | None, typer.Option(help="Allowed anonymous formulas, as `AB,ABC3`.", metavar="FORMULAS")
]
Novel = Annotated[bool, typer.Option("--novel", help="Only formulas in no rung's training data.")]
CifFolder = Annotated[Path | None, typer.Option(help="New folder for CIFs of what is listed.", metavar="FOLDER")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON list, one object per crystal.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, one line per crystal.")]


def valid_settings(kind: type[Settings], **values: Any) -> Settings:
    """Settings from options; what cannot be met is wrong usage."""
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as error:
        faults = [(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        raise typer.BadParameter("; ".join(f"{where}: {what}" if where else what for where, what in faults)) from error


def words(values: list[str] | None) -> list[str]:
    """The words of an option that takes several, given apart or with commas."""
    return [word for value in values or () for word in value.replace(",", " ").split()]


def check_cif_folder(folder: Path | None) -> None:
    """Stop unless the folder is new or empty."""
    if folder and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fail(f"{folder}: exists already and is no empty folder: give a new one for the CIFs")


def write_json(rows: Sequence[RankedCrystal], answer: TextIO) -> None:
    """A JSON list, one object per crystal."""
    answer.write("[" + ",".join("\n " + row.model_dump_json() for row in rows) + "\n]\n")


def write_csv(rows: Sequence[RankedCrystal], kind: type[RankedCrystal], answer: TextIO) -> None:
    """A header with the fields of `kind`, and one line per crystal."""
    writer = csv.writer(answer, lineterminator="\n")
    writer.writerow(name for name, field in kind.model_fields.items() if not field.exclude)
    for row in rows:
        values = row.model_dump() | {"known_rungs": " ".join(row.known_rungs or ())}
        writer.writerow("" if value is None else value for value in values.values())
