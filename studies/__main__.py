"""Run every study that takes minutes, not hours: `python -m studies --data FOLDER`."""

from __future__ import annotations

import typer

from studies.research_data import DataOption
from studies.screening import suggest_aflow
from studies.speed import model, scan, scan_driver, scan_growth, serve


def main(data: DataOption = None) -> None:
    """Measure speed and memory of training, prediction, scans and the server, and how well `suggest` chooses."""
    model.main(data)
    scan.main(data)
    scan_growth.main(data)
    scan_driver.main(data)
    suggest_aflow.main(data)
    serve.main()


if __name__ == "__main__":
    typer.run(main)
