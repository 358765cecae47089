"""Structure files that others wrote, read by kappatune, gemmi, pymatgen, ASE and phonopy: who agrees with whom?

    python -m studies.reading.real_files FOLDER_OR_ARCHIVE... [--list CLASS]

Archives are sources of packages (`.tar.gz`, `.tar.xz`, `.zip`), such as `pip download --no-binary :all: --no-deps ase`
and `apt-get source --download-only cod-tools` fetch; a folder may hold them. Added are crystals that come with the
package as pymatgen, ASE and gemmi write them. Compared is the first crystal of a file or data block. What the other
readers say is kept in the folder `--work`.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from kappatune.structures import Crystal, read_content
from studies.reading.fingerprint import Fingerprint
from studies.reading.judged import why_ours
from studies.reading.other_readers import FILE_NAMES, MAX_ATOMS, READER_VERSIONS, Answer, KeptAnswers
from studies.reading.shipped import shipped_structures
from studies.reading.structure_files import StructureFile, structure_files
from studies.reading.writers import written
from studies.store import save_result

AGREE = "others agree with ours"
AGREE_SOME = "one other or more agree with ours, another differs"
RIGHT = "two others agree on another crystal, and ours is right"
WRONG = "two others agree on another crystal, and ours is wrong"
ALONE = "ours reads it, the others do not"
DIFFER = "all readers differ"
CONTRADICTORY = "refused with reason, two others agree"
REFUSED = "refused, though two others agree"
REFUSED_ONE = "refused, one other reads it, or they differ"
NONE = "no reader gives a crystal"
CLASSES = (AGREE, AGREE_SOME, RIGHT, WRONG, ALONE, DIFFER, CONTRADICTORY, REFUSED, REFUSED_ONE, NONE)

REASONS = {
    "partial occupancies or mixed sites": r"is disordered|shared by|the occupancy",
    "hydrogens without coordinates": "hydrogens without coordinates",
    "groups of atoms as one site": "group of atoms",
    "isotopes": "an isotope",
    "modulated crystals": "modulated",
    "atoms and formula contradict each other": r"_chemical_formula_sum is|contradicts? Z = ",
    "symmetry contradicts itself or the cell": r"symmetry operations?\b|contradicts itself|does not have the symmetry",
    "elements not named": "line 1 names none",
    "dummy atoms": "marked as a dummy",
}
"""Refusals that are right although other readers give a crystal: kind, and pattern of our reason."""

OTHER_REASONS = {
    "not periodic": "not periodic",
    "atoms at one place": "apart|overlap at one position",
    "no crystal in the file": "holds? no (crystal|structure)|has a cell or atom|is missing|no data_ line|no column",
}
"""Kinds and patterns of further refusals."""


def main() -> None:
    """Read all files, print the classes and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--list", default="-", help="print the files of the classes whose name contains this text")
    parser.add_argument("--work", type=Path, default=Path("runs/reading"), help="folder for what other readers say")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    answers = KeptAnswers(arguments.work / "answers.jsonl")
    counts = {"real": Counter[str](), "written": Counter[str]()}
    judged, packages, kinds = Counter[str](), Counter[str](), Counter[str]()
    reasons: dict[str, Counter[str]] = {name: Counter() for name in (CONTRADICTORY, REFUSED, REFUSED_ONE, NONE)}
    other_crystals = 0
    for file, original in with_written(arguments.sources):
        others = answers.of(file)
        ours, reason = read_by_us(file)
        found, why = judged_class(file, ours, reason, others)
        counts["real" if original is None else "written"][found] += 1
        if original is not None and (ours is None or ours.differs_from(original)):
            other_crystals += 1
            print(f"not as written: {file.name}: {reason}", flush=True)
        if original is None and found != NONE:
            packages[file.name.partition("/")[0]] += 1
            kinds[file.kind] += 1
        if found in reasons:
            reasons[found][kind_of_reason(reason, REASONS | OTHER_REASONS) or "other reasons"] += 1
        if found == RIGHT:
            judged[why] += 1
        if arguments.list in found:
            print(f"{found}: {file.hash} {file.name}: {why or reason} {told(ours, others)}", flush=True)
    save_result(
        "real_files",
        {
            "readers": READER_VERSIONS,
            "classes": {name: {group: counts[group][name] for group in counts} for name in CLASSES},
            "not_as_written": other_crystals,
            "reasons": {name: dict(some.most_common()) for name, some in reasons.items()},
            "ours_is_right": dict(judged.most_common()),
            "kinds": dict(kinds.most_common()),
            "packages": dict(packages.most_common()),
        },
    )


def with_written(sources: Sequence[Path]) -> list[tuple[StructureFile, Fingerprint | None]]:
    """The files of the sources, then those that writers make of our crystals, these with what they should give."""
    files: list[tuple[StructureFile, Fingerprint | None]] = [(file, None) for file in structure_files(sources)]
    for file, structure in written(shipped_structures()):
        files.append((file, Fingerprint.of(Crystal.from_pymatgen(structure))))
    return files


def read_by_us(file: StructureFile) -> tuple[Fingerprint | None, str]:
    """The first crystal of a file, or why there is none."""
    entry = next(iter(read_content(file.content, FILE_NAMES[file.kind])))
    if not isinstance(entry, Crystal):
        return None, entry.reason
    if entry.n_atoms > MAX_ATOMS:
        return None, f"more than {MAX_ATOMS} atoms"
    return Fingerprint.of(entry), ""


def judged_class(
    file: StructureFile, ours: Fingerprint | None, reason: str, others: Sequence[Answer]
) -> tuple[str, str]:
    """The class of a file, and why ours is right where two others agree on another crystal."""
    found = class_of(ours, reason, others)
    if found != WRONG or ours is None:
        return found, ""
    against = [one.crystal for one in others if one.crystal and ours.differs_from(one.crystal)]
    why = why_ours(file.content, file.hash, ours, against)
    return (RIGHT, why) if why else (WRONG, "")


def class_of(ours: Fingerprint | None, reason: str, others: Sequence[Answer]) -> str:
    """The class of a file, where two others that agree are taken to be right."""
    crystals = [one.crystal for one in others if one.crystal]
    if ours is None:
        return _class_of_refused(reason, crystals)
    unlike = [crystal for crystal in crystals if ours.differs_from(crystal)]
    if _two_agree(unlike):
        return WRONG
    if not crystals:
        return ALONE
    if len(unlike) == len(crystals):
        return DIFFER
    return AGREE_SOME if unlike else AGREE


def _class_of_refused(reason: str, crystals: list[Fingerprint]) -> str:
    if not crystals:
        return NONE
    if not _two_agree(crystals):
        return REFUSED_ONE
    return CONTRADICTORY if kind_of_reason(reason, REASONS) else REFUSED


def _two_agree(crystals: list[Fingerprint]) -> bool:
    return any(not one.differs_from(other) for one, other in combinations(crystals, 2))


def kind_of_reason(reason: str, kinds: Mapping[str, str]) -> str:
    """The first of some kinds whose pattern a reason has, or an empty text."""
    return next((kind for kind, pattern in kinds.items() if re.search(pattern, reason)), "")


def told(ours: Fingerprint | None, others: Sequence[Answer]) -> str:
    """How the others differ, or why they give no crystal."""
    return "; ".join(
        f"{one.reader}: {(ours.differs_from(one.crystal) or 'same') if ours and one.crystal else one.reason}"
        for one in others
    )


if __name__ == "__main__":
    main()
