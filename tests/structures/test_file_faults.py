"""Faults of files: each is refused with its file, its site and a remedy; no content gives a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from ase.io import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from kappatune.structures.crystal import Crystal, Rejection, check
from kappatune.structures.files import READERS, kind_of, read_content
from kappatune.structures.read import read_crystals
from tests.structures.written import (
    CIF,
    FRAME,
    LATTICE,
    NACL,
    POSCAR,
    SUFFIXES,
    ZNS,
    read,
    read_text,
    rejection,
)

CIF_FAULTS = {
    "occupancy below 1": (CIF.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 0.75"), r"site 2 \('Cl1'\) is disordered.*0.75"),
    "occupancy above 1": (CIF.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 1.2"), r"site 2.*occupancy '1.2'"),
    "occupancy 0": (CIF.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 0"), r"site 2.*occupancy '0'"),
    "coordinate inapplicable": (CIF.replace("0.5 0.5 0.5", "0.5 . 0.5"), r"site 2 .* y coordinate '\.'"),
    "coordinate NaN": (CIF.replace("0.5 0.5 0.5", "nan 0.5 0.5"), r"site 2 .* x coordinate 'nan'"),
    "no element": (CIF.replace(" Na ", " Qq "), "site 1 is 'Qq', which is not a chemical element"),
    "element with a letter too much": (CIF.replace(" Cl ", " Cx "), "site 2 is 'Cx'"),
    "unknown species": (CIF.replace("Na1 Na ", "? ? "), r"site 1 is '\?'"),
    "hydroxide": (CIF.replace(" Cl ", " OH "), r"site 2 \('Cl1'\) is 'OH', a group of atoms"),
    "deuterium": (CIF.replace(" Na ", " D "), "site 1 is D, an isotope of hydrogen"),
    "same element twice": (CIF + "Na2 Na 0.0 0.0 0.0 1\n", r"site 1 \('Na1'\) and site 3 \('Na2'\) overlap"),
    "same row twice": (CIF + "Na1 Na 0.0 0.0 0.0 1\n", r"site 1 \('Na1'\) and site 3 \('Na1'\) overlap"),
    "two elements on a site": (CIF + "K1 K 1.0 0.0 0.00005 1\n", r"site 1 \('Na1'\) and site 3 \('K1'\) overlap"),
    "O and H on a site": (
        CIF.replace("Na1 Na", "O1 O") + "H1 H 0.0 0.0 0.0 1\n",
        r"site 1 \('O1'\) and site 3 \('H1'\) overlap",
    ),
    "atoms 0.1 Å apart": (CIF + "K1 K 0.99 0.0 0.0 1\n", "site . .* and site . .* are 0.06 Å apart"),
    "no volume": (CIF.replace("alpha 90", "alpha 180"), "cell without volume"),
    "zero length": (CIF.replace("length_a 5.64", "length_a 0"), "_cell_length_a is '0'"),
    "flat": (CIF.replace("length_a 5.64", "length_a 0.001"), "flat"),
    "NaN length": (CIF.replace("length_b 5.64", "length_b nan"), "_cell_length_b is 'nan'"),
    "missing angle": (CIF.replace("_cell_angle_beta 90\n", ""), "_cell_angle_beta is missing"),
    "no coordinates": (CIF.replace("_atom_site_fract_x", "_atom_site_Cartn_x"), "no column _atom_site_fract_x"),
    "unknown space group": (CIF.replace("P 1", "F q 3 z"), "space group 'F q 3 z' is not known"),
    "broken symmetry operation": (
        CIF.replace("loop_", "loop_\n_symmetry_equiv_pos_as_xyz\n'x, y'\n'foo'\nloop_", 1),
        r"symmetry operation 1 \('x, y'\) is not one such as",
    ),
    "symmetry operation that flattens": (
        CIF.replace("loop_", "loop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n'x, x, z'\nloop_", 1),
        r"symmetry operation 2 \('x, x, z'\) is not one such as",
    ),
    "cut in a row": (CIF[: CIF.index("Cl1") + 9], "too few or too many values: the file is cut"),
    "cut before the rows": (CIF[: CIF.index("Na1")], "lacks rows"),
    "cut in the head of the atom list": (CIF[: CIF.index("_atom_site_fract_y")], "cut"),
    "cut before the atoms": (CIF[: CIF.index("loop_")], "no column _atom_site_label: the file is cut"),
    "cut before the cell": ("data_salt\n", "no data block has a cell"),
    "no block": ("Hello\n", "no data_ line"),
    "cut after a row": (
        CIF.replace("loop_", "_chemical_formula_sum 'Na1 Cl2'\nloop_", 1),
        "atom list gives Na1Cl1 but _chemical_formula_sum is Na1Cl2",
    ),
    "cut in an element": (
        CIF.replace("Cl1 Cl", "Na2 Na").replace("loop_", "_chemical_formula_sum Na8\nloop_", 1),
        "gives Na2 but _chemical_formula_sum is Na8",
    ),
    "hydrogens left out": (
        CIF.replace("loop_", "_chemical_formula_sum 'Na1 Cl1 H4'\nloop_", 1),
        "hydrogens",
    ),
}
POSCAR_FAULTS = {
    "no symbols": (POSCAR.replace("Na Cl\n", ""), "no line with element symbols.*add it"),
    "unknown element": (POSCAR.replace("Na Cl", "Na Qq"), "site 2 is 'Qq'"),
    "deuterium": (POSCAR.replace("Na Cl", "D Cl"), "site 1 is D, an isotope"),
    "symbols and numbers differ": (POSCAR.replace("Na Cl", "Na Cl O"), "3 element symbols but 2 numbers"),
    "too few lines": (POSCAR.replace("0.5 0.5 0.5\n", ""), "announces 2 atoms but 1 coordinate lines"),
    "cut in a line": (POSCAR[:-5], "site 2 .* does not hold three coordinates"),
    "cut in the header": (POSCAR[:40], "within its header: it is cut"),
    "cut before the mode": (POSCAR[: POSCAR.index("Direct")], "Direct or Cartesian"),
    "no mode": (POSCAR.replace("Direct\n", ""), "line 8 does not say Direct or Cartesian"),
    "word for a coordinate": (POSCAR.replace("0.5 0.5 0.5", "0.5 half 0.5"), "line of site 2"),
    "scale": (POSCAR.replace("1.0\n", "one\n", 1), "line 2 is not one scale factor"),
    "cell vector": (POSCAR.replace("4.0 0.0 0.0", "4.0 0.0"), "line 3 is not a cell vector"),
    "numbers of atoms": (POSCAR.replace("1 1\n", "1 -1\n"), "line 7 does not give the number of atoms"),
    "no volume": (POSCAR.replace("0.0 0.0 4.0", "0.0 0.0 0.0"), r"the cell has 0 Å\^3 per atom"),
    "NaN cell": (POSCAR.replace("0.0 0.0 4.0", "0.0 0.0 nan"), "cell has an entry that is not a number"),
    "NaN coordinate": (POSCAR.replace("0.5 0.5 0.5", "0.5 nan 0.5"), r"site 2 \(Cl\) has a coordinate that is not"),
    "overlap": (POSCAR.replace("0.5 0.5 0.5", "0.99 0.0 1.0"), r"site . \(..\) and site . \(..\) are 0.04 Å apart"),
    "no atoms": (POSCAR.replace("1 1\n", "0 0\n"), "no atoms"),
}
FRAME_FAULTS = {
    "molecule": (FRAME.replace(LATTICE, ""), "not periodic in all three directions: give a lattice"),
    "slab": (FRAME.replace(LATTICE, LATTICE + ' pbc="T T F"'), "not periodic"),
    "plain xyz": ("2\nwater\nNa 0 0 0\nCl 2 2 2\n", "not periodic"),
    "unknown element": (FRAME.replace("Cl 2", "Qq 2"), "frame 1: site 2 is 'Qq'"),
    "deuterium": (FRAME.replace("Cl 2", "D 2"), "site 2 is D"),
    "dummy": (FRAME.replace("Cl 2", "X 2"), "site 2 is 'X'"),
    "cut": (FRAME.replace("Cl 2 2 2\n", ""), "announces 2 atoms but the file ends after 1: the file is cut"),
    "cut in a row": (FRAME[:-4], "line of site 2 has 2 values where 4 are expected"),
    "coordinate": (FRAME.replace("2 2 2", "2 two 2"), "site 2 has the coordinate 'two'"),
    "NaN": (FRAME.replace("2 2 2", "2 nan 2"), "coordinate that is not a number"),
    "lattice": (FRAME.replace("0 0 4", "0 0"), "is not nine numbers"),
    "NaN lattice": (FRAME.replace("0 0 4", "0 0 nan"), "cell has an entry that is not a number"),
    "flat lattice": (FRAME.replace("0 0 4", "0 0 0"), r"0 Å\^3 per atom"),
    "overlap": (FRAME.replace("2 2 2", "3.9 0 0"), "0.10 Å apart"),
    "no atoms": (f"0\n{LATTICE}\n", "no atoms"),
    "properties": (FRAME.replace("pos:R:3", "pos:R"), r"not a list of name:type:columns"),
    "no count": ("Na 0 0 0\n", "frame 1 does not start with a number of atoms"),
}
SITES = NACL.as_dict()
JSON_FAULTS = {
    "something else": ({"kappa": 1}, "holds no crystal.*Structure.as_dict"),
    "number": (3, "holds no crystal"),
    "empty list": ([], "list is empty"),
    "molecule": ({"sites": SITES["sites"]}, "sites but no lattice"),
    "slab": ({**SITES, "lattice": {**SITES["lattice"], "pbc": [True, True, False]}}, "not periodic in all three"),
    "broken sites": ({**SITES, "sites": [{"a": 1}]}, "a site has no 'species'"),
    "sites that are none": ({**SITES, "sites": [3]}, "does not follow the layout of pymatgen's Structure"),
    "no sites": ({**SITES, "sites": []}, "'sites' is empty"),
    "flat": ({**SITES, "lattice": {"matrix": [[1, 0, 0], [0, 1, 0], [1, 1, 0]]}}, "per atom"),
    "NaN": ({**SITES, "lattice": {"matrix": [[float("nan"), 0, 0], [0, 1, 0], [0, 0, 1]]}}, "not a number"),
}


def json_sites(*species: list[dict[str, object]]) -> str:
    positions = ([0, 0, 0], [0.5, 0.5, 0.5])
    sites = [{"species": s, "abc": abc} for s, abc in zip(species, positions, strict=False)]
    return json.dumps({"lattice": {"matrix": (4 * np.eye(3)).tolist()}, "sites": sites})


class TestFaults:
    @pytest.mark.parametrize("fault", CIF_FAULTS)
    def test_cif(self, tmp_path: Path, fault: str) -> None:
        text, reason = CIF_FAULTS[fault]
        assert re.search(reason, rejection(tmp_path, "a.cif", text).reason)

    @pytest.mark.parametrize("fault", POSCAR_FAULTS)
    def test_poscar(self, tmp_path: Path, fault: str) -> None:
        text, reason = POSCAR_FAULTS[fault]
        assert re.search(reason, rejection(tmp_path, "a.vasp", text).reason)

    @pytest.mark.parametrize("fault", FRAME_FAULTS)
    def test_extxyz(self, tmp_path: Path, fault: str) -> None:
        text, reason = FRAME_FAULTS[fault]
        assert re.search(reason, rejection(tmp_path, "a.extxyz", text).reason)

    @pytest.mark.parametrize("fault", JSON_FAULTS)
    def test_json(self, tmp_path: Path, fault: str) -> None:
        content, reason = JSON_FAULTS[fault]
        assert re.search(reason, rejection(tmp_path, "a.json", json.dumps(content)).reason)

    def test_json_sites(self, tmp_path: Path) -> None:
        na, cl = {"element": "Na", "occu": 1}, {"element": "Cl", "occu": 1}
        for species, reason in [
            ([{**na, "occu": 0.5}], "site 1 is disordered"),
            ([na, cl], "site 1 is disordered"),
            ([{**na, "element": "Qq"}], "site 1 is 'Qq'"),
            ([{**na, "element": "D"}], "site 1 is D"),
        ]:
            assert reason in rejection(tmp_path, "a.json", json_sites(species, [cl])).reason
        assert "line 1 is not JSON" in rejection(tmp_path, "a.json", json_sites([na], [cl])[:-9]).reason

    @pytest.mark.parametrize("name", SUFFIXES)
    def test_empty_and_binary_files(self, tmp_path: Path, name: str) -> None:
        for content, reason in [
            (b"", "empty"),
            (b" \n\n \n", "empty"),
            (bytes(range(256)) * 4, "line . holds binary"),
            (b"abc\0\0", "binary data"),
        ]:
            (entry,) = read_text(tmp_path, name, content)
            assert isinstance(entry, Rejection)
            assert re.search(reason, entry.reason)

    def test_formula_is_kept_where_it_is_readable(self, tmp_path: Path) -> None:
        disordered = CIF.replace("loop_", "_chemical_formula_sum 'Na1 Cl1'\nloop_", 1).replace("0.5 1", "0.5 0.7")
        assert rejection(tmp_path, "a.cif", disordered).formula == "NaCl"
        assert rejection(tmp_path, "a.cif", CIF_FAULTS["atoms 0.1 Å apart"][0]).formula == "KNaCl"
        assert rejection(tmp_path, "a.vasp", POSCAR_FAULTS["too few lines"][0]).formula == "NaCl"
        assert rejection(tmp_path, "a.vasp", POSCAR_FAULTS["no symbols"][0]).formula is None
        assert rejection(tmp_path, "a.xyz", FRAME_FAULTS["molecule"][0]).formula == "NaCl"
        assert rejection(tmp_path, "a.json", json.dumps(JSON_FAULTS["slab"][0])).formula == "NaCl"

    def test_unreadable_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.cif"
        path.write_text(CIF)

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        (entry,) = read(path)
        assert isinstance(entry, Rejection)
        assert "cannot be opened (Permission denied)" in entry.reason

    @pytest.mark.parametrize("error", [IndexError("list index out of range"), KeyError(), RecursionError("deep")])
    def test_no_error_of_a_parser_escapes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def fail(_: object) -> Iterator[Crystal | Rejection]:
            raise error
            yield

        monkeypatch.setitem(READERS, "CIF", fail)
        path = tmp_path / "a.cif"
        path.write_text(CIF)
        (entry,) = list(read_crystals([path]))
        assert isinstance(entry, Rejection)
        assert entry.reason.startswith("the file does not follow the layout of CIF: check that it is complete")


FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALID = {
    "x.cif": str(CifWriter(NACL)),
    "y.cif": CIF * 2,
    "x.vasp": str(Poscar(ZNS)),
    "x.extxyz": FRAME * 3,
    "x.json": json.dumps(NACL.as_dict()),
}


def assert_sound(folder: Path, name: str, content: bytes) -> list[Crystal | Rejection]:
    (folder / name).write_bytes(content)
    entries = list(read_crystals([folder / name]))
    assert entries
    for entry in entries:
        if isinstance(entry, Crystal):
            check(entry)
        else:
            assert entry.reason
            assert "\n" not in entry.reason
    return entries


class TestAnyContent:
    @FUZZ
    @given(name=st.sampled_from(SUFFIXES), content=st.binary(max_size=300))
    def test_bytes(self, tmp_path: Path, name: str, content: bytes) -> None:
        assert_sound(tmp_path, name, content)

    @FUZZ
    @given(name=st.sampled_from(SUFFIXES), content=st.text(max_size=200))
    def test_text(self, tmp_path: Path, name: str, content: str) -> None:
        assert_sound(tmp_path, name, content.encode(errors="surrogatepass"))

    @FUZZ
    @given(name=st.sampled_from(sorted(VALID)), where=st.floats(0, 1))
    def test_truncated(self, tmp_path: Path, name: str, where: float) -> None:
        text = VALID[name]
        assert_sound(tmp_path, name, text[: int(where * len(text))].encode())

    @FUZZ
    @given(
        name=st.sampled_from(sorted(VALID)), where=st.floats(0, 1), what=st.text(max_size=8), width=st.integers(0, 8)
    )
    def test_edited(self, tmp_path: Path, name: str, where: float, what: str, width: int) -> None:
        text, at = VALID[name], int(where * len(VALID[name]))
        assert_sound(tmp_path, name, (text[:at] + what + text[at + width :]).encode(errors="surrogatepass"))

    def test_every_cut_of_a_written_cif_is_refused(self, tmp_path: Path) -> None:
        text = VALID["x.cif"]
        last_row = text.rstrip().rindex("\n")
        for end in range(0, last_row, 29):
            (entry,) = assert_sound(tmp_path, "x.cif", text[:end].encode())
            assert isinstance(entry, Rejection), text[:end]


@pytest.mark.parametrize("name", ["salt.cif", "POSCAR", "salt.extxyz", "salt.json", "pasted", "notes.txt"])
def test_content_is_read_as_its_file_would_be(tmp_path, name):
    extxyz = StringIO()
    write(extxyz, NACL.to_ase_atoms(), format="extxyz")
    texts = {
        "CIF": str(CifWriter(NACL)),
        "POSCAR": Poscar(NACL).get_str(),
        "extxyz": extxyz.getvalue(),
        "JSON": json.dumps(NACL.as_dict()),
    }
    kind = kind_of(Path(name))
    for text in [texts[kind]] if kind else texts.values():
        (entry,) = read_content(text.encode(), name)
        assert entry.formula == "NaCl" and entry.file == name
        if kind:
            (tmp_path / name).write_text(text)
            (read,) = read_crystals([tmp_path / name])
            np.testing.assert_allclose(entry.frac_coords, read.frac_coords)


def test_content_never_touches_the_disk(tmp_path):
    real = tmp_path / "real.cif"
    real.write_text(str(CifWriter(NACL)))
    (entry,) = read_content(b"", str(real))
    assert isinstance(entry, Rejection) and "empty" in entry.reason
    (entry,) = read_content(b"id,file\na,real.cif\n", str(tmp_path / "table.csv"))
    assert isinstance(entry, Rejection) and "not a CIF" in entry.reason
