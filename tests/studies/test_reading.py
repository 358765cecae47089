from __future__ import annotations

import random
import re
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from kappatune.structures import Crystal
from studies.reading import real_files
from studies.reading.fingerprint import Fingerprint
from studies.reading.judged import BY_FORMULA, BY_VOLUME, INCOMPLETE, NUMBERED, why_ours
from studies.reading.mutated_files import CONTRADICTED, Done, class_of
from studies.reading.mutations import mutated
from studies.reading.other_readers import Answer, Answers, KeptAnswers
from studies.reading.structure_files import StructureFile, structure_files
from studies.reading.writers import WRITERS
from studies.store import load_result

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CIF = WRITERS["pymatgen.cif"](SALT).partition("\n")[2].encode()


def fingerprint(structure: Structure) -> Fingerprint:
    return Fingerprint.of(Crystal.from_pymatgen(structure))


def test_cells_of_one_crystal_have_one_fingerprint():
    salt = fingerprint(SALT)
    for same in (
        SALT.get_primitive_structure(),
        SALT * (2, 1, 1),
        SALT.copy().translate_sites(range(8), [0.1, 0.2, 0.3]),
    ):
        assert salt.differs_from(fingerprint(same)) == ""
    assert Fingerprint.of_json(salt.as_json()).differs_from(salt) == ""


def test_other_crystals_have_other_fingerprints():
    zincblende = Structure.from_spacegroup("F-43m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.25, 0.25, 0.25]])
    larger = SALT.copy()
    larger.apply_strain(0.01)
    rutile = Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.6, 2.96), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )
    for one, other in ((SALT, zincblende), (SALT, larger), (SALT, rutile)):
        assert fingerprint(one).differs_from(fingerprint(other))
    moved = SALT.copy()
    moved.translate_sites([0], [0.05, 0, 0])
    assert "distances" in fingerprint(SALT).differs_from(fingerprint(moved))


def test_files_come_from_archives_once_and_block_by_block(tmp_path):
    with tarfile.open(tmp_path / "some-1.0.tar.gz", "w:gz") as archive:
        two = CIF + CIF.replace(b"5.64", b"5.65")
        for name, content in (
            ("a.cif", CIF),
            ("copy.cif", CIF),
            ("two.cif", two),
            ("notes.txt", b"x"),
            ("c.vasp", b""),
        ):
            member = tarfile.TarInfo(f"some-1.0/{name}")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    found = list(structure_files([tmp_path]))
    assert [file.name for file in found] == ["some-1.0/a.cif", "some-1.0/two.cif#2"]
    assert found[1].content == CIF.replace(b"5.64", b"5.65")


def test_other_readers_agree_on_a_plain_file(tmp_path):
    file = StructureFile("salt.cif", "CIF", CIF)
    kept = KeptAnswers(tmp_path / "answers.jsonl")
    for found in (kept.of(file), KeptAnswers(tmp_path / "answers.jsonl").of(file)):
        assert [one.reader for one in found] == ["gemmi", "pymatgen", "ASE"]
        assert all(one.crystal and one.crystal.differs_from(fingerprint(SALT)) == "" for one in found)
    halved = StructureFile("x.cif", "CIF", re.sub(rb"(?m)^(  (?:Na|Cl).*) 1$", rb"\1 0.5", CIF))
    assert {one.reason for one in Answers(halved.content, "CIF")} == {"disordered"}


ONE, OTHER, THIRD = (fingerprint(Structure(Lattice.cubic(a), ["Po"], [[0, 0, 0]])) for a in (3.3, 3.4, 3.5))


@pytest.mark.parametrize(
    ("ours", "reason", "others", "found"),
    [
        (ONE, "", [ONE, ONE], real_files.AGREE),
        (ONE, "", [ONE, OTHER], real_files.AGREE_SOME),
        (ONE, "", [ONE, OTHER, OTHER], real_files.WRONG),
        (ONE, "", [OTHER, OTHER], real_files.WRONG),
        (ONE, "", [None, None], real_files.ALONE),
        (ONE, "", [OTHER, THIRD], real_files.DIFFER),
        (None, "site 1 is disordered", [ONE, ONE, None], real_files.CONTRADICTORY),
        (None, "site 1 is odd", [ONE, ONE], real_files.REFUSED),
        (None, "site 1 is odd", [ONE, OTHER], real_files.REFUSED_ONE),
        (None, "site 1 is odd", [None], real_files.NONE),
    ],
)
def test_classes(ours, reason, others, found):
    answers = [Answer(str(number), crystal, "") for number, crystal in enumerate(others)]
    assert real_files.class_of(ours, reason, answers) == found


def test_the_file_itself_tells_who_is_right():
    salt = fingerprint(SALT)
    sparse, sodium = SALT.copy(), SALT.copy()
    sparse.remove_sites([0, 4])
    sodium.remove_sites([4])
    numbered = SALT.copy()
    numbered.replace_species({"Na": "H", "Cl": "He"})
    for other, why in ((sparse, BY_VOLUME), (sodium, BY_FORMULA)):
        assert why_ours(CIF, "", salt, [fingerprint(other)] * 2) == why
        assert why_ours(CIF, "", fingerprint(other), [salt, salt]) == ""
    assert why_ours(b"", "", salt, [fingerprint(numbered)]) == NUMBERED
    assert why_ours(b"", "", fingerprint(numbered), [salt]) == ""
    symmetric = WRITERS["pymatgen-symmetric.cif"](SALT)
    nameless = re.sub("_chemical_formula_sum.*", "", symmetric)
    for content, why in ((nameless, ""), (re.sub("  2  '.*\\n", "", nameless), INCOMPLETE)):
        assert why_ours(content.encode(), "", salt, [fingerprint(sparse)]) == why


def test_changes_follow_the_seed():
    once, again = ([mutated(CIF, "CIF", random.Random(seed)) for seed in range(50)] for _ in range(2))
    assert once == again
    assert sum(content != CIF for content, _ in once) > 40


def test_faults_are_read_again(tmp_path):
    done = Done(tmp_path / "1.jsonl")
    done.add(0, "refused", "")
    done.add(1, CONTRADICTED, "")
    assert Done(tmp_path / "1.jsonl").classes == {0: ("refused", "")}


def test_the_page_has_the_stored_classes():
    page = (Path(__file__).parents[2] / "docs" / "reading.md").read_text(encoding="utf-8")
    for name, counts in load_result("real_files")["classes"].items():
        assert f"| {name} | {counts['real']:,} | {counts['written']:,} |" in page
    for name, count in load_result("mutated_files")["classes"].items():
        assert f"| {name} | {count:,} |" in page


def test_a_changed_file_is_compared_with_two_other_readers():
    assert class_of(CIF, "CIF")[0] == "read, two others agree with it"
    assert class_of(CIF.replace(b"5.64", b"abc"), "CIF")[0] == "refused"
    assert np.isclose(fingerprint(SALT).volume_per_atom, 5.64**3 / 8)
