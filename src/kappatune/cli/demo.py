"""`kappatune demo`: textbook crystals beside measured values, and what learning from a few changes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TextIO

from kappatune.cli.output import answer_stream, plain_errors

if TYPE_CHECKING:
    from kappatune.demo import Demo


def demo() -> None:
    """Predict a dozen textbook crystals, learn from measured values of others, and show the change.

    Takes under two minutes on two cores and needs no file and no network.
    """
    with answer_stream() as answer, plain_errors():
        from kappatune.demo import run_demo
        from kappatune.progress import shown_on_stderr

        with shown_on_stderr() as on_progress:
            result = run_demo(on_progress)
        _print(result, answer)


def _print(result: Demo, answer: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, title="Lattice thermal conductivity at 300 K, W/(m K)")
    for name in ("crystal", "measured", "AGL rung", "after learning", "interval", "AGL value known"):
        table.add_column(name, justify="left" if name in ("crystal", "AGL value known") else "right")
    for row in result.rows:
        before, after = row.before, row.after
        table.add_row(
            before.id,
            f"{row.measured:.3g}",
            f"{before.kappa_w_mk:.3g}",
            f"{after.kappa_w_mk:.3g}",
            f"{after.lower_w_mk:.3g} to {after.upper_w_mk:.3g}",
            "yes" if row.known else "no",
        )
    console = Console(file=answer, width=None if answer.isatty() else 120)
    console.print(table)
    first, second = (math.exp(result.error(when)) for when in ("before", "after"))
    answer.write(
        f"\nTypical factor between prediction and measurement: {first:.2f} before, {second:.2f} after learning from "
        f"{result.n_learned} measured\nvalues of other crystals. No measured value in this table was learned from. The "
        "shipped dft rung, which `predict`\nanswers with, has learned these values too, so it is not shown.\n"
    )
