"""Reading crystals from files: each kind, each way it fails, and that the others are still read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from ase.io import write
from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter

from kappatune.structures.crystal import Crystal, Rejection
from kappatune.structures.files import kind_of
from kappatune.structures.read import read_crystals
from tests.structures.written import (
    CIF,
    FRAME,
    LATTICE,
    NACL,
    POSCAR,
    SILICON,
    ZNS,
    atoms_frame,
    crystal,
    read,
    read_text,
    write_kind,
)


class TestEachKind:
    @pytest.mark.parametrize("structure", [NACL, SILICON, ZNS], ids=["NaCl", "Si", "ZnS"])
    @pytest.mark.parametrize(
        "name", ["x.cif", "X.CIF", "x.vasp", "x.poscar", "POSCAR_x", "x.extxyz", "x.xyz", "x.json"]
    )
    def test_round_trip(self, tmp_path: Path, structure: Structure, name: str) -> None:
        source = write_kind(structure, tmp_path / "a.b")
        source.unlink()
        path = tmp_path / name
        write_kind(structure, tmp_path / name.lower() if name != "POSCAR_x" else path).rename(path)
        (entry,) = read(path)
        assert isinstance(entry, Crystal), entry
        assert entry.id == ("POSCAR_x" if name == "POSCAR_x" else path.stem)
        assert entry.file == str(path)
        np.testing.assert_allclose(entry.lattice, structure.lattice.matrix, atol=1e-5)
        assert entry.numbers.tolist() == list(structure.atomic_numbers)
        shift = entry.frac_coords - structure.frac_coords
        np.testing.assert_allclose(shift - np.round(shift), 0, atol=1e-5)

    def test_symmetric_cif_gives_the_whole_conventional_cell(self, tmp_path: Path) -> None:
        path = tmp_path / "salt.cif"
        CifWriter(NACL, symprec=0.01).write_file(path)
        (entry,) = read(path)
        assert isinstance(entry, Crystal)
        assert (entry.n_atoms, entry.formula) == (8, "NaCl")

    def test_cif_keeps_the_order_of_its_atom_list(self, tmp_path: Path) -> None:
        text = CIF.replace("Na1 Na 0.0 0.0 0.0 1\nCl1 Cl 0.5 0.5 0.5 1", "Cl1 Cl 0.5 0.5 0.5 1\nNa1 Na 0.0 0.0 0.0 1")
        assert crystal(tmp_path, "a.cif", text).numbers.tolist() == [17, 11]

    def test_cif_charges_uncertainties_and_cases(self, tmp_path: Path) -> None:
        text = CIF.replace(" Na 0.0", " NA1+ 0.0").replace(" Cl 0.5", " Clval 0.500(2)").replace("5.64", "5.64(1)")
        assert crystal(tmp_path, "a.cif", text).formula == "NaCl"

    def test_cif_without_type_symbols_reads_labels(self, tmp_path: Path) -> None:
        text = re.sub(r"^(Na1|Cl1) \w\w", r"\1", CIF.replace("_atom_site_type_symbol\n", ""), flags=re.MULTILINE)
        assert crystal(tmp_path, "a.cif", text).formula == "NaCl"

    def test_cif_blocks_of_the_same_name_are_all_kept_in_order(self, tmp_path: Path) -> None:
        second = CIF.replace("Na", "K")
        entries = read_text(tmp_path, "two.cif", "data_global\n_journal_year 1999\n" + CIF + second)
        assert [(e.id, e.formula) for e in entries] == [("two#1", "NaCl"), ("two#2", "KCl")]

    def test_data_line_within_a_text_field_starts_no_block(self, tmp_path: Path) -> None:
        text = CIF.replace("loop_\n", "_publ_section_comment\n;\ndata_collection was fast\n;\nloop_\n", 1)
        assert crystal(tmp_path, "a.cif", text).formula == "NaCl"

    def test_cif_bad_block_between_good_ones(self, tmp_path: Path) -> None:
        entries = read_text(tmp_path, "a.cif", CIF + CIF.replace("Cl1 Cl 0.5", "Cl1 Cl") + CIF)
        assert [type(e) for e in entries] == [Crystal, Rejection, Crystal]
        assert [e.id for e in entries] == ["a#1", "a#2", "a#3"]

    @pytest.mark.parametrize("mode", ["Cartesian", "Selective dynamics\nDirect"])
    def test_poscar_modes(self, tmp_path: Path, mode: str) -> None:
        text = POSCAR.replace("Direct", mode)
        if mode == "Cartesian":
            text = text.replace("0.5 0.5 0.5", "2.0 2.0 2.0")
        else:
            text = text.replace("0.0 0.0 0.0\n0.5 0.5 0.5", "0.0 0.0 0.0 T T T\n0.5 0.5 0.5 T F T")
        np.testing.assert_allclose(crystal(tmp_path, "a.vasp", text).frac_coords[1], 0.5)

    def test_contcar_velocities_and_vasp6_symbols(self, tmp_path: Path) -> None:
        text = POSCAR.replace("Na Cl\n", "Na_pv/f474ac0d Cl/79d9987ad87\n") + "\n0.1 0.1 0.1\n0.1 0.1 0.1\n"
        assert crystal(tmp_path, "CONTCAR_1", text).formula == "NaCl"

    def test_vasp4_with_symbols_beside_the_coordinates(self, tmp_path: Path) -> None:
        text = POSCAR.replace("Na Cl\n", "").replace("0.0 0.0 0.0\n0.5 0.5 0.5", "0.0 0.0 0.0 Na\n0.5 0.5 0.5 Cl")
        assert crystal(tmp_path, "a.vasp", text).formula == "NaCl"

    def test_poscar_goes_by_its_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "salt"
        folder.mkdir()
        (folder / "POSCAR").write_text(POSCAR)
        monkeypatch.chdir(folder)
        assert [e.id for e in read(folder / "POSCAR", "POSCAR")] == ["salt/POSCAR", "POSCAR"]

    def test_windows_line_ends_and_byte_order_mark(self, tmp_path: Path) -> None:
        for name, text in [("a.cif", CIF), ("a.vasp", POSCAR), ("a.xyz", FRAME)]:
            (entry,) = read_text(tmp_path, name, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
            assert isinstance(entry, Crystal), entry

    def test_extxyz_ids(self, tmp_path: Path) -> None:
        frames = [
            FRAME.replace(LATTICE, LATTICE + extra)
            for extra in (" id=007", ' material_id="mp 22862"', " name=salt id=x", "", ' comment="id=9"')
        ]
        entries = read_text(tmp_path, "a.extxyz", "".join(frames))
        assert [e.id for e in entries] == ["007", "mp 22862", "x", "a#4", "a#5"]

    def test_extxyz_entries_that_ase_would_stumble_over(self, tmp_path: Path) -> None:
        text = FRAME.replace(LATTICE, LATTICE + ' stress="1 2 3 4 5 6" energy=-1.5 pbc="T T T"')
        assert crystal(tmp_path, "a.extxyz", text).formula == "NaCl"

    def test_json_list_and_ids(self, tmp_path: Path) -> None:
        beside = {"material_id": "mp-22862", "structure": NACL.as_dict()}
        within = {**SILICON.as_dict(), "id": 149}
        entries = read_text(tmp_path, "a.json", json.dumps([beside, within, NACL.as_dict(), {"a": 1}]))
        assert [e.id for e in entries] == ["mp-22862", "149", "a#3", "a#4"]
        assert [type(e) for e in entries] == [Crystal, Crystal, Crystal, Rejection]

    def test_json_names_no_class_to_import(self, tmp_path: Path) -> None:
        content = NACL.as_dict()
        content["sites"][0]["properties"] = {"x": {"@module": "no_such_module", "@class": "Thing"}}
        assert crystal(tmp_path, "a.json", json.dumps(content)).formula == "NaCl"


class TestStreaming:
    def test_cut_last_frame_keeps_the_earlier_ones(self, tmp_path: Path) -> None:
        cut = FRAME.replace(LATTICE, LATTICE + " id=last")[:-10]
        entries = read_text(tmp_path, "a.extxyz", FRAME * 3 + cut)
        assert [type(e) for e in entries] == [Crystal] * 3 + [Rejection]
        assert [e.id for e in entries] == ["a#1", "a#2", "a#3", "last"]
        assert isinstance(entries[3], Rejection)
        assert "frame 4 announces 2 atoms but the file ends after 1" in entries[3].reason

    def test_bad_frame_does_not_stop_the_others(self, tmp_path: Path) -> None:
        entries = read_text(tmp_path, "a.extxyz", FRAME + FRAME.replace("Cl", "Qq") + FRAME)
        assert [type(e) for e in entries] == [Crystal, Rejection, Crystal]

    def test_lost_place_stops_reading_with_a_reason(self, tmp_path: Path) -> None:
        entries = read_text(tmp_path, "a.extxyz", FRAME + "3" + FRAME[1:] + FRAME)
        assert isinstance(entries[0], Crystal)
        assert isinstance(entries[-1], Rejection)
        assert "does not start with a number of atoms" in entries[-1].reason
        assert "reading stops" in entries[-1].reason

    def test_binary_tail_keeps_the_earlier_frames(self, tmp_path: Path) -> None:
        entries = read_text(tmp_path, "a.extxyz", (FRAME * 2).encode() + b"\xff\xfe\x00")
        assert [type(e) for e in entries] == [Crystal, Crystal, Rejection]

    def test_frames_are_read_one_at_a_time(self, tmp_path: Path) -> None:
        path = tmp_path / "long.extxyz"
        path.write_text(FRAME * 20000 + "garbage")
        entries = read_crystals([path])
        assert [e.id for e in islice(entries, 3)] == ["long#1", "long#2", "long#3"]
        path.unlink()
        assert next(entries).id == "long#4"

    def test_files_are_opened_when_their_turn_comes(self, tmp_path: Path) -> None:
        (tmp_path / "a.cif").write_text(CIF)
        entries = read_crystals([tmp_path / "a.cif", tmp_path / "b.cif"])
        assert next(entries).id == "a"
        (tmp_path / "b.cif").write_text(CIF)
        assert isinstance(next(entries), Crystal)

    def test_ase_frames(self, tmp_path: Path) -> None:
        path = tmp_path / "t.extxyz"
        write(path, [atoms_frame("first"), atoms_frame()], format="extxyz")
        assert [(e.id, e.formula) for e in read(path)] == [("first", "NaCl"), ("t#2", "NaCl")]


class TestSources:
    def test_order_is_kept_and_the_batch_goes_on(self, tmp_path: Path) -> None:
        texts = {"c.cif": CIF, "a.vasp": POSCAR[:30], "b.extxyz": FRAME, "z.json": "{"}
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        entries = read(*(tmp_path / name for name in texts), tmp_path / "missing.cif", str(tmp_path / "c.cif"))
        assert [e.id for e in entries] == ["c", "a", "b", "z", "missing", "c"]
        assert [isinstance(e, Crystal) for e in entries] == [True, False, True, False, False, True]

    def test_missing_file(self, tmp_path: Path) -> None:
        (entry,) = read(tmp_path / "missing.cif")
        assert isinstance(entry, Rejection)
        assert "no such file" in entry.reason
        assert entry.file == str(tmp_path / "missing.cif")

    @pytest.mark.parametrize("name", ["notes.txt", "table.xls", "README"])
    def test_unknown_kind(self, tmp_path: Path, name: str) -> None:
        (entry,) = read_text(tmp_path, name, "x")
        assert isinstance(entry, Rejection)
        assert "*.cif" in entry.reason
        assert "POSCAR*" in entry.reason

    def test_folder_is_read_sorted_and_below(self, tmp_path: Path) -> None:
        for name in ("b/POSCAR", "a/x.cif", "a/notes.txt", "c.xyz", ".hidden/y.cif", "._c.cif"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            text = FRAME if name.endswith("xyz") else POSCAR if "POSCAR" in name else CIF
            (tmp_path / name).write_text(text)
        entries = read(tmp_path)
        assert [e.id for e in entries] == ["x", "b/POSCAR", "c"]
        assert [e.file for e in entries] == [str(tmp_path / n) for n in ("a/x.cif", "b/POSCAR", "c.xyz")]

    def test_folder_without_structures(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("x")
        (entry,) = read(tmp_path)
        assert isinstance(entry, Rejection)
        assert "no structure file" in entry.reason
        assert "*.extxyz" in entry.reason

    def test_glob(self, tmp_path: Path) -> None:
        for name in ("b.cif", "a.cif", "deep/c.cif", "a.txt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(CIF)
        assert [e.id for e in read(f"{tmp_path}/*.cif")] == ["a", "b"]
        assert [e.id for e in read(f"{tmp_path}/**/*.cif")] == ["a", "b", "c"]
        assert [e.id for e in read(f"{tmp_path}/*")] == ["a", "b", "c"]
        for pattern in ("*.vasp", "*.txt"):
            (entry,) = read(f"{tmp_path}/{pattern}")
            assert isinstance(entry, Rejection)
            assert "no structure file matches" in entry.reason
            assert entry.file == f"{tmp_path}/{pattern}"

    def test_file_whose_name_looks_like_a_pattern(self, tmp_path: Path) -> None:
        assert [e.id for e in read_text(tmp_path, "salt[1].cif", CIF)] == ["salt[1]"]

    def test_one_path_in_place_of_a_list(self, tmp_path: Path) -> None:
        (tmp_path / "a.cif").write_text(CIF)
        assert [e.id for e in read_crystals(str(tmp_path / "a.cif"))] == ["a"]

    def test_strange_paths(self) -> None:
        for source in ("x" * 5000 + ".cif", "a\0b.cif", "["):
            (entry,) = read(source)
            assert isinstance(entry, Rejection)

    def test_kinds(self) -> None:
        kinds = {name: kind_of(Path(name)) for name in ("POSCAR.cif", "POSCAR.1", "CONTCAR", "XYZ", "a.VASP", "a.csv")}
        assert list(kinds.values()) == ["CIF", "POSCAR", "POSCAR", None, "POSCAR", None]

    def test_nothing_reaches_the_streams(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "a.cif").write_text(CIF.replace("0.5 0.5 0.5", "0.3333 0.6667 0.5"))
        (tmp_path / "b.vasp").write_text(POSCAR.replace("Na Cl\n", ""))
        read(tmp_path)
        assert capfd.readouterr() == ("", "")

    def test_import_is_light(self) -> None:
        code = (
            "import sys, kappatune.structures.read; "
            "print(sorted({'pymatgen', 'ase', 'torch', 'pyarrow'} & sys.modules.keys()))"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert result.stdout.strip() == "[]"
