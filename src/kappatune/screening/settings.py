"""What a scan is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from kappatune.errors import UserError


class BadRequest(UserError):
    """A scan that cannot begin or go on; the message says why."""


@dataclass(frozen=True)
class ScanSettings:
    """What is scanned, with what.

    Attributes:
        sources: See `kappatune.screening.sources.units`.
        model: Name or folder of the model.
        fidelity: Rung that is asked for; None is the model's last.
        labels: Table of labelled crystals the nearest are taken from; None is the shipped textbook table.
        filter: OPTIMADE filter for the sources that are URLs.
    """

    sources: tuple[str, ...]
    model: str = "fast"
    fidelity: str | None = None
    labels: str | None = None
    filter: str | None = None
