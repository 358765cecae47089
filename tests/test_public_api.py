"""What a user imports: `kappatune.*`, whatever else has been imported."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import FunctionType

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

import kappatune
from kappatune import Crystal, KappaModel, Rejection
from tests.builders import rocksalt

SOURCE = Path(kappatune.__file__).parent
SMALL_MODEL = Path(__file__).parent / "frozen" / "v0_1_0" / "bundles" / "debye-trees"
VERBS = ["agl", "predict", "rank", "read_crystals", "read_table", "report", "screen", "suggest", "train", "verify"]
TYPES = sorted(set(kappatune.__all__) - set(VERBS) - {"__version__"})


@pytest.fixture(scope="module", autouse=True)
def every_submodule():
    names = [module.name for module in pkgutil.walk_packages(kappatune.__path__, "kappatune.")]
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    return names


def test_dir_shows_the_public_names_and_nothing_else(every_submodule):
    assert dir(kappatune) == sorted(kappatune.__all__)
    assert set(VERBS) < set(kappatune.__all__)
    exec("from kappatune import *", names := {})
    assert set(kappatune.__all__) <= names.keys()


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_stays_a_function_when_every_submodule_is_imported(name):
    verb = getattr(kappatune, name)
    assert isinstance(verb, FunctionType) and verb.__name__ == name
    assert f"kappatune.{name}" not in sys.modules, "a package of this name would overwrite the verb"


def fully_annotated(function: FunctionType) -> bool:
    signature = inspect.signature(function)
    parameters = [one for one in signature.parameters.values() if one.name not in ("self", "cls")]
    return all(one.annotation is not one.empty for one in (*parameters,)) and (
        signature.return_annotation is not signature.empty
    )


def public_methods(kind: type) -> list[FunctionType]:
    """The public methods and properties that a class of kappatune defines itself."""
    found = []
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        member = getattr(member, "fget", None) or getattr(member, "func", None) or member
        member = getattr(member, "__func__", member)
        if isinstance(member, FunctionType):
            found.append(member)
    return found


@pytest.mark.parametrize("name", VERBS)
def test_verbs_are_documented_and_annotated(name):
    verb = getattr(kappatune, name)
    assert verb.__doc__ and fully_annotated(verb)
    for parameter in inspect.signature(verb).parameters:
        assert f"{parameter}:" in verb.__doc__, f"{name} does not say what {parameter} is"


@pytest.mark.parametrize("name", TYPES)
def test_types_are_documented_and_annotated(name):
    kind = getattr(kappatune, name)
    assert inspect.isclass(kind) and kind.__doc__
    for method in public_methods(kind):
        assert method.__doc__ and fully_annotated(method), method.__qualname__


def test_no_two_classes_have_one_name():
    places = defaultdict(list)
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(SOURCE)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_the_package_imports_without_its_heavy_parts():
    code = (
        "import sys, kappatune; dir(kappatune); kappatune.__version__;"
        "print([name for name in ('torch', 'numpy', 'pandas', 'pymatgen', 'ase') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_predict_answers():
    rows = kappatune.predict([rocksalt(12, 8, 4.212), Rejection("bad", "because")], SMALL_MODEL)
    assert rows[0].kappa_w_mk > 0 and rows[1].reason == "because"
    assert list(rows.to_pandas().columns) == list(kappatune.Prediction.model_fields)
    assert rows == kappatune.predict(
        [rocksalt(12, 8, 4.212), Rejection("bad", "because")], KappaModel.load(SMALL_MODEL)
    )


def test_train_gives_a_model():
    pairs = [(rocksalt(metal, 8, 4.2 + 0.1 * k), 5.0 + k) for k, metal in enumerate([12, 20, 25, 26, 27, 28, 38])]
    model = kappatune.train("finetune", pairs, start=SMALL_MODEL, on_progress=lambda event: None)
    assert isinstance(model, KappaModel) and model.default_fidelity == "experiment"


def test_agl_computes():
    (row,) = kappatune.agl(bulk("Cu"), EMT())
    assert 200 < row.debye_temperature_k < 500


def test_verify_gives_a_row():
    (row,) = kappatune.verify(Rejection("bad", "because"), EMT(), model=None)
    assert (row.id, row.kappa_bte_w_mk, row.reason) == ("bad", None, "because")


def test_a_scan_is_made_ranked_searched_and_reported(tmp_path):
    structures = [rocksalt(metal, 8, 4.2 + 0.1 * k, str(metal)).to_pymatgen() for k, metal in enumerate([12, 20, 38])]
    (tmp_path / "in").mkdir()
    for number, structure in enumerate(structures):
        structure.to(filename=str(tmp_path / "in" / f"{number}.cif"))
    scan = kappatune.screen(tmp_path / "in", tmp_path / "scan", SMALL_MODEL, workers=1, on_progress=lambda event: None)
    assert (scan.n_rows, scan.n_answered) == (3, 3)
    ranked = kappatune.rank(scan, n=2)
    assert len(ranked) == 2 and ranked[0].kappa_w_mk <= ranked[1].kappa_w_mk
    assert isinstance(kappatune.suggest(scan, in_domain_only=False), kappatune.Results)
    assert kappatune.report(scan).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_crystals_and_tables_are_read(tmp_path):
    bulk("Cu").write(tmp_path / "cu.cif")
    (crystal,) = kappatune.read_crystals([tmp_path / "cu.cif"])
    assert isinstance(crystal, Crystal) and crystal.formula == "Cu"
    (tmp_path / "table.csv").write_text("id,kappa,file\nCu,400,cu.cif\n")
    (row,) = kappatune.read_table(tmp_path / "table.csv", default_fidelity="experiment").rows
    assert row.kappa == 400
