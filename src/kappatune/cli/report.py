"""`kappatune report`: a scan as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappatune.cli.output import answer_only_stdout, errors_as_messages, note


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a scan, finished or not.")],
    out: Annotated[Path | None, typer.Option(help="File to write. [default: DIR/_report.html]")] = None,
) -> None:
    """Write a report on a scan: one HTML file that any browser opens, without a network.

    It shows how many crystals have an answer and why others have none, how kappa is distributed, how it varies with
    mass, number of atoms and elements, and the crystals with the lowest and the highest values. The path of the file
    goes to stdout.

    **Examples**

        kappatune report scan
        kappatune report scan --out report.html
    """
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.screening import report as write_report
        from kappatune.screening.layout import scan_is_complete

        path = write_report(folder, out)
        stdout.write(f"{path}\n")
        if not scan_is_complete(folder):
            note("the scan is unfinished: the report covers what is done so far")
