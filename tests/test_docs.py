"""The docs name what is public."""

from __future__ import annotations

import re
from pathlib import Path

import kappatune

DOCS = Path(__file__).parents[1] / "docs"


def test_the_reference_has_every_public_name():
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"\.\. auto\w+:: kappatune\.(\w+)$", page, flags=re.MULTILINE))
    assert documented == set(dir(kappatune)) - {"__version__"}


def test_every_page_is_in_the_table_of_contents():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert pages == {name for name in pages if re.search(rf"^{name}$", index, flags=re.MULTILINE)}
