"""Every setting of gemmi's table, in every spelling: the right crystal, or a refusal that names the setting."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

import gemmi
import numpy as np
import pytest

from kappatune.structures import Crystal, Rejection, read_content
from kappatune.structures.cif.space_groups import (
    group_of_hall,
    listed_operations,
    settings_of_symbol,
    type_number,
)

TABLE = list(gemmi.spacegroup_table())
FLUORINE, BERYLLIUM = 9, 4


class Example:
    """A crystal in a setting: an atom at a general position, and one near the origin on none of its symmetry elements.

    The cell is the average of a random one over the group, so that it has the symmetry and no more.
    """

    def __init__(self, setting: gemmi.SpaceGroup) -> None:
        rng = np.random.default_rng(setting.number)
        self.operations = list(gemmi.symops_from_hall(setting.hall))
        rotations = np.array([operation.rot for operation in self.operations]) / gemmi.Op.DEN
        shifts = np.array([operation.tran for operation in self.operations]) / gemmi.Op.DEN
        edges = np.eye(3) + 0.12 * rng.normal(size=(3, 3))
        metric = np.mean([turn.T @ (edges @ edges.T) @ turn for turn in rotations], axis=0)
        lattice = np.linalg.cholesky(metric)
        scale = (25.0 * 2 * len(rotations) / np.linalg.det(lattice)) ** (1 / 3)
        self.lattice = scale * lattice
        self.sites = self._far_apart(rng, rotations, shifts)
        self.positions = (np.einsum("oij,mj->moi", rotations, self.sites) + shifts) % 1.0

    def _far_apart(self, rng, rotations, shifts):
        best, sites = 0.0, None
        for _ in range(60):
            tried = rng.random((2, 3)).round(4)
            images = (np.einsum("oij,mj->moi", rotations, tried) + shifts).reshape(-1, 3)
            apart = images[None, :] - tried[:, None]
            apart = (apart - np.round(apart)) @ self.lattice
            distances = np.sort(np.linalg.norm(apart, axis=2), axis=1)[:, 1]
            if distances.min() > best:
                best, sites = distances.min(), tried
        return sites

    def text(self, *tags: str, operations: bool = False, z: bool = False) -> str:
        lengths = np.linalg.norm(self.lattice, axis=1)
        cosines = (self.lattice @ self.lattice.T) / np.outer(lengths, lengths)
        lines = ["data_x", *tags]
        lines += [f"_cell_length_{x} {length:.8f}" for x, length in zip("abc", lengths, strict=True)]
        for name, cosine in zip(("alpha", "beta", "gamma"), (cosines[1, 2], cosines[0, 2], cosines[0, 1]), strict=True):
            lines.append(f"_cell_angle_{name} {np.degrees(np.arccos(cosine)):.8f}")
        if z:
            lines += [f"_cell_formula_units_Z {len(self.operations)}", "_chemical_formula_sum 'Be F'"]
        if operations:
            lines += ["loop_", "_space_group_symop_operation_xyz", *(f"'{o.triplet()}'" for o in self.operations)]
        lines += ["loop_", *(f"_atom_site_{name}" for name in ("label", "fract_x", "fract_y", "fract_z"))]
        for symbol, site in zip(("Be", "F"), self.sites, strict=True):
            lines.append(f"{symbol}1 {' '.join(f'{x:.4f}' for x in site)}")
        return "\n".join(lines) + "\n"

    def is_that(self, crystal: Crystal) -> bool:
        if Counter(crystal.numbers.tolist()) != {BERYLLIUM: len(self.operations), FLUORINE: len(self.operations)}:
            return False
        for number, expected in zip((BERYLLIUM, FLUORINE), self.positions, strict=True):
            found = crystal.frac_coords[crystal.numbers == number]
            apart = found[:, None] - expected[None]
            if np.abs(apart - np.round(apart)).max(axis=2).min(axis=1).max() > 1e-4:  # 0.3333 is read as a third
                return False
        return True


@cache
def example(index: int) -> Example:
    return Example(TABLE[index])


def spellings(setting: gemmi.SpaceGroup) -> set[str]:
    return {setting.hm, setting.xhm(), setting.short_name(), setting.hm.replace(" ", ""), setting.hm.replace(" ", "_")}


def read(text: str) -> Crystal | Rejection:
    (entry,) = read_content(text.encode(), "x.cif")
    return entry


def refusal_names_the_setting(entry: Crystal | Rejection, setting: gemmi.SpaceGroup) -> bool:
    return isinstance(entry, Rejection) and (setting.hm in entry.reason or setting.short_name() in entry.reason)


@pytest.mark.parametrize(
    "index", range(len(TABLE)), ids=lambda k: f"{TABLE[k].number}-{TABLE[k].hall}".replace(" ", "_")
)
def test_every_setting_in_every_spelling(index: int) -> None:
    setting, right = TABLE[index], example(index)
    number = f"_space_group_IT_number {setting.number}"
    hall = f"_space_group_name_Hall '{setting.hall}'"
    for name in spellings(setting):
        symbol = f"_space_group_name_H-M_alt '{name}'"
        for tags in ([symbol], [symbol, number]):
            listed = read(right.text(*tags, operations=True))
            assert isinstance(listed, Crystal) and right.is_that(listed), (tags, listed)
            for z in (False, True):
                named = read(right.text(*tags, z=z))
                assert (isinstance(named, Crystal) and right.is_that(named)) or refusal_names_the_setting(
                    named, setting
                ), (tags, named)
            by_hall = read(right.text(*tags, hall))
            assert isinstance(by_hall, Crystal) and right.is_that(by_hall), (tags, by_hall)
    for tags in ([hall], [hall, number]):
        by_hall = read(right.text(*tags))
        assert isinstance(by_hall, Crystal) and right.is_that(by_hall), by_hall


@pytest.mark.parametrize("index", range(len(TABLE)))
def test_extended_symbols_leave_nothing_open(index: int) -> None:
    right = example(index)
    entry = read(right.text(f"_symmetry_space_group_name_H-M '{TABLE[index].xhm()}'"))
    assert isinstance(entry, Crystal) and right.is_that(entry), entry


@pytest.mark.parametrize("index", random.Random(0).sample(range(len(TABLE)), 80))
def test_incomplete_operations_are_completed_rightly_or_refused(index: int) -> None:
    setting, right = TABLE[index], example(index)
    rng = random.Random(index)
    triplets = [operation.triplet() for operation in right.operations]
    symbol = f"_space_group_name_H-M_alt '{setting.xhm()}'"
    for _ in range(4):
        kept = rng.sample(triplets, rng.randrange(1, len(triplets))) if len(triplets) > 1 else triplets
        listed = "\n".join(["loop_", "_symmetry_equiv_pos_as_xyz", *(f"'{triplet}'" for triplet in kept)])
        for tags in ([symbol, listed], [listed]):
            entry = read(right.text(*tags, z=True))
            if isinstance(entry, Crystal):
                assert right.is_that(entry)
            else:
                assert "symmetry operations" in entry.reason


@pytest.mark.parametrize(
    ("symbol", "names"),
    [
        ("F d -3 m Z", ["F d -3 m:2"]),
        ("F d -3 m S", ["F d -3 m:1"]),
        ("Fd-3m:2", ["F d -3 m:2"]),
        ("F d -3 m (origin choice 2)", ["F d -3 m:2"]),
        ("F d 3 m", ["F d -3 m:1", "F d -3 m:2"]),
        ("F d 3 m Z", ["F d -3 m:2"]),
        ("Fd3m:S", ["F d -3 m:1"]),
        ("F 41/d -3 2/m :2", ["F d -3 m:2"]),
        ("P 2/n 2/n 2/n Z", ["P n n n:2"]),
        ("F m 3 m", ["F m -3 m"]),
        ("F 4/m -3 2/m", ["F m -3 m"]),
        ("R -3 2/m", ["R -3 m:H", "R -3 m:R"]),
        ("R -3 m H", ["R -3 m:H"]),
        ("R -3 c (rhombohedral axes)", ["R -3 c:R"]),
        ("P 21/n 21/m 21/a", ["P n m a"]),
        ("P 63/m 2/m 2/c", ["P 63/m m c"]),
        ("P6_3/mmc", ["P 63/m m c"]),
        ("C m c e", ["C m c a"]),
        ("P 21/n", ["P 1 21/n 1"]),
        ("P2_1/c", ["P 1 21/c 1"]),
        ("C2:b1", ["C 1 2 1"]),
        ("P 21/c :b2", ["P 1 21/n 1"]),
        ("P n m a :cab", ["P b n m"]),
        ("P 21/c :q", []),
        ("F q 3 z", []),
        ("?", []),
    ],
)
def test_usual_spellings(symbol: str, names: list[str]) -> None:
    assert [setting.name for setting in settings_of_symbol(symbol)] == names


def test_types_of_groups_in_unlisted_settings() -> None:
    shifted = listed_operations(("x,y,z", "-x+1/2,-y,-z"))
    assert not shifted.missing and type_number(shifted.group) == 2
    assert type_number(group_of_hall("-F 4 2 3")) == 225
