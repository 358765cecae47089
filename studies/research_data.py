"""The folder of research tables that most studies need; the tables do not come with the repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[Path | None, typer.Option("--data", envvar="KAPPATUNE_DATA", help="Folder of research tables.")]
"""Option of a study's command."""

AFLOW = "aflow_agl.parquet"
DFT_PHONONS = "dft_phonons.parquet"
PHONIX = "phonix.parquet"
PHONONDB_POOL = "phonondb_pool.parquet"
PUBLISHED_SCAN = "paraisite_scan.parquet"
SEMIEMPIRICAL = "semiempirical.parquet"


def research_folder(given: Path | None) -> Path:
    """The folder of the research tables: the given one, or that of `KAPPATUNE_DATA`.

    Raises:
        typer.BadParameter: There is none, or it lacks the table of AGL values.
    """
    folder = given or (Path(os.environ["KAPPATUNE_DATA"]) if os.environ.get("KAPPATUNE_DATA") else None)
    if folder is None or not (folder / AFLOW).is_file():
        raise typer.BadParameter("this study needs the research tables: give --data FOLDER or set KAPPATUNE_DATA")
    return folder
