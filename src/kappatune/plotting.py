"""Figures as PNG files, drawn by matplotlib, which is optional."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

from kappatune.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class NoMatplotlib(UserError):
    """A figure was asked for, and matplotlib is not installed."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that needs no display; width and height in inches.

    Raises:
        NoMatplotlib: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise NoMatplotlib("figures need matplotlib: pip install matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path) -> Path:
    """Write a figure; the folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def file_name(name: str) -> str:
    """A name of a crystal or a potential as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
