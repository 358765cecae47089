from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pandas as pd
import pytest
from pydantic import ValidationError

import kappatune.screening
from kappatune import rank, screen, suggest
from kappatune.progress import Advanced
from kappatune.results import Results
from kappatune.screening import BadRequest, ScanResult
from kappatune.screening.parts import remove_leftovers
from kappatune.screening.query import Filters
from kappatune.settings import BadSettings
from kappatune.storage import remove_partials
from tests.builders import rocksalt
from tests.screening.scans import pool, write_jsonl

FROZEN = Path(__file__).parents[1] / "frozen" / "v0_1_0"
VERBS = ["rank", "report", "screen", "suggest"]
ORDERS = [
    "import kappatune.screening.{module}; from kappatune.screening import {verb}",
    "from kappatune.screening import {verb}; import kappatune.screening.{module}",
    "import kappatune.cli, kappatune.web.app; from kappatune.screening import {verb}",
    "import kappatune.screening.{module}; from kappatune import {verb}",
]
MODULES = {"rank": "ranking", "report": "reporting.report", "screen": "scan", "suggest": "suggestions"}


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_a_function_after_any_order_of_imports(verb):
    checks = [
        f"{order.format(verb=verb, module=MODULES[verb])}; "
        f"assert callable({verb}) and {verb}.__name__ == {verb!r}; assert kappatune.screening.{verb} is {verb}"
        for order in ORDERS
    ]
    for check in checks:
        subprocess.run([sys.executable, "-c", f"import kappatune.screening; {check}"], check=True)


def test_every_public_name_is_there_and_documented():
    for name in kappatune.screening.__all__:
        assert getattr(kappatune.screening, name).__doc__
    for verb in VERBS:
        function = getattr(kappatune.screening, verb)
        assert isinstance(function, FunctionType)
        documented = function.__doc__.partition("Args:")[2].partition("Returns:")[0]
        assert all(f" {argument}: " in documented for argument in function.__annotations__ if argument != "return")
    with pytest.raises(AttributeError, match="no attribute 'climb'"):
        kappatune.screening.climb  # noqa: B018


def test_a_scan_in_python_reports_progress_and_its_result_goes_into_the_other_verbs(tmp_path, capfd):
    events: list[Advanced] = []
    table = write_jsonl(tmp_path / "t.jsonl", pool(5))
    model = FROZEN / "bundles" / "debye-trees"
    scan = screen(table, tmp_path / "out", model, workers=1, on_progress=events.append)
    assert [str(event) for event in events] == ["5 crystals"]
    assert repr(scan) == f"ScanResult(folder={tmp_path / 'out'!r}, n_rows=5, n_answered=5)"
    frame = scan.to_pandas(["id", "kappa_w_mk"])
    assert list(frame.columns) == ["id", "kappa_w_mk"] and len(frame) == len(pd.read_parquet(scan)) == 5
    assert [row.id for row in rank(scan, n=2)] == frame.sort_values("kappa_w_mk").id.tolist()[:2]
    again = screen([str(table)], tmp_path / "out", model, workers=1, resume=True)
    assert again == scan and capfd.readouterr().err == "", "nothing is shown where stderr is not a terminal"


def test_ranked_and_suggested_crystals_are_tables_in_a_notebook():
    rows = rank(FROZEN / "scan", n=3)
    assert isinstance(rows, Results) and len(rows) == len(rows.to_pandas()) == 3
    assert "<th>kappa_w_mk</th>" in rows._repr_html_()
    suggested = suggest(FROZEN / "scan", n=3, fidelity="experiment")
    assert isinstance(suggested, Results) and "expected_improvement" in suggested.to_pandas().columns
    assert suggest(FROZEN / "scan", min_atoms=1000) == []


def test_elements_may_be_a_text_or_a_list():
    both = [rank(FROZEN / "scan", without=without) for without in ("O, F", ["O", "F"])]
    assert both[0] == both[1] != rank(FROZEN / "scan")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": rocksalt(12, 8, 4.2, "MgO")}, "type Crystal: use kappatune.predict"),
        ({"sources": [rocksalt(12, 8, 4.2, "MgO")]}, "type Crystal"),
        ({"sources": ["x.cif", {"a": 1}]}, "type dict"),
        ({"sources": "x.cif", "model": object()}, "name or folder, not an object of type object"),
    ],
)
def test_objects_in_memory_are_refused_with_a_hint(tmp_path, arguments, message):
    with pytest.raises(BadRequest, match=message):
        screen(**{"out": tmp_path / "out"} | arguments)


def test_a_scan_needs_a_source(tmp_path):
    with pytest.raises(BadSettings, match="sources"):
        screen([], tmp_path / "out")


def test_what_killed_scans_left_is_removed_and_nothing_else(tmp_path):
    left = [".part-000003-host-17", ".part-000004.parquet.ab12.partial", "._manifest.json.cd34.partial"]
    other = [".sign", ".hidden", "part-000000.parquet", "_scan.json", "x.partial"]
    (tmp_path / "_fetched").mkdir()
    for name in [*left, *other, "_fetched/.page.json.gz.ef56.partial", "_fetched/page.json.gz"]:
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {*other, "_fetched/page.json.gz"}


def test_leftovers_of_one_file_are_told_from_those_of_others(tmp_path):
    for name in (".a.parquet.12.partial", ".b.parquet.34.partial"):
        (tmp_path / name).write_text("")
    remove_partials(tmp_path, "a.parquet")
    assert [path.name for path in tmp_path.iterdir()] == [".b.parquet.34.partial"]
    remove_partials(tmp_path / "nowhere")


def test_a_scan_result_is_a_path_and_cannot_be_changed(tmp_path):
    result = ScanResult(tmp_path, 3, 2)
    assert Path(result) == tmp_path
    with pytest.raises(AttributeError):
        result.n_rows = 4


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_what_to_do(tmp_path):
    write_jsonl(tmp_path / "t.jsonl", pool(1))
    (tmp_path / "script.py").write_text("from kappatune import screen\nscreen('t.jsonl', 'out', workers=1)\n")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1 and 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]


def test_a_framework_that_validates_filters_gets_its_own_error():
    with pytest.raises(ValidationError, match="not a chemical element"):
        Filters.model_validate({"elements": ["Xx"]})
    with pytest.raises(BadSettings, match="elements: 'Xx' is not a chemical element"):
        Filters(elements=("Xx",))
