from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase.atoms import Atoms
from pymatgen.core import Composition, Element

from kappatune.data.prototypes import dataset
from kappatune.data.prototypes.competition import compute_composition
from kappatune.data.prototypes.compositions import (
    ELEMENTS,
    CandidateComposition,
    balanced,
    candidate_compositions,
    electronegativity,
    perovskite_fits,
)
from kappatune.data.prototypes.dataset import BadDataset, PartFinished, compute_dataset, summarise
from kappatune.data.prototypes.rows import row_of
from kappatune.data.prototypes.templates import MAX_ATOMS, Template, templates
from kappatune.potentials import load_potential
from kappatune.structures import read_table
from tests import toy_potentials as toy

COPPER = f"{Path(toy.__file__)}:copper"
SOME = list(itertools.islice(candidate_compositions(), 3000))
numbers_of = {e.symbol: e.Z for e in Element}


def composition(formula: str) -> dict[int, int]:
    return {numbers_of[symbol]: int(n) for symbol, n in Composition(formula).as_dict().items()}


def candidate(formula: str, bonding: str) -> CandidateComposition:
    return CandidateComposition(tuple(sorted(composition(formula).items())), bonding)


def template(title: str) -> Template:
    (found,) = [t for t in templates() if t.title == title]
    return found


def group(cell: Atoms) -> int:
    return spglib.get_symmetry_dataset((cell.cell.array, cell.get_scaled_positions(), cell.numbers), 1e-3).number


def test_the_library_is_as_large_as_promised_and_small_in_cells():
    assert len(templates()) >= 70 and len({t.label for t in templates()}) == len(templates())
    assert max(len(t.cell) for t in templates()) <= MAX_ATOMS


@pytest.mark.parametrize(
    ("title", "formula", "number"),
    [
        ("rock salt", "NaCl", 225),
        ("fluorite", "CaF2", 225),
        ("fluorite", "Li2O", 225),
        ("perovskite", "SrTiO3", 221),
        ("half-Heusler", "TiNiSn", 216),
        ("wurtzite", "AlN", 186),
        ("rutile", "TiO2", 136),
        ("Laves MgCu2", "MgCu2", 227),
        ("ZrCuSiAs", "LaFeAsO", 129),
    ],
)
def test_filled_prototypes_keep_formula_and_symmetry(title, formula, number):
    cell = template(title).filled(composition(formula))
    assert Composition(cell.get_chemical_formula()).reduced_composition == Composition(formula)
    assert group(cell) == number


def neighbours_of_centre(cell: Atoms, centre: str) -> list[float]:
    """Distances from an atom to the two others of a cell of three."""
    k = cell.get_chemical_symbols().index(centre)
    images = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ cell.cell.array
    others = [p for j, p in enumerate(cell.positions) if j != k]
    return [float(np.linalg.norm(images + p - cell.positions[k], axis=1).min()) for p in others]


def test_roles_go_by_electronegativity():
    for title, formula, centre in (
        ("half-Heusler", "TiNiSn", "Ni"),
        ("half-Heusler, anion inside", "LiZnP", "P"),
    ):
        first, second = neighbours_of_centre(template(title).filled(composition(formula)), centre)
        assert first == pytest.approx(second)
    oxide = template("ZrCuSiAs").filled(composition("LaFeAsO"))
    heights = dict(zip(oxide.get_chemical_symbols(), oxide.get_scaled_positions()[:, 2] % 1.0, strict=True))
    assert heights["O"] == pytest.approx(0.0, abs=1e-6) or heights["O"] == pytest.approx(0.5, abs=1e-6)
    assert template("rock salt").filled(composition("CaF2")) is None


def test_the_order_of_compositions_is_fixed_and_grows_at_its_end():
    again = list(itertools.islice(candidate_compositions(), 1000))
    assert again == SOME[:1000]
    assert [c.amounts[0][0] for c in SOME[: len(ELEMENTS)]] == list(ELEMENTS)
    assert len(set(SOME)) == len(SOME)
    kinds = Counter(c.bonding for c in SOME)
    assert min(kinds["ionic"], kinds["metallic"]) > 1000
    assert len({z for c in SOME for z, _ in c.amounts}) >= 70


def test_every_composition_has_a_prototype():
    for c in SOME:
        fits = [t for t in templates() if c.bonding in t.bondings and t.filled(dict(c.amounts)) is not None]
        assert fits, c.formula


@pytest.mark.parametrize("formula", ["NaCl", "CaF2", "Al2O3", "LaFeAsO", "ZnGeP2", "Li3N"])
def test_charge_balance(formula):
    assert balanced(composition(formula))


def test_of_two_elements_of_one_electronegativity_either_may_be_the_anion():
    assert electronegativity(numbers_of["Cu"]) == electronegativity(numbers_of["Si"])
    for order in itertools.permutations(composition("CaCuSi").items()):
        assert balanced(dict(order))


@pytest.mark.parametrize("formula", ["NaCl2", "CaF", "MgO2", "AlO2"])
def test_charge_imbalance(formula):
    assert not balanced(composition(formula))


def test_ionic_compositions_are_balanced_and_polar():
    for chosen in SOME:
        if chosen.bonding == "ionic":
            assert balanced(dict(chosen.amounts)), chosen.formula
            values = [electronegativity(z) for z, _ in chosen.amounts]
            assert max(values) - min(values) >= 0.2, chosen.formula


def test_perovskites():
    sr, ti, o, cs, pb, i, mg = (numbers_of[s] for s in ["Sr", "Ti", "O", "Cs", "Pb", "I", "Mg"])
    assert perovskite_fits(sr, ti, o) and perovskite_fits(cs, pb, i)
    assert not perovskite_fits(cs, ti, o)  # no charge balance
    assert not perovskite_fits(mg, ti, o)  # too small a cation


def test_silicon_is_diamond():
    silicon = load_potential(f"{Path(toy.__file__)}:silicon")
    result = compute_composition(candidate("Si", "element"), silicon, {})
    best = min(result.crystals, key=lambda entry: entry.above_best_ev)
    assert best.template.title in ("diamond", "ground state") and best.relaxed.space_group == 227
    assert best.above_best_ev == best.formation_energy_ev == 0.0
    assert result.lowest_ev == pytest.approx(-4.63, abs=0.01)
    assert any("duplicate" in reason for _, reason in result.dropped)
    row = row_of(best, "a potential")
    assert row["formula"] == "Si" and row["kappa_w_mk_300k"] > 0 and row["source"].endswith("a potential")


@pytest.mark.slow
def test_compounds_refer_to_their_elements():
    copper = load_potential(COPPER)
    alloy = candidate("CuAu", "metallic")
    elements = {
        z: compute_composition(candidate(s, "element"), copper, {}).lowest_ev for z, s in ((29, "Cu"), (79, "Au"))
    }
    result = compute_composition(alloy, copper, elements)
    assert result.crystals and all(-0.5 < e.formation_energy_ev <= 0 for e in result.crystals)
    assert all(e.n_competing > 3 and e.above_best_ev <= 0.1 for e in result.crystals)
    hopeless = compute_composition(alloy, copper, {z: energy - 1.0 for z, energy in elements.items()})
    assert not hopeless.crystals and "falls apart" in hopeless.dropped[-1][1]
    orphan = compute_composition(alloy, copper, {29: elements[29]})
    assert orphan.dropped == [("all", "no reference energy: nothing relaxed for Au")]


def test_what_a_potential_cannot_do_is_dropped_with_its_reason():
    result = compute_composition(candidate("NaCl", "ionic"), load_potential(COPPER), {11: -1.0, 17: -1.0})
    assert not result.crystals and result.lowest_ev is None
    assert all("cannot evaluate" in reason for _, reason in result.dropped)


@pytest.fixture
def few(monkeypatch):
    chosen = [candidate(s, "element") for s in ("Cu", "Au", "Na")]
    chosen += [candidate(s, "metallic") for s in ("CuAu", "Cu3Au", "NaAu")]
    monkeypatch.setattr(dataset, "candidate_compositions", lambda: iter(chosen))
    monkeypatch.setattr(dataset, "ELEMENTS", ELEMENTS[:3])
    monkeypatch.setattr(dataset, "PART_SIZE", 2)


@pytest.mark.slow
def test_a_data_set_grows_and_goes_on(few, tmp_path):
    first = compute_dataset(tmp_path, COPPER, 1, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["part-000.parquet", "part-001.parquet"]
    events = []
    second = compute_dataset(tmp_path, COPPER, 2, 1, events.append)
    (event,) = events
    assert isinstance(event, PartFinished) and (event.part, event.n_compositions) == (2, 1)
    assert str(event).startswith("part 2: ")
    assert all((tmp_path / name).read_bytes() == content for name, content in before.items())
    assert (first.n_compositions, second.n_compositions) == (5, 6)
    assert second == summarise(tmp_path) and sum(second.dropped.values()) > 0
    table = read_table(tmp_path)
    assert len(table.rows) == second.n_crystals >= 4 and not table.rejections
    assert {row.fidelity for row in table.rows} == {"agl"}
    assert all(row.properties["debye_temperature_k"] > 0 for row in table.rows)
    with pytest.raises(BadDataset, match="made with"):
        compute_dataset(tmp_path, f"{Path(toy.__file__)}:silicon", 2, 1)


def test_an_empty_folder_is_no_data_set(tmp_path):
    with pytest.raises(BadDataset, match="no parts"):
        summarise(tmp_path)
