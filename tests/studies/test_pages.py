from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from kappatune.model.bundle import SHIPPED
from kappatune.model.evidence import read_evidence
from studies.markdown import DOCS
from studies.pages import PAGES, main, write_pages
from studies.phonix.evidence import evidence
from studies.phonix.results import PhonixResults
from studies.shipped_models import MODELS


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    docs = tmp_path_factory.mktemp("docs")
    write_pages(PAGES, docs)
    return docs


@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_the_docs_is_what_the_stored_results_make(name, written):
    text = (written / f"{name}.md").read_text(encoding="utf-8")
    remedy = f"run `python -m studies.pages {name}`"
    assert text == (DOCS / f"{name}.md").read_text(encoding="utf-8"), remedy
    assert f"`python -m studies.pages {name}`" in text and "`python -m studies." in text.split(" computes")[0]


@pytest.mark.parametrize("model", MODELS)
def test_the_evidence_of_a_shipped_model_is_what_the_stored_results_make(model):
    assert read_evidence(SHIPPED / model) == evidence(model, PhonixResults.read())


def test_an_unknown_page_is_refused():
    app = typer.Typer()
    app.command()(main)
    run = CliRunner().invoke(app, ["benchmrak"])
    assert run.exit_code == 2 and "benchmrak" in run.output and "model-card" in run.output
