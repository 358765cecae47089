"""Models, scans and the command line of version 0.1.0, as that version left them.

The files were written by the code of 0.1.0 (commit 2a8fab9) and are never made again.
"""

from __future__ import annotations

import gzip
import json
import math
import shutil
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from pymatgen.core import Composition
from typer.testing import CliRunner

import kappatune.screening
from kappatune import KappaModel
from kappatune.cli import app
from kappatune.screening.reporting.queries import overview_of
from kappatune.structures import Crystal
from tests.frozen.shipped import ASKED, MODELS, SHIPPED_PREDICTIONS
from tests.screening.scans import rows_of, run_screen

V0_1_0 = Path(__file__).parent / "v0_1_0"
INTERFACE = json.loads((V0_1_0 / "interface.json").read_text(encoding="utf-8"))


def assert_same_rows(rows: list[dict], expected: list[dict]) -> None:
    assert len(rows) == len(expected)
    for row, before in zip(rows, expected, strict=True):
        for name, value in before.items():
            if isinstance(value, float):
                assert row[name] == pytest.approx(value, rel=1e-6), (before["id"], name)
            elif name == "formula" and value is not None:  # 0.1.0 wrote some elements in another order
                assert Composition(row[name]) == Composition(value), before["id"]
            elif name != "reason":
                assert row[name] == value, (before["id"], name)
            else:
                assert (row[name] is None) == (value is None), before["id"]


def crystals_of(reference: dict) -> list[Crystal]:
    return [
        Crystal(np.array(c["lattice"]), np.array(c["numbers"]), np.array(c["frac_coords"]), id=c["id"])
        for c in reference["crystals"]
    ]


def stored(path: Path) -> dict:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def assert_as_stored(model: KappaModel, crystals: list[Crystal], rows_of_keys: dict[str, list[dict]]) -> None:
    for key, rows in rows_of_keys.items():
        fidelity, temperature = key.split()[-2:]
        answers = model.predict(crystals, fidelity, float(temperature))
        assert_same_rows([answer.model_dump(mode="json") for answer in answers], rows)


def test_a_model_that_0_1_0_shipped_gives_the_same():
    """`fast` as it was, with its intervals: 109 crystals, two rungs, two temperatures."""
    reference = stored(V0_1_0 / "predictions.json.gz")
    asked = {key: rows for key, rows in reference["rows"].items() if key.startswith("fast ")}
    assert len(asked) == 4
    assert_as_stored(KappaModel.load(V0_1_0 / "bundles" / "fast"), crystals_of(reference), asked)


@pytest.mark.parametrize("name", MODELS)
def test_shipped_models_give_the_same_as_when_they_were_shipped(name):
    rows = stored(SHIPPED_PREDICTIONS)["rows"][name]
    assert rows.keys() == set(ASKED)
    assert_as_stored(KappaModel.load(name), crystals_of(stored(V0_1_0 / "predictions.json.gz")), rows)


@pytest.mark.parametrize("name", ["direct", "debye-trees"])
def test_bundles_give_the_same(name, crystals):
    model = KappaModel.load(V0_1_0 / "bundles" / name)
    expected = json.loads((V0_1_0 / "bundles" / name / "expected.json").read_text(encoding="utf-8"))
    assert expected.keys() == set(model.card.fidelities)
    for fidelity, rows in expected.items():
        assert_same_rows([row.model_dump() for row in model.predict(crystals, fidelity)], rows)


def commands() -> dict[str, set[str]]:
    """Options and arguments of every command, by its full name."""
    found: dict[str, set[str]] = {}

    def collect(command, name: str) -> None:
        if hasattr(command, "commands"):
            for key, inner in command.commands.items():
                collect(inner, f"{name} {key}".strip())
            return
        found[name] = {
            option
            for parameter in command.params
            for option in (
                [*parameter.opts, *parameter.secondary_opts]
                if parameter.param_type_name == "option"
                else [parameter.name.upper()]
            )
        }

    collect(typer.main.get_command(app), "")
    return found


@pytest.mark.parametrize("name", INTERFACE["commands"])
def test_commands_keep_their_options(name):
    if name == "benchmark":  # it left the package: the command takes any option, and says where it went
        result = CliRunner().invoke(app, ["benchmark", "--data", "tables", "--replay"])
        assert result.exit_code == 1 and "python -m studies.transfer" in result.stderr
    else:
        assert commands()[name] >= set(INTERFACE["commands"][name])


def columns(kind: str) -> list[str]:
    from kappatune.agl_workflow import AglResult
    from kappatune.model.prediction import Prediction
    from kappatune.screening import RankedCrystal, Suggestion
    from kappatune.verification import Verification

    row = {
        "predict": Prediction,
        "agl": AglResult,
        "verify": Verification,
        "rank": RankedCrystal,
        "suggest": Suggestion,
    }[kind]
    return [field.name for field in fields(row)] if is_dataclass(row) else list(row.model_fields)


@pytest.mark.parametrize("kind", INTERFACE["columns"])
def test_rows_keep_their_columns(kind):
    before = INTERFACE["columns"][kind]
    assert [name for name in columns(kind) if name in before] == before


def test_scans_keep_their_columns():
    from kappatune.screening.rows import SCHEMA

    now = {field.name: str(field.type) for field in SCHEMA}
    assert {name: now.get(name) for name in INTERFACE["scan_schema"]} == INTERFACE["scan_schema"]


def test_an_interrupted_scan_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(V0_1_0 / "scan", "scan")
    shutil.copy(V0_1_0 / "pool.extxyz", "pool.extxyz")
    before = rows_of(Path("scan"))
    Path("scan/part-000001.parquet").unlink()
    Path("scan/_manifest.json").unlink()
    model = V0_1_0 / "bundles" / "debye-trees"
    code, stderr = run_screen(tmp_path, "pool.extxyz", "--out", "scan", "--model", model, "--workers", 1, "--resume")
    assert code == 0, stderr
    after = rows_of(Path("scan"))
    assert [row["id"] for row in after] == [row["id"] for row in before]
    assert all(math.isclose(a["kappa_w_mk"], b["kappa_w_mk"], rel_tol=1e-6) for a, b in zip(after, before, strict=True))


QUERIES = json.loads((V0_1_0 / "queries.json").read_text(encoding="utf-8"))
"""Rows that 0.1.0 ranked and suggested from its scan, and the counts of its report."""


@pytest.mark.parametrize("query", QUERIES["rank"], ids=lambda query: " ".join(query["arguments"]))
def test_a_scan_is_ranked_as_before(query):
    rows = kappatune.screening.rank(V0_1_0 / "scan", **query["arguments"])
    assert_same_rows([row.model_dump(mode="json") for row in rows], query["rows"])


@pytest.mark.parametrize("query", QUERIES["suggest"], ids=lambda query: " ".join(query["arguments"]))
def test_a_scan_is_suggested_from_as_before(query):
    rows = kappatune.screening.suggest(V0_1_0 / "scan", **query["arguments"])
    assert_same_rows([row.model_dump(mode="json") for row in rows], query["rows"])


def test_a_scan_is_reported_as_before(tmp_path):
    before = QUERIES["report"]
    overview = overview_of(V0_1_0 / "scan")
    for name in ("n_rows", "n_answered", "n_in_domain", "n_low"):
        assert getattr(overview, name) == before[name]
    assert overview.median.kappa == pytest.approx(before["median_w_mk"], rel=1e-6)
    for name in ("lowest", "highest"):
        assert [crystal.id for crystal in getattr(overview, name)] == before[name]
    assert {symbol: [m.n, pytest.approx(m.kappa, rel=1e-6)] for symbol, m in overview.elements.items()} == before[
        "elements"
    ]
    page = kappatune.screening.report(V0_1_0 / "scan", tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{before['n_rows']}\N{NO-BREAK SPACE}crystals" in page
