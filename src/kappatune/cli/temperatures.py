"""The temperatures of a command line: `300`, `300,600` or `100:1000:50`."""

from __future__ import annotations

import math

import typer

MOST_TEMPERATURES = 10_000

TEMPERATURES_METAVAR = "T[,T...]|FIRST:LAST:STEP"
TEMPERATURES_HELP = "one (`300`), a list (`300,600`), a range with both ends (`100:1000:50`), or a list of these"


def parse_temperatures(text: str) -> tuple[float, ...]:
    """Temperatures in K, in the order given and each once.

    The grammar is a list with commas; an item is a number, or a range FIRST:LAST:STEP that holds FIRST, FIRST + STEP
    and so on up to LAST.

    Raises:
        typer.BadParameter: The text does not follow the grammar, or a temperature is not above 0 K.
    """
    try:
        found = [value for item in text.split(",") for value in _item(item)]
    except ValueError as error:
        raise typer.BadParameter(
            f"'{text}': give temperatures above 0 K as a number (300), a list (300,600) "
            "or a range FIRST:LAST:STEP (100:1000:50)"
        ) from error
    if len(found) > MOST_TEMPERATURES:
        raise typer.BadParameter(
            f"'{text}': these are more than {MOST_TEMPERATURES:,} temperatures: take a larger step"
        )
    return tuple(dict.fromkeys(found))


def _item(text: str) -> list[float]:
    if ":" not in text:
        value = float(text)
        if not 0 < value < math.inf:
            raise ValueError("not above 0 K")
        return [value]
    first, last, step = map(float, text.split(":"))
    if not (0 < first <= last < math.inf and step > 0):
        raise ValueError("not a range")
    n_steps = math.floor(min((last - first) / step, MOST_TEMPERATURES) + 1e-9)
    return [min(first + k * step, last) for k in range(n_steps + 1)]
