"""The option `--ray [ADDRESS]`, which several commands share."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

_ADDRESS = re.compile(r"local|auto|(ray://)?[^/\s]+:\d+")

RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Run on a Ray cluster; without ADDRESS, on this machine's, started if needed.",
    ),
]


class RayCommand(TyperCommand):
    """Accepts `--ray` without an address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give `--ray` the address of this machine if no address follows it."""
        if "--ray" in args:
            after = args.index("--ray") + 1
            if after == len(args) or not _ADDRESS.fullmatch(args[after]):
                args = [*args[:after], "local", *args[after:]]
        return super().parse_args(ctx, args)
