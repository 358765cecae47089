from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from kappatune.cli import app
from kappatune.screening import BadScan, suggest
from kappatune.screening import suggestions as suggest_module
from kappatune.screening.acquisition import choose, expected_improvement, probability, standard_deviation, widened
from kappatune.screening.rows import SCHEMA
from kappatune.settings import BadSettings
from kappatune.structures import read_crystals
from kappatune.structures.crystal import element_symbol
from tests.builders import rocksalt


def one_element(*elements: int) -> np.ndarray:
    return np.eye(10)[list(elements)]


@st.composite
def candidates(draw):
    m = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    distance = rng.uniform(0.1, 2.0, m) * (rng.random(m) > 0.2)
    spread = rng.uniform(0.0, 1.0, m)
    spread[rng.random(m) < 0.1] = np.nan
    return rng.normal(1.0, 1.0, m), spread, distance, rng.dirichlet(np.full(6, 0.3), m)


@settings(max_examples=60, deadline=None)
@given(candidates(), st.integers(1, 40), st.sampled_from(["low", "high"]), st.randoms(use_true_random=False))
def test_choice_is_distinct_unlabelled_complete_and_does_not_depend_on_order(given_, n, seek, random):
    ln_kappa, spread, distance, fractions = given_
    sigma = widened(spread, distance)
    chosen = choose(ln_kappa, sigma, distance, fractions, n, target=0.3, seek=seek)
    assert len({*chosen.tolist()}) == len(chosen) == min(n, int((distance > 0).sum()))
    assert (distance[chosen] > 0).all()
    order = np.array(random.sample(range(len(ln_kappa)), len(ln_kappa)))
    again = choose(ln_kappa[order], sigma[order], distance[order], fractions[order], n, target=0.3, seek=seek)
    assert order[again].tolist() == chosen.tolist()


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-3, 3),
    st.floats(0.01, 2),
    st.floats(1.01, 3),
    st.floats(0.01, 2),
    st.floats(-1, 1),
    st.sampled_from(["low", "high"]),
)
def test_improvement_grows_with_width_and_with_the_way_past_the_target(ln_kappa, sigma, factor, step, target, seek):
    better = ln_kappa - step if seek == "low" else ln_kappa + step
    centre, width = np.array([ln_kappa, ln_kappa, better]), np.array([sigma, factor * sigma, sigma])
    usual, wide, far = expected_improvement(centre, width, target, seek)
    assert wide >= usual and far >= usual >= 0
    assert usual >= (target - ln_kappa if seek == "low" else ln_kappa - target) - 1e-9
    chance = probability(centre, width, target, seek)
    assert chance[2] >= chance[0] and ((chance >= 0) & (chance <= 1)).all()


def test_improvement_is_the_mean_over_the_law():
    draws = np.random.default_rng(0).normal(1.2, 0.7, 400_000)
    args = np.array([1.2]), np.array([0.7]), 0.8
    assert expected_improvement(*args, "low")[0] == pytest.approx(np.maximum(0.8 - draws, 0).mean(), rel=0.01)
    assert expected_improvement(*args, "high")[0] == pytest.approx(np.maximum(draws - 0.8, 0).mean(), rel=0.01)
    assert probability(*args, "low")[0] == pytest.approx((draws < 0.8).mean(), rel=0.01)


def test_width_grows_with_distance_and_unknown_parts_add_nothing():
    spread, distance = np.array([0.3, 0.3, 0.3, np.nan, np.nan]), np.array([0.2, 1.0, np.nan, 1.0, np.nan])
    sigma = widened(spread, distance)
    assert sigma[0] < sigma[1] and sigma[2] == pytest.approx(0.3) and sigma[3] == pytest.approx(0.5) and sigma[4] > 0


def test_the_calibrated_interval_goes_before_the_spread_of_the_members():
    half_width, spread, distance = np.array([1.645, np.nan]), np.array([0.1, 0.1]), np.array([2.0, 2.0])
    assert standard_deviation(half_width, spread, distance) == pytest.approx([1.0, np.hypot(0.1, 1.0)])


def test_copies_wait_until_all_else_is_chosen():
    fractions = one_element(1, 1, 1, 2, 3)
    ln_kappa = np.array([0.0, 0.01, 0.02, 0.4, 0.5])
    chosen = choose(ln_kappa, np.full(5, 0.2), np.ones(5), fractions, 5, target=0.1)
    assert chosen.tolist() == [0, 3, 4, 1, 2]


def test_relatives_count_less():
    fractions = np.array([[0.5, 0.5, 0.0, 0.0], [0.4, 0.6, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]])
    chosen = choose(np.array([0.0, 0.05, 0.1]), np.full(3, 0.2), np.ones(3), fractions, 3, target=0.3)
    assert chosen.tolist() == [0, 2, 1]


def row(a: int, b: int, kappa: float, distance: float | None = 1.0, **other: object) -> dict[str, object]:
    crystal = rocksalt(a, b, 5.0, f"{element_symbol(a)}{element_symbol(b)}")
    near = {"id": "x", "formula": "MgO", "kappa_w_mk": 60.0, "fidelity": "experiment", "source": "s"}
    return {
        "id": crystal.id,
        "formula": crystal.formula,
        "anonymous_formula": "AB",
        "n_atoms": 2,
        "elements": sorted([element_symbol(a), element_symbol(b)]),
        "kappa_w_mk": kappa,
        "lower_w_mk": kappa / 1.5,
        "upper_w_mk": kappa * 1.5,
        "members_w_mk": [kappa / 1.2, kappa, kappa * 1.2],
        "in_domain": True,
        "known_rungs": [],
        "nearest": None if distance is None else [near | {"distance": distance}],
        "structure_hash": f"hash of {crystal.id}",
        "lattice": crystal.lattice.ravel().tolist(),
        "numbers": crystal.numbers.tolist(),
        "frac_coords": crystal.frac_coords.ravel().tolist(),
    } | other


def write_scan(folder: Path, *parts: list[dict[str, object]], claim: str = '{"fidelity": "dft"}') -> Path:
    folder.mkdir()
    for index, rows in enumerate(parts):
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / f"part-{index:06d}.parquet")
    (folder / "_scan.json").write_text(claim)
    (folder / "_manifest.json").write_text("{}")
    return folder


@pytest.fixture
def scan(tmp_path):
    return write_scan(
        tmp_path / "scan [1] *",
        [
            row(55, 53, 0.5),
            row(37, 53, 0.6, in_domain=False, reason="out of it"),
            row(82, 52, 0.7, known_rungs=["agl", "dft"]),
            row(81, 35, 0.8, known_rungs=["agl"]),
            row(55, 53, 0.51, id="again", structure_hash="hash of CsI"),
        ],
        [
            row(19, 17, 0.9, distance=0.0),
            row(55, 53, 0.52, id="polymorph", structure_hash="other"),
            row(56, 16, 3.0, distance=None, members_w_mk=[3.0]),
            row(12, 8, 50.0),
            row(14, 14, 1.0, kappa_w_mk=None, members_w_mk=None, reason="no neighbours"),
        ],
    )


def ids(folder: Path, **values: object) -> list[str]:
    return [crystal.id for crystal in suggest(folder, **values)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "CsI TlBr MgO polymorph BaS"),
        ({"n": 2}, "CsI TlBr"),
        ({"seek": "high", "n": 1}, "MgO"),
        ({"in_domain_only": False, "n": 2}, "CsI RbI"),
        ({"fidelity": "agl"}, "CsI MgO polymorph BaS"),
        ({"fidelity": "experiment", "n": 3}, "CsI PbTe TlBr"),
        ({"novel": True, "without": ("O", "Cs")}, "BaS"),
        ({"elements": ("Tl",)}, "TlBr"),
        ({"min_atoms": 3}, ""),
        ({"prototypes": ("AB2",)}, ""),
    ],
)
def test_filters_and_what_is_left_out(scan, values, expected):
    assert ids(scan, **values) == expected.split()


def test_a_suggestion_says_why(scan):
    first, *_ = suggest(scan)
    assert first.lower_w_mk < first.kappa_w_mk < first.upper_w_mk
    assert first.target_w_mk == pytest.approx(0.5, rel=0.006)  # the lowest 5 % of eight
    spread = np.log([0.5 / 1.2, 0.5, 0.5 * 1.2]).std(ddof=1)
    assert first.sigma == pytest.approx(np.hypot(spread, 0.5))
    law = np.log([0.5]), np.array([first.sigma]), np.log(first.target_w_mk), "low"
    assert first.expected_improvement == pytest.approx(expected_improvement(*law)[0])
    assert first.probability == pytest.approx(probability(*law)[0])
    assert (first.nearest_formula, first.nearest_kappa_w_mk, first.nearest_distance) == ("MgO", 60.0, 1.0)
    assert first.crystal().formula == "CsI" and "lattice" not in first.model_dump()


def test_a_calibrated_interval_decides_the_width(tmp_path):
    kinds = {"KCl": "calibrated", "NaCl": "partly calibrated", "LiCl": "not calibrated"}
    rows = [
        row(metal, 17, 1.0, interval=kind, lower_w_mk=0.1, upper_w_mk=10.0)
        for metal, kind in zip((19, 11, 3), kinds.values(), strict=True)
    ]
    write_scan(tmp_path / "scan", rows)
    sigma = {crystal.id: crystal.sigma for crystal in suggest(tmp_path / "scan")}
    assert sigma["KCl"] == sigma["NaCl"] == pytest.approx(np.log(10.0) / 1.645)
    assert sigma["LiCl"] == pytest.approx(np.hypot(np.log([1 / 1.2, 1, 1.2]).std(ddof=1), 0.5))


def test_a_long_scan_gives_what_a_short_one_gives(scan, monkeypatch):
    whole = ids(scan)
    monkeypatch.setattr(suggest_module, "_ROWS_AT_ONCE", 2)
    assert ids(scan) == whole
    monkeypatch.setattr(suggest_module, "SHORTLIST_SIZE", 0)  # eight for every one that is wanted remain
    assert ids(scan, n=1) == whole[:1]


def test_the_shortlist_holds_the_best(tmp_path, monkeypatch):
    metals, others = (3, 11, 19, 37, 55, 12, 20, 38), (9, 17, 35, 53)
    rows = [row(a, b, 1.0 + k) for k, (a, b) in enumerate((a, b) for b in others for a in metals)]
    best = [entry["id"] for entry in rows[:8]]
    monkeypatch.setattr(suggest_module, "SHORTLIST_SIZE", 0)
    monkeypatch.setattr(suggest_module, "_ROWS_AT_ONCE", 5)
    scan = write_scan(tmp_path / "s", rows[::-1])
    assert ids(scan, n=1) == best[:1] and {*ids(scan, n=4)} <= {entry["id"] for entry in rows}


def test_folders_that_cannot_be_used(scan, tmp_path):
    with pytest.raises(BadScan, match="no such folder"):
        suggest(tmp_path / "nowhere")
    mute = write_scan(tmp_path / "mute", [row(12, 8, 50.0)], claim="{}")
    with pytest.raises(BadScan, match="give --fidelity"):
        suggest(mute)
    assert ids(mute, fidelity="dft") == ["MgO"]
    old = tmp_path / "old"
    old.mkdir()
    pq.write_table(pq.read_table(scan / "part-000000.parquet").drop_columns(["nearest"]), old / "part-0.parquet")
    with pytest.raises(BadScan, match="column 'nearest' is missing"):
        suggest(old, fidelity="dft")


def test_settings_that_cannot_be_met_are_refused():
    for values in ({"n": 0}, {"seek": "middle"}, {"fidelity": "dtf"}, {"elements": ("Xx",)}):
        with pytest.raises(BadSettings):
            suggest("no scan is read before", **values)


@pytest.fixture
def command(capfd):
    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        result = CliRunner().invoke(app, ["suggest", *map(str, arguments)])
        out, err = capfd.readouterr()
        return result.exit_code, out, err + result.stderr

    return run


def test_command_prints_json_csv_a_table_and_cifs(scan, command, tmp_path):
    code, out, err = command(scan, "-n", 2, "--json", "--cif", tmp_path / "cifs")
    rows = json.loads(out)
    assert (code, [entry["id"] for entry in rows]) == (0, ["CsI", "TlBr"]) and "target: below" in err
    assert [crystal.formula for crystal in read_crystals([tmp_path / "cifs"])] == ["CsI", "TlBr"]
    code, out, err = command(scan, "--csv", "--seek", "high", "-n", 1)
    (line,) = csv.DictReader(io.StringIO(out))
    assert (code, line["id"], list(line)) == (0, "MgO", list(rows[0])) and "target: above" in err
    code, out, err = command(scan, "--anywhere", "--fidelity", "agl")
    assert code == 0 and "RbI" in out and "TlBr" not in out and "MgO: 60 (experiment)" in out


def test_a_scan_of_strangers_leaves_nothing_but_a_hint(tmp_path, command):
    scan = write_scan(tmp_path / "s", [row(55, 53, 0.5, in_domain=False), row(12, 8, 50.0, in_domain=None)])
    code, out, err = command(scan, "--json")
    assert (code, json.loads(out)) == (0, []) and "no crystal is left" in err and "--anywhere" in err
    code, out, err = command(scan, "--json", "--anywhere")
    assert (code, len(json.loads(out))) == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 1, "no such folder"),
        (["SCAN", "--cif", "SCAN"], 1, "give a new one"),
        (["SCAN", "--json", "--csv"], 2, "not both"),
        (["SCAN", "--seek", "middle"], 2, "low"),
        (["SCAN", "--fidelity", "dtf"], 2, "fidelity"),
        (["SCAN", "-n", "0"], 2, "limit"),
    ],
)
def test_errors_are_sentences(scan, command, arguments, code, message):
    exit_code, out, err = command(*(argument.replace("SCAN", str(scan)) for argument in arguments))
    assert (exit_code, out) == (code, ""), err
    assert message in err and "Traceback" not in err
