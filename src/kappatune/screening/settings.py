"""What a scan covers and which model it uses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kappatune.errors import BadRequest
from kappatune.settings import Settings

__all__ = ["BadRequest", "ScanSettings"]

Source = Annotated[str, Field(min_length=1)]


class ScanSettings(Settings):
    """What a scan covers and which model it uses.

    Attributes:
        sources: See `kappatune.screening.sources.units`.
        model: Name or folder of the model.
        fidelity: Rung to predict; None is the model's last.
        labels: Table of labelled crystals among which the nearest are found; None is the shipped textbook table.
        filter: OPTIMADE filter for the sources that are URLs.
    """

    sources: tuple[Source, ...] = Field(min_length=1)
    model: str = "fast"
    fidelity: str | None = None
    labels: str | None = None
    filter: str | None = None
