"""`kappatune demo`: textbook crystals beside measured values, before and after training on a few of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kappatune.cli.output import answer_only_stdout, errors_as_messages
from kappatune.cli.writers import Column, interval, number, write_table, yes_or_no

if TYPE_CHECKING:
    from kappatune.demo import Demo, DemoRow


def demo() -> None:
    """Predict textbook crystals, train on measured values of others, and show the change.

    Takes under two minutes on two cores and needs no file and no network.
    """
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.demo import run_demo
        from kappatune.progress import shown_on_stderr

        with shown_on_stderr() as on_progress:
            result = run_demo(on_progress)
        write_table(result.rows, _COLUMNS, stdout, title="Lattice thermal conductivity at 300 K, W/(m K)")
        stdout.write(_summary(result))


_COLUMNS: list[Column[DemoRow]] = [
    Column("crystal", lambda row: row.before.id),
    Column("measured", lambda row: number(row.measured), right=True),
    Column("AGL rung", lambda row: number(row.before.kappa_w_mk), right=True),
    Column("after training", lambda row: number(row.after.kappa_w_mk), right=True),
    Column("interval", lambda row: interval(row.after.lower_w_mk, row.after.upper_w_mk), right=True),
    Column("AGL value known", lambda row: yes_or_no(row.known)),
]


def _summary(result: Demo) -> str:
    before, after = (math.exp(result.error(when)) for when in ("before", "after"))
    return (
        f"\nTypical factor between prediction and measurement: {before:.2f} before, {after:.2f} after training on "
        f"{result.n_learned} measured\nvalues of other crystals. No measured value in this table was trained on. The "
        "shipped dft rung, which `predict`\nuses by default, was trained on most of these crystals: it is not shown.\n"
    )
