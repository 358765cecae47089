"""Text of a report.

Ids and reasons of a scan may come from anywhere: they enter the page only through `harmless`.
"""

from __future__ import annotations

import math
import re
from html import escape

UNIT = "W/(m\N{NO-BREAK SPACE}K)"
_MAX_TEXT = 120


def harmless(value: object, most: int = _MAX_TEXT) -> str:
    """Anything as harmless text: escaped, cut, without control and direction characters."""
    raw = "" if value is None else str(value)
    if len(raw) > most:
        raw = raw[: most - 1] + "…"
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in raw))


def formula_html(formula: str | None) -> str:
    """A formula with its numbers set low."""
    pieces = re.split(r"(\d+(?:\.\d+)?)", (formula or "")[:_MAX_TEXT])
    return "".join(f"<sub>{harmless(p)}</sub>" if k % 2 else harmless(p) for k, p in enumerate(pieces))


def kappa_text(value: float | None) -> str:
    """A conductivity in W/(m K) to three digits."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 999.5 else f"{value:#.3g}".rstrip(".")


def counted(n: int, noun: str) -> str:
    """How many of what."""
    return f"{n:,}\N{NO-BREAK SPACE}{noun}{'' if n == 1 else 's'}"


def share_text(part: int, whole: int) -> str:
    """Percentage."""
    share = 100 * part / whole if whole else 0.0
    return "0 %" if not part else "< 0.1 %" if share < 0.1 else "> 99.9 %" if 99.9 < share < 100 else f"{share:.3g} %"


def short(value: float) -> str:
    """A coordinate to one decimal."""
    return f"{value:.1f}".removesuffix(".0")
