"""What the formats allow and programs write: each is read, by whatever name, or refused with a reason that helps."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from kappatune.structures import Crystal, Rejection, as_entries, read_content, read_crystals
from kappatune.structures.files import kind_of
from tests.structures.test_files import CIF, FRAME, NACL, POSCAR

HEAD = CIF[: CIF.index("loop_")]
OPTIMADE = json.loads((Path(__file__).parent / "cases" / "56-saved-optimade-answer.json").read_text())


def read(text: str | bytes, name: str = "x.cif") -> list[Crystal | Rejection]:
    return list(read_content(text if isinstance(text, bytes) else text.encode(), name))


def loop(*rows: str, columns: str = "label type_symbol fract_x fract_y fract_z") -> str:
    return "\n".join(["loop_", *(f"_atom_site_{name}" for name in columns.split()), *rows]) + "\n"


SALT = loop("Na1 Na 0 0 0", "Cl1 Cl 0.5 0.5 0.5")
CIFS = {
    "occupancy not applicable": CIF.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 ."),
    "occupancy unknown": CIF.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 ?"),
    "occupancy at the limit": CIF.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 0.999"),
    "occupancy rounded": CIF.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 0.9995"),
    "occupancy with uncertainty": CIF.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 1.000(2)"),
    "attached hydrogens not applicable": HEAD
    + loop("Na1 0 0 0 .", "Cl1 0.5 0.5 0.5 0", columns="label fract_x fract_y fract_z attached_hydrogens"),
    "charges": HEAD + loop("Na1 Na+ 0 0 0", "Cl1 Cl1- 0.5 0.5 0.5"),
    "charges before the sign": HEAD + loop("Na1 Na+1 0 0 0", "Cl1 Cl-1 0.5 0.5 0.5"),
    "Roman charges": HEAD + loop("Na1 Na(I) 0 0 0", "Cl1 Cl- 0.5 0.5 0.5"),
    "a blank after a type symbol": HEAD + loop("Na1 'Na1+ ' 0 0 0", "Cl1 Cl 0.5 0.5 0.5"),
    "all atoms listed, with a Schoenflies symbol, Z and formula": HEAD.replace(
        "_symmetry_space_group_name_H-M 'P 1'", "_space_group_name_Schoenflies Oh.1\n_cell_formula_units_Z 1"
    )
    + "_chemical_formula_sum 'Na Cl'\n"
    + SALT,
    "a P 1 of Schoenflies": CIF.replace("_symmetry_space_group_name_H-M 'P 1'", "_space_group_name_Schoenflies C1.1"),
    "labels as type symbols": HEAD + loop("Na1 Na1 0 0 0", "Cl2 Cl2 0.5 0.5 0.5"),
    "capital type symbols": HEAD + loop("NA1 NA 0 0 0", "CL1 CL 0.5 0.5 0.5"),
    "capital labels that the formula explains": HEAD
    + "_chemical_formula_sum 'Cl Na'\n"
    + loop("NA1 0 0 0", "CL1 0.5 0.5 0.5", columns="label fract_x fract_y fract_z"),
    "labels of a place": HEAD + loop("NaM2 0 0 0", "ClA 0.5 0.5 0.5", columns="label fract_x fract_y fract_z"),
    "small letters after an element that the formula explains": HEAD
    + "_chemical_formula_sum 'Na Cl'\n"
    + loop("Nab 0 0 0", "Cla 0.5 0.5 0.5", columns="label fract_x fract_y fract_z"),
    "types unknown": HEAD + loop("Na1 ? 0 0 0", "Cl1 ? 0.5 0.5 0.5"),
    "a formula, and an empty one": HEAD + "_chemical_formula_sum 'Na Cl'\n_chemical_formula_sum ''\n" + SALT,
    "an unknown value, and a known one": HEAD + "_chemical_formula_sum ?\n_chemical_formula_sum 'Na Cl'\n" + SALT,
    "number 1 alone": HEAD.replace("_symmetry_space_group_name_H-M 'P 1'", "_space_group_IT_number 1") + SALT,
    "quoted numbers of a cell": CIF.replace("a 5.64", "a '5.64'"),
    "a value with spaces and no quotes": CIF.replace("'P 1'", "P 1"),
    "a quote that does not end": CIF.replace("loop_", "_computing_molecular_graphics 'ORTEP\nloop_", 1),
    "a block with spaces in its name": CIF.replace("data_salt", "data_sodium chloride, 300 K"),
    "Latin-1 without quotes": CIF.replace("loop_", "_publ_author_name Müller\nloop_", 1).encode("latin-1"),
    "an unused tag twice": CIF.replace("loop_", "_journal_year 1999\n_journal_year 2000\nloop_", 1),
    "the same symbol under two tags": CIF.replace("loop_", "_space_group_name_H-M_alt 'P1'\nloop_", 1),
    "old Mac line ends": CIF.replace("\n", "\r"),
    "a magnetic cell": HEAD.replace("_symmetry_space_group_name_H-M 'P 1'", "_space_group_magn.name_BNS 'P 1'")
    + "loop_\n_space_group_symop_magn_operation.id\n_space_group_symop_magn_operation.xyz\n1 x,y,z,+1\n"
    + SALT,
}


@pytest.mark.parametrize("kind", CIFS)
def test_what_cif_allows_is_read(kind: str) -> None:
    (entry,) = read(CIFS[kind])
    assert isinstance(entry, Crystal) and entry.formula == "NaCl" and entry.n_atoms == 2, entry


def test_centring_translations_of_a_magnetic_cif_are_applied() -> None:
    operations = ["x,y,z,+1", "-x,-y,-z,-1"]
    centrings = ["x,y,z,+1", "x+1/2,y+1/2,z+1/2,-1"]
    text = "loop_\n_space_group_symop_magn_operation.xyz\n" + "\n".join(operations)
    text += "\nloop_\n_space_group_symop_magn_centering.xyz\n" + "\n".join(centrings) + "\n"
    (entry,) = read(HEAD.replace("'P 1'", "?") + text + loop("Na1 Na 0 0 0", "Cl1 Cl 0.25 0.25 0.25"), "x.mcif")
    assert isinstance(entry, Crystal), entry
    assert entry.numbers.tolist() == [11, 11, 17, 17]


def test_one_row_of_atoms_without_a_loop() -> None:
    site = "_atom_site_label Po1\n_atom_site_fract_x 0\n_atom_site_fract_y 0\n_atom_site_fract_z 0\n"
    (entry,) = read(HEAD + site)
    assert isinstance(entry, Crystal) and entry.formula == "Po"


REFUSED_CIFS = {
    "a group of atoms": (HEAD + loop("N1 NH3 0 0 0"), r"site 1 \('N1'\) is 'NH3', a group of atoms"),
    "carbon monoxide beside sodium": (HEAD + loop("Na1 Na 0 0 0", "C1 CO 0.5 0.5 0.5"), "'CO', a group of atoms"),
    "a molecule": (HEAD + loop("Na1 Na 0 0 0", "W1 O2 0.5 0.5 0.5"), "'O2', a group of atoms"),
    "a mixed site": (HEAD + loop("M1 Al/Si 0 0 0"), "'Al/Si', a site shared by several elements"),
    "two ions": (HEAD + loop("M1 Fe2+Fe3+ 0 0 0"), "'Fe2[+]Fe3[+]', a site shared"),
    "water by its label": (HEAD + loop("Wat1 0 0 0", columns="label fract_x fract_y fract_z"), "'Wat1'"),
    "water by its label and formula": (
        HEAD + "_chemical_formula_sum 'H2 O'\n" + loop("Wat 0 0 0", columns="label fract_x fract_y fract_z"),
        "'Wat'.* is water, a group of atoms",
    ),
    "an element with a word": (
        HEAD + loop("Ala 0 0 0", columns="label fract_x fract_y fract_z"),
        "'Ala'.* not a chemical",
    ),
    "an unclear label": (HEAD + loop("CA1 0 0 0", columns="label fract_x fract_y fract_z"), "not clear from its label"),
    "hydrogens attached": (
        HEAD + loop("O1 0 0 0 2", columns="label fract_x fract_y fract_z attached_hydrogens"),
        r"site 1 \('O1'\) carries 2 hydrogens",
    ),
    "shared by two elements": (
        CIF.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 0.5") + "Br1 Br 0.5 0.5 0.5 0.5\n",
        r"shared by site 2 \('Cl1'\) 0.5 and site 3 \('Br1'\) 0.5",
    ),
    "two cells": (CIF.replace("_cell_length_b", "_cell_length_a 6\n_cell_length_b"), "_cell_length_a stands .* twice"),
    "an unknown length": (CIF.replace("_cell_length_b 5.64", "_cell_length_b ?"), "_cell_length_b is not given"),
    "a type that does not apply": (HEAD + loop("Na1 . 0 0 0"), "site 1 is '.', which is not a chemical element"),
    "a dummy atom": (
        HEAD + loop("Na1 0 0 0 d", "Cp1 0.5 0.5 0.5 dum", columns="label fract_x fract_y fract_z calc_flag"),
        r"site 2 \('Cp1'\) is marked as a dummy, no atom",
    ),
    "types unknown, and no labels": (
        HEAD + loop("? 0 0 0", columns="type_symbol fract_x fract_y fract_z"),
        "site 1 is '[?]', which is not a chemical element",
    ),
    "a modulated cell": (CIF.replace("loop_", "_cell_modulation_dimension 1\nloop_", 1), "modulated crystals"),
    "a system without a space group": (
        CIF.replace("_symmetry_space_group_name_H-M 'P 1'", "_space_group_crystal_system cubic"),
        "says that the crystal is cubic but gives no space group",
    ),
    "a Hall symbol that is none": (
        CIF.replace("_symmetry_space_group_name_H-M 'P 1'", "_space_group_name_Hall 'Q 7'"),
        "Hall symbol 'Q 7' is not known",
    ),
    "symbol against number": (
        CIF.replace("'P 1'", "'P m -3 m'\n_space_group_IT_number 225"),
        r"'P m -3 m' \(number 225\) contradicts itself",
    ),
    "a Schoenflies symbol alone": (
        CIF.replace("_symmetry_space_group_name_H-M 'P 1'", "_space_group_name_Schoenflies Oh.5"),
        "_space_group_name_schoenflies Oh.5 alone, which is not read: name the setting",
    ),
    "a magnetic group without operations": (
        CIF.replace("_symmetry_space_group_name_H-M 'P 1'", "_space_group_magn.number_BNS 62.441"),
        "_space_group_magn_number_bns 62.441 alone, which is not read",
    ),
    "a number that is none": (
        CIF.replace("_symmetry_space_group_name_H-M 'P 1'", "_space_group_IT_number Fm-3m"),
        "_space_group_it_number Fm-3m alone, which is not read",
    ),
    "a dummy atom in capitals": (
        HEAD + loop("Na1 0 0 0 d", "Cp1 0.5 0.5 0.5 Dum", columns="label fract_x fract_y fract_z calc_flag"),
        r"site 2 \('Cp1'\) is marked as a dummy, no atom",
    ),
    "an open origin": (
        CIF.replace("'P 1'", "'P n n n'").replace("5.64", "14").replace("Cl1 Cl 0.5 0.5 0.5", "Cl1 Cl 0.11 0.27 0.38"),
        r"'P n n n' leaves the setting open \(P n n n:1 or P n n n:2\)",
    ),
    "a cell without the symmetry": (
        CIF.replace("'P 1'", "'P m -3 m'").replace("length_b 5.64", "length_b 7"),
        "cell does not have the symmetry of 'P m -3 m'",
    ),
    "operations against the cell": (
        CIF.replace("loop_", "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\ny,z,x\nz,x,y\nloop_", 1)
        .replace("_symmetry_space_group_name_H-M 'P 1'\n", "")
        .replace("length_b 5.64", "length_b 7"),
        "cell does not have the symmetry of the listed operations",
    ),
    "a translation in place of the identity": (
        CIF.replace("loop_", "loop_\n_symmetry_equiv_pos_as_xyz\nx+1/2,y+1/2,z\nloop_", 1),
        "the identity 'x, y, z' is missing, and nothing else in the file decides",
    ),
    "near a special position": (
        CIF.replace("'P 1'", "'P -1'").replace("Na1 Na 0.0 0.0 0.0", "Na1 Na 0.02 0.0 0.0"),
        r"site 1 \('Na1'\) and its image by symmetry are 0.23 Å apart",
    ),
}


@pytest.mark.parametrize("kind", REFUSED_CIFS)
def test_what_cif_leaves_unclear_is_refused(kind: str) -> None:
    text, reason = REFUSED_CIFS[kind]
    (entry,) = read(text)
    assert isinstance(entry, Rejection) and re.search(reason, entry.reason), entry


@pytest.mark.parametrize(
    ("label", "what"),
    [
        *((label, "a group of atoms") for label in ("H2O", "OH1", "NH4", "SO4", "SiO4")),
        *((label, "a site shared by several") for label in ("Si/Al", "Si0.5Al0.5", "FeMg1", "Si,Al1")),
    ],
)
def test_labels_that_are_more_than_an_atom_are_refused(label: str, what: str) -> None:
    (entry,) = read(HEAD + loop("Na1 0 0 0", f"{label} 0.5 0.5 0.5", columns="label fract_x fract_y fract_z"))
    assert isinstance(entry, Rejection) and f"site 2 ('{label}') is {what}" in entry.reason, entry


def test_hydrogens_in_rows_of_their_own_belong_to_no_group() -> None:
    (entry,) = read(HEAD + loop("OH 0 0 0", "Na 0.5 0.5 0.5", "H1 0 0 0.2", columns="label fract_x fract_y fract_z"))
    assert isinstance(entry, Crystal) and entry.formula == "NaOH", entry


def test_short_monoclinic_symbols_follow_the_unique_axis_of_the_cell() -> None:
    sites = loop("Na1 Na 0.1 0.2 0.3", "Cl1 Cl 0.6 0.7 0.9")
    for axis, angle in (("b", "beta"), ("c", "gamma"), ("a", "alpha")):
        head = HEAD.replace("'P 1'", "'P 21'").replace(f"angle_{angle} 90", f"angle_{angle} 105")
        (entry,) = read(head + sites)
        assert isinstance(entry, Crystal), entry
        first, second = entry.frac_coords[entry.numbers == 11]
        turned = np.round((second - first) % 1.0, 6)["abc".index(axis)]
        assert turned == 0.5


def test_the_code_of_the_axes_decides() -> None:
    head = HEAD.replace("_symmetry_space_group_name_H-M 'P 1'", "_space_group_IT_number 14")
    sites = loop("Na1 Na 0.1 0.2 0.3", "Cl1 Cl 0.6 0.7 0.9")
    (named,) = read(HEAD.replace("'P 1'", "'P 1 21/a 1'") + sites)
    (coded,) = read(head + "_space_group_IT_coordinate_system_code b3\n" + sites)
    assert isinstance(coded, Crystal) and isinstance(named, Crystal)
    np.testing.assert_allclose(np.sort(coded.frac_coords, axis=0), np.sort(named.frac_coords, axis=0))


def test_digits_of_thirds_do_not_matter() -> None:
    text = HEAD.replace("'P 1'", "'P 63 m c'").replace("gamma 90", "gamma 120")
    exact, rounded = (
        read(text + loop(f"Zn1 Zn {x} {y} 0", f"S1 S {x} {y} 0.375"))[0]
        for x, y in (("0.33333333333333", "0.66666666666667"), ("0.333", "0.667"))
    )
    assert isinstance(exact, Crystal) and isinstance(rounded, Crystal)
    np.testing.assert_allclose(exact.frac_coords, rounded.frac_coords, atol=1e-9)


POSCARS = {
    "comments after values": POSCAR.replace("1.0\n", "1.0 ! scale\n", 1)
    .replace("0.0 0.0 4.0", "0.0 0.0 4.0 # c")
    .replace("Na Cl\n", "Na Cl ! kinds\n")
    .replace("1 1\n", "1 1 ! atoms\n")
    .replace("Direct", "Direct ! mode")
    .replace("0.5 0.5 0.5", "0.5 0.5 0.5 ! Cl"),
    "volume": POSCAR.replace("1.0\n", "-64.0\n", 1),
    "volume and Cartesian": POSCAR.replace("4.0", "1.0").replace("1.0\n", "-64\n", 1).replace("Direct", "Cartesian"),
    "scale and Cartesian": POSCAR.replace("1.0\n", "4.0\n", 1)
    .replace("4.0 0", "1.0 0")
    .replace("0 4.0", "0 1.0")
    .replace("Direct", "Cartesian"),
    "three factors": POSCAR.replace("1.0\n", "4.0 4.0 2.0\n", 1).replace(
        "4.0 0.0 0.0\n0.0 4.0 0.0\n0.0 0.0 4.0", "1 0 0\n0 1 0\n0 0 2"
    ),
    "three factors and Cartesian": POSCAR.replace("1.0\n", "4.0 4.0 2.0\n", 1)
    .replace("4.0 0.0 0.0\n0.0 4.0 0.0\n0.0 0.0 4.0", "1 0 0\n0 1 0\n0 0 2")
    .replace("Direct\n0.0 0.0 0.0\n0.5 0.5 0.5", "Kartesian\n0 0 0\n0.5 0.5 1.0"),
    "Fortran's exponents": POSCAR.replace("4.0 0.0 0.0", "4.0D+00 0.0d0 0.0"),
    "symbols in line 1": POSCAR.replace("Na Cl\n", "").replace("NaCl\n", "Na Cl ! salt\n", 1),
    "symbols in line 1 and beside": POSCAR.replace("Na Cl\n", "")
    .replace("NaCl\n", "Na Cl\n", 1)
    .replace("0.0 0.0 0.0\n0.5 0.5 0.5", "0.0 0.0 0.0 Na\n0.5 0.5 0.5 Cl"),
    "an empty comment": POSCAR.replace("NaCl\n", "\n", 1),
    "Latin-1 in the comment": POSCAR.replace("NaCl\n", "Kochsalz, gemäß\n", 1).encode("latin-1"),
    "selective dynamics and symbols in line 1": POSCAR.replace("Na Cl\n", "")
    .replace("NaCl\n", "Na Cl\n", 1)
    .replace("Direct\n0.0 0.0 0.0\n0.5 0.5 0.5", "Selective dynamics\nDirect\n0 0 0 F F F\n0.5 0.5 0.5 .FALSE. F F"),
    "selective dynamics and symbols beside": POSCAR.replace("Na Cl\n", "").replace(
        "Direct\n0.0 0.0 0.0\n0.5 0.5 0.5", "Selective dynamics\nDirect\n0 0 0 F F F Na\n0.5 0.5 0.5 T F F Cl"
    ),
    "velocities": POSCAR + "\n0.1 0.1 0.1\n0.2 0.2 0.2\n",
    "velocities of VASP 6": POSCAR
    + "Lattice velocities and vectors\n1\n0 0 0\n0 0 0\n0 0 0\n4.0 0 0\n0 4.0 0\n0 0 4.0\n\n0.1 0.1 0.1\n0.2 0.2 0.2\n",
}


@pytest.mark.parametrize("kind", POSCARS)
def test_what_vasp_reads_is_read(kind: str) -> None:
    (entry,) = read(POSCARS[kind], "POSCAR")
    assert isinstance(entry, Crystal), entry
    assert entry.formula == "NaCl" and entry.volume == pytest.approx(64.0)
    np.testing.assert_allclose(entry.frac_coords, [[0, 0, 0], [0.5, 0.5, 0.5]], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (POSCAR.replace("1.0\n", "4.0 -4.0 2.0\n", 1), "line 2 is not one scale factor, or three positive"),
        (
            POSCAR.replace("Na Cl\n", "").replace(
                "Direct\n0.0 0.0 0.0\n0.5 0.5 0.5", "Selective dynamics\nDirect\n0 0 0 F F F\n0.5 0.5 0.5 F F F"
            ),
            "line 1 names none",
        ),
        (POSCAR.replace("1.0\n", "4.0 4.0\n", 1), "line 2 is not one scale factor"),
        (POSCAR.replace("1.0\n", "0\n", 1), "line 2 is not one scale factor"),
        (POSCAR.replace("Na Cl\n", "").replace("NaCl\n", "In this\n", 1), "line 1 names none"),
        (
            POSCAR.replace("Na Cl\n", "")
            .replace("NaCl\n", "Na Cl\n", 1)
            .replace("0.0 0.0 0.0\n0.5 0.5 0.5", "0.0 0.0 0.0 K\n0.5 0.5 0.5 Cl"),
            "line 1 names Na Cl, the coordinates K Cl",
        ),
    ],
)
def test_what_vasp_would_misread_is_refused(text: str, reason: str) -> None:
    (entry,) = read(text, "POSCAR")
    assert isinstance(entry, Rejection) and reason in entry.reason


VELOCITIES = "\n0.1 0.1 0.1\n0.2 0.2 0.2\n"
STEP = "Direct configuration=     {}\n0 0 0\n0.5 0.5 {}\n"


@pytest.mark.parametrize(
    "text",
    [
        POSCAR + POSCAR,
        POSCAR + VELOCITIES + POSCAR,
        POSCAR + VELOCITIES + "\n" + POSCAR + VELOCITIES,
        POSCAR[: POSCAR.index("Direct")] + STEP.format(1, 0.5) + STEP.format(2, 0.4),
        2 * (POSCAR[: POSCAR.index("Direct")] + STEP.format(1, 0.5)),
    ],
)
def test_no_structure_of_a_file_is_passed_over(text: str) -> None:
    entries = read(text, "XDATCAR")
    assert [(entry.id, entry.formula) for entry in entries] == [("XDATCAR#1", "NaCl"), ("XDATCAR#2", "NaCl")]
    assert all(isinstance(entry, Crystal) for entry in entries)


def test_a_damaged_second_poscar_has_a_row_of_its_own() -> None:
    entries = read(POSCAR + POSCAR.replace("0.5 0.5 0.5\n", ""), "POSCAR")
    assert [type(entry) for entry in entries] == [Crystal, Rejection]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SPOSCAR", "POSCAR"),
        ("NaCl-POSCAR", "POSCAR"),
        ("MPOSCAR-001", "POSCAR"),
        ("POSCAR-unitcell", "POSCAR"),
        ("salt_contcar", "POSCAR"),
        ("POSCAR.gz", "POSCAR"),
        ("a.mcif", "CIF"),
        ("a.CIF.gz", "CIF"),
        ("a.xyz.GZ", "extxyz"),
        ("make_poscar.py", None),
        ("notes.txt", None),
        ("a.gz", None),
    ],
)
def test_kinds_by_name(name: str, kind: str | None) -> None:
    assert kind_of(Path(name)) == kind


@pytest.mark.parametrize("name", ["x", "x.txt", "x.cif.bak", "input.inp", "x.gz"])
@pytest.mark.parametrize("text", [CIF, POSCAR, FRAME, json.dumps(NACL.as_dict())])
def test_names_that_tell_nothing_are_decided_by_content(tmp_path: Path, name: str, text: str) -> None:
    content = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
    (tmp_path / name).write_bytes(content)
    (on_disk,), (in_memory,) = read_crystals([tmp_path / name]), read(content, name)
    assert isinstance(on_disk, Crystal) and isinstance(in_memory, Crystal)
    assert on_disk.formula == in_memory.formula == "NaCl" and on_disk.id == in_memory.id


def test_compressed_files_that_are_damaged_or_too_large_are_refused(tmp_path: Path) -> None:
    content = gzip.compress(CIF.encode() * 50)
    for damaged in (content[:-9], content[:40], b"\x1f\x8b", b"\x1f\x8bnonsense"):
        (entry,) = read(damaged, "x.cif.gz")
        assert isinstance(entry, Rejection) and "compressed and damaged" in entry.reason
    (entry,) = read_content(content, "x.cif.gz", 10_000)
    assert isinstance(entry, Rejection) and "the compressed file holds more than" in entry.reason


ANSWERS = {
    "a saved OPTIMADE page": (OPTIMADE, ["x1"]),
    "one OPTIMADE entry": ({"data": OPTIMADE["data"][0]}, ["x1"]),
    "an answer of the Materials Project": (
        {"data": [{"material_id": "mp-1", "structure": NACL.as_dict()}], "meta": {"total_doc": 1}},
        ["mp-1"],
    ),
    "an answer of its old interface": (
        {"response": [{"material_id": "mp-1", "structure": NACL.as_dict()}], "valid_response": True},
        ["mp-1"],
    ),
    "a computed entry": (
        {"entry_id": "mp-1-GGA", "structure": NACL.as_dict(), "data": {}, "energy": -1.0},
        ["mp-1-GGA"],
    ),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_answers_of_databases_are_read_from_files_and_dictionaries(kind: str) -> None:
    content, names = ANSWERS[kind]
    for entries in (read(json.dumps(content), "x.json"), list(as_entries(content))):
        assert [entry.id for entry in entries] == names
        assert all(isinstance(entry, Crystal) for entry in entries)
