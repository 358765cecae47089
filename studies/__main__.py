"""Run every benchmark that needs no hour: `python -m benchmarks --data FOLDER`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studies.screening import suggest_aflow
from studies.speed import model, scan, scan_driver, scan_growth, serve


def main(data: Annotated[Path | None, typer.Option(envvar="KAPPATUNE_DATA")] = None) -> None:
    model.main(data)
    scan.main(data)
    scan_growth.main(data)
    scan_driver.main(data)
    suggest_aflow.main(data)
    serve.main()


if __name__ == "__main__":
    typer.run(main)
