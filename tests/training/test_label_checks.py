"""Labels are doubted before anything is trained."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from kappatune.cli import app
from kappatune.model.kappa_model import KappaModel
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import LabelledCrystal, LabelledTable, read_table
from kappatune.training import train
from kappatune.training.events import LabelsDoubted
from kappatune.training.label_doubts import DoubtfulLabels
from kappatune.training.recipe import BadRun
from tests.builders import rocksalt, supercell
from tests.training.tiny import recipe, stage, tables

FINETUNE = {"name": "own", "epochs": 1, "frozen": ["host"]}
MGO = rocksalt(12, 8, 4.212, "MgO")


@pytest.fixture(scope="module")
def fast():
    return KappaModel.load("fast")


@pytest.fixture(scope="module")
def textbook():
    """Measured values that `fast` has learnt, MgO at 57 among them; without repetitions."""
    rows = [row for row in read_table(SHIPPED_TABLES["shipped:textbook"]).rows if row.kappa > 1.2]
    others = [row for row in rows if row.crystal.formula != "MgO"]
    unnumbered = [replace(row, crystal=replace(row.crystal, file=None), number=None) for row in others]
    return [*unnumbered, label(MGO, 57.0)]


def finetuned(fast, rows, out=None, **settings):
    """The model, and what was doubted."""
    events = []
    table = LabelledTable("mine.csv", rows, [], "0" * 64)
    model = train(recipe(FINETUNE, start="fast"), table, out, start=fast, on_progress=events.append, **settings)
    return model, [doubt for event in events if isinstance(event, LabelsDoubted) for doubt in event.doubts]


def refused(fast, rows, out=None):
    with pytest.raises(DoubtfulLabels) as caught:
        finetuned(fast, rows, out)
    return caught.value


def with_value(rows, id, kappa):
    return [replace(row, kappa=kappa) if row.crystal.id == id else row for row in rows]


def scaled(rows, factor):
    return [replace(row, kappa=row.kappa * factor) for row in rows]


def label(crystal, kappa, fidelity="experiment"):
    return LabelledCrystal(crystal, kappa, fidelity)


def test_good_labels_raise_no_doubt(fast, textbook):
    model, doubts = finetuned(fast, textbook)
    assert doubts == []
    assert model.card.data[-1].label_doubts == {}


def test_two_values_of_one_crystal_stop(fast, textbook, tmp_path):
    """Whatever its cell and origin: MgO at 57 and at 600 in one table trained without a word."""
    other = replace(supercell(MGO, (2, 1, 1)), id="magnesia")
    other = replace(other, frac_coords=other.frac_coords + np.array([0.1, 0.2, 0.3]))
    error = refused(fast, [*textbook, label(other, 600.0)], tmp_path / "m")
    number = next(k for k, row in enumerate(textbook, 1) if row.crystal.id == "MgO")
    (conflict,) = [doubt for doubt in error.doubts if doubt.is_grave]
    assert (conflict.kind, conflict.row, conflict.id, conflict.formula) == (
        "conflict",
        len(textbook) + 1,
        "magnesia",
        "MgO",
    )
    assert (conflict.kappa_w_mk, conflict.other_rows) == (600.0, (number,))
    assert conflict.lower_w_mk < textbook[number - 1].kappa < conflict.upper_w_mk < 600
    assert f"row {conflict.row} (magnesia, MgO): 600 W/(m K), the same crystal as row {number}" in str(error)
    assert "trust_labels=True" in str(error)
    assert [doubt.kind for doubt in error.doubts] == ["conflict", "outlier"]
    written = [json.loads(line) for line in (tmp_path / "m" / "run" / "label_report.jsonl").read_text().splitlines()]
    assert [line["doubt"] for line in written] == [doubt.doubt for doubt in error.doubts]
    assert [path.name for path in (tmp_path / "m").rglob("*")] == ["run", "label_report.jsonl"]


def test_every_value_of_a_crystal_is_compared_with_every_other(fast, textbook):
    rows = [row for row in textbook if row.crystal.id != "MgO"]
    error = refused(fast, [*rows, label(MGO, 57.0), label(MGO, 45.0), label(MGO, 76.0)])
    assert [(d.kind, d.row - len(rows), d.other_rows[0] - len(rows)) for d in error.doubts] == [
        ("conflict", 3, 2),
        ("duplicate", 2, 1),
    ]


def test_what_differs_little_or_is_no_repetition_does_not_stop(fast, textbook):
    rows = [row for row in textbook if row.crystal.id not in {"MgO", "ZnS"}]
    polymorph = replace(next(row for row in textbook if row.crystal.id == "ZnS"), kappa=20.0)
    again = label(rows[0].crystal, rows[0].kappa)
    compressed = label(rocksalt(12, 8, 4.0, "MgO"), 110.0)
    model, doubts = finetuned(fast, [*rows, label(MGO, 57.0), compressed, polymorph, again])
    assert [(doubt.kind, doubt.is_grave) for doubt in doubts] == [("duplicate", False)]
    assert doubts[0].other_rows == (1,)
    assert model.card.data[-1].label_doubts == {"duplicate": 1}


def test_other_fidelities_are_compared_only_among_themselves(fast, textbook):
    dft = [replace(row, fidelity="dft", kappa=row.kappa * 1.6) for row in textbook]
    plan = recipe({**FINETUNE, "fidelity": "experiment", "joined": ["dft"]}, start="fast")
    events = []
    train(plan, LabelledTable("t", [*textbook, *dft], [], "0" * 64), start=fast, on_progress=events.append)
    assert not any(isinstance(event, LabelsDoubted) for event in events)


@pytest.mark.parametrize(
    ("to_table", "sentence"),
    [
        (lambda kappa: 1000 * kappa, r"values are (9\d\d|1,\d\d\d) times what the model 'fast' .* in mW/\(m K\)"),
        (lambda kappa: kappa / 100, r"values are 1/(9\d|1\d\d) of what .* in W/\(cm K\)"),
        (lambda kappa: kappa / 1000, r"values are 1/(9\d\d|1,\d\d\d) of what .* in kW/\(m K\)"),
        (lambda kappa: 1 / kappa, r"thermal resistivities in m K/W; give conductivities"),
    ],
    ids=["mW", "per cm", "kW", "resistivity"],
)
def test_a_table_in_another_unit_stops_with_factor_and_unit(fast, textbook, to_table, sentence):
    error = refused(fast, [replace(row, kappa=to_table(row.kappa)) for row in textbook])
    assert [doubt.kind for doubt in error.doubts if doubt.is_grave] == ["shift"]
    assert error.doubts[0].row is None
    with pytest.raises(DoubtfulLabels, match=sentence):
        raise error


def test_some_rows_in_another_unit_stop_and_are_named(fast, textbook):
    rows = [*textbook[:-5], *scaled(textbook[-5:], 1000)]
    error = refused(fast, rows)
    assert error.doubts[0].other_rows == tuple(range(len(rows) - 4, len(rows) + 1))
    assert "5 of its" in str(error) and "in mW/(m K)" in str(error)
    assert not [doubt for doubt in error.doubts if doubt.kind == "outlier"]


def test_a_typing_error_is_named_and_training_goes_on(fast, textbook, tmp_path):
    rows = with_value(textbook, "MgO", 600.0)
    model, (outlier,) = finetuned(fast, rows, tmp_path / "m")
    assert (outlier.kind, outlier.id, outlier.kappa_w_mk) == ("outlier", "MgO", 600.0)
    assert outlier.row == next(k for k, row in enumerate(rows, 1) if row.crystal.id == "MgO")
    expected = fast.predict(MGO, "dft")[0]
    assert outlier.expected_w_mk == pytest.approx(expected.kappa_w_mk, rel=0.1)
    assert outlier.lower_w_mk < outlier.expected_w_mk < outlier.upper_w_mk < 200
    assert outlier.doubt.startswith("600 W/(m K), where the model 'fast' expects ")
    assert model.card.data[-1].label_doubts == {"outlier": 1}
    assert KappaModel.load(tmp_path / "m").card == model.card


@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_a_table_that_is_shifted_by_less_trains(fast, textbook, factor):
    """Nanostructured samples conduct several times less; the odd one among them still stands out."""
    _, doubts = finetuned(fast, scaled(textbook, factor))
    assert not [doubt for doubt in doubts if doubt.kind == "outlier" or doubt.is_grave]
    _, doubts = finetuned(fast, scaled(with_value(textbook, "MgO", 600.0), factor))
    assert [doubt.id for doubt in doubts if doubt.kind == "outlier"] == ["MgO"]


def test_trusted_labels_train_and_are_counted(fast, textbook):
    model, doubts = finetuned(fast, scaled(textbook, 1000.0), trust_labels=True)
    assert model.card.data[-1].label_doubts == {"shift": 1}
    assert doubts[0].is_grave


def test_a_model_in_memory_is_finetuned_with_the_same_flag(fast, quick_recipe):
    pairs = [(MGO, kappa) for kappa in (56.0, 57.0, 58.0, 59.0, 600.0)]
    with pytest.raises(DoubtfulLabels, match="pairs, row 5"):
        fast.finetune(pairs, recipe=quick_recipe)
    model = fast.finetune(pairs, recipe=quick_recipe, trust_labels=True)
    assert model.card.data[-1].label_doubts == {"conflict": 1, "outlier": 1, "duplicate": 3}


def test_a_refused_run_is_repeated_with_the_corrected_table(fast, textbook, tmp_path):
    wrong = [*textbook, label(MGO, 600.0)]
    refused(fast, wrong, tmp_path / "m")
    refused(fast, wrong, tmp_path / "m")
    with pytest.raises(DoubtfulLabels):
        finetuned(fast, wrong, tmp_path / "m", resume=True)
    finetuned(fast, textbook, tmp_path / "m")
    with pytest.raises(BadRun, match="not empty"):
        finetuned(fast, textbook, tmp_path / "m")


def test_labels_that_were_trusted_are_so_when_the_run_is_resumed(fast, textbook, tmp_path):
    wrong = [*textbook, label(MGO, 600.0)]
    first, _ = finetuned(fast, wrong, tmp_path / "m", trust_labels=True)
    (tmp_path / "m" / "card.json").unlink()
    again, doubts = finetuned(fast, wrong, tmp_path / "m", resume=True)
    assert again.card == first.card
    assert {doubt.kind for doubt in doubts} == {"conflict", "outlier"}


def test_a_recipe_that_starts_from_a_host_counts_and_goes_on(textbook):
    events = []
    table = LabelledTable("t", [*scaled(textbook, 1000), label(MGO, 600.0)], [], "0" * 64)
    model = train(recipe({"name": "x", "epochs": 1}), table, on_progress=events.append)
    assert model.card.data[0].label_doubts == {"conflict": 1, "shift": 1, "outlier": 1}
    (event,) = [event for event in events if isinstance(event, LabelsDoubted)]
    assert str(event).startswith("labels in doubt: 1 conflict, 1 shifted table, 1 outlier\n  conflict")


def test_tables_of_one_stage_are_compared_without_stopping(fast, textbook):
    first = LabelledTable("first", textbook, [], "0" * 64)
    second = LabelledTable("second", [label(MGO, 120.0)], [], "1" * 64)
    events = []
    train(recipe(FINETUNE, start="fast"), lambda _: [first, second], start=fast, on_progress=events.append)
    (doubt,) = next(event.doubts for event in events if isinstance(event, LabelsDoubted))
    assert (doubt.kind, doubt.table, doubt.other_table, doubt.is_grave) == ("conflict", "second", "first", False)


def test_a_stage_that_pretrains_uses_no_labels():
    pretraining = {"name": "pre", "pretrain": "theta", "epochs": 1, "fidelity": "agl"}
    model = train(recipe(pretraining, stage("dft", epochs=1)), tables)
    assert model.card.data[0].label_doubts == {}


@pytest.fixture
def quick_recipe(tmp_path):
    path = tmp_path / "quick.yaml"
    path.write_text("name: quick\nstart: fast\nstages: [{name: own, epochs: 1, frozen: [host]}]\n")
    return path


@pytest.fixture
def csv_table(tmp_path, textbook):
    def write(rows, **more):
        path = tmp_path / "mine.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "kappa", "file", *more])
            for k, row in enumerate(rows):
                structure = tmp_path / f"{row.crystal.id}.cif"
                row.crystal.to_pymatgen().to(filename=str(structure))
                writer.writerow([row.crystal.id, row.kappa, structure.name, *(column[k] for column in more.values())])
        return path

    return write


def test_the_command_stops_with_2_and_goes_on_where_it_is_told_to(csv_table, textbook, tmp_path, quick_recipe, capfd):
    rows = textbook[:12]
    path, out = csv_table([*rows, replace(rows[3], kappa=rows[3].kappa * 10)]), tmp_path / "m"
    command = ["train", str(quick_recipe), "--data", str(path), "--out", str(out)]
    stopped = CliRunner().invoke(app, command)
    assert stopped.exit_code == 2
    assert not capfd.readouterr().out
    assert f"conflict   mine.csv, row 13 ({rows[3].crystal.id}" in stopped.stderr
    assert "with --trust-labels (in Python: trust_labels=True)" in stopped.stderr
    assert f"All doubts: {out / 'run' / 'label_report.jsonl'}" in stopped.stderr
    trusted = CliRunner().invoke(app, [*command, "--trust-labels"])
    assert trusted.exit_code == 0
    assert capfd.readouterr().out.strip() == str(out)
    assert "labels in doubt: 1 conflict" in trusted.stderr
    assert CliRunner().invoke(app, ["info", str(out)]).exit_code == 0
    assert "mine.csv: 13 crystals, experiment; labels in doubt: 1 conflict" in capfd.readouterr().out


def test_logarithms_stop_also_where_they_are_negative(fast, csv_table, textbook, quick_recipe):
    logarithms = [-0.4, -0.1, 0.3, 0.9, 1.2, 1.5, 1.8, 2.1]
    rows = [replace(row, kappa=value) for row, value in zip(textbook, logarithms, strict=False)]
    with pytest.raises(DoubtfulLabels, match=r"2 values are zero or below.* seem to be logarithms"):
        train(quick_recipe, csv_table(rows), start=fast)
    pairs = [(row.crystal, row.kappa) for row in rows]
    with pytest.raises(DoubtfulLabels, match="seem to be logarithms"):
        train(quick_recipe, pairs, start=fast)


def test_values_at_other_temperatures_are_no_conflicts(csv_table, textbook):
    rows = [textbook[0], replace(textbook[0], kappa=textbook[0].kappa / 2), textbook[1], textbook[2]]
    table = read_table(csv_table(rows, **{"T (K)": [300, 600, 295, ""]}), default_fidelity="experiment")
    assert [row.number for row in table.rows] == [1, 3, 4]
    (rejection,) = table.rejections
    assert rejection.reason.startswith("row 2: its value is one at 600 K, and models learn values at 300 K")
