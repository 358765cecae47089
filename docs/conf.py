"""The docs site: `make docs` builds it into docs/_site, and fails on a broken link or reference."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent

project = "kappatune"
author = "The kappatune developers"
project_copyright = "The kappatune developers, MIT licence"
version = release = installed_version("kappatune")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_site"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"kappatune {version}"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
suppress_warnings = ["config.cache"]


def write_command_line_reference() -> None:
    """Write the page of the command line from the commands themselves."""
    command = [sys.executable, "-m", "typer", "kappatune.cli", "utils", "docs", "--name", "kappatune"]
    page = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    page = page.replace("# `kappatune`", "# Command line", 1)
    (HERE / "reference" / "command_line.md").write_text(page, encoding="utf-8")


def code_in_backticks(_app: Sphinx, _what: str, _name: str, _obj: object, _options: Any, lines: list[str]) -> None:
    """Docstrings write code in single backticks; reStructuredText wants two, and a space before a letter."""
    lines[:] = [re.sub(r"(?<![`:])`([^`]+)`(?!`)(?=(\w)?)", _literal, line) for line in lines]


def _literal(match: re.Match[str]) -> str:
    return f"``{match[1]}``" + ("\\ " if match[2] else "")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    write_command_line_reference()
    app.connect("autodoc-process-docstring", code_in_backticks)
