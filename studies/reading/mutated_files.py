"""Ten thousand changed structure files: does reading fail, or give a crystal that two other readers contradict?

    python -m studies.reading.mutated_files FOLDER_OR_ARCHIVE... [--seed 1] [--count 10000] [--keep FOLDER]

Changed are the small files of the sources, crystals that come with the package as pymatgen, ASE and gemmi write them,
and the files of the tests. Two other readers contradict ours if they agree on another crystal. What fails or is
contradicted is kept in a folder. A killed run goes on; after a change of the reader, empty the folder first.
"""

from __future__ import annotations

import argparse
import json
import random
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations
from pathlib import Path

from kappatune.structures import Crystal, Rejection, read_content
from studies.reading.fingerprint import Fingerprint
from studies.reading.judged import why_ours
from studies.reading.mutations import mutated
from studies.reading.other_readers import FILE_NAMES, MAX_ATOMS, READER_VERSIONS, Answers
from studies.reading.shipped import shipped_structures
from studies.reading.structure_files import StructureFile, hash_of, structure_files
from studies.reading.writers import written
from studies.store import save_result

MAX_BYTES = 4000
CASES = Path(__file__).parents[2] / "tests" / "structures" / "cases"
SHARES = {"CIF": 0.7, "POSCAR": 0.2, "extxyz": 0.05, "JSON": 0.05}


def main() -> None:
    """Change, read and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--keep", type=Path, default=Path("runs/mutated"), help="folder for files that fail, and to go on"
    )
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    files = changeable(arguments.sources)
    done = Done(arguments.keep / f"{arguments.seed}.jsonl")
    missing = [number for number in range(arguments.count) if number not in done.classes]
    with ProcessPoolExecutor(arguments.workers) as workers:
        read = partial(one_changed, files, arguments.seed, arguments.keep)
        for number, (found, why) in zip(missing, workers.map(read, missing, chunksize=50), strict=True):
            done.add(number, found, why)
    classes = Counter(found for found, _ in done.classes.values())
    reasons = Counter(why for _, why in done.classes.values() if why)
    save_result(
        "mutated_files",
        {
            "seed": arguments.seed,
            "files": arguments.count,
            "of": {kind: len(some) for kind, some in files.items()},
            "readers": READER_VERSIONS,
            "classes": {name: classes[name] for name in CLASSES},
            "ours_is_right": dict(reasons.most_common()),
        },
    )


class Done:
    """The classes of the files that were read already, kept in a file; faults are read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        self.classes = {number: (found, why) for number, found, why in lines if found not in FAULTS}

    def add(self, number: int, found: str, why: str) -> None:
        """Keep the class of a changed file, and why ours is right where others contradict it."""
        self.classes[number] = found, why
        with self._path.open("a") as kept:
            kept.write(json.dumps([number, found, why]) + "\n")


def one_changed(files: dict[str, list[StructureFile]], seed: int, keep: Path, number: int) -> tuple[str, str]:
    """The class of one changed file, and why ours is right where two others contradict it; faults are kept."""
    choose = random.Random(f"{seed}/{number}")
    kind = choose.choices(list(SHARES), list(SHARES.values()))[0]
    file = choose.choice(files[kind])
    content, change = mutated(file.content, kind, choose)
    found, told = class_of(content, kind)
    if found == CONTRADICTED and (why := why_ours_of(file, content)):
        return RIGHT, why
    if found in FAULTS:
        print(f"{number} {found}: {hash_of(content)} {file.name} ({change}): {told}", flush=True)
        (keep / f"{seed}-{number}-{FILE_NAMES[kind]}").write_bytes(content)
    return found, ""


RIGHT = "two others agree on another crystal, and ours is right"
AS_BEFORE = "the others misread the unchanged file in the same way"
CONTRADICTED = "contradicted by two others"
CLASSES = (
    "refused",
    "read, two others agree with it",
    "read, one other agrees with it",
    "read, no two others agree",
    RIGHT,
    CONTRADICTED,
    "traceback",
)
FAULTS = CLASSES[-2:]


def changeable(sources: list[Path]) -> dict[str, list[StructureFile]]:
    """The files that are changed, by kind: those that are read, and all of the tests."""
    found = [*structure_files(sources), *(file for file, _ in written(shipped_structures()))]
    read = [one for one in found if len(one.content) <= MAX_BYTES and _is_read(one)]
    files = [*read, *structure_files([CASES])]
    return {kind: [one for one in files if one.kind == kind] for kind in SHARES}


def _is_read(file: StructureFile) -> bool:
    return isinstance(next(iter(read_content(file.content, FILE_NAMES[file.kind]))), Crystal)


def why_ours_of(file: StructureFile, content: bytes) -> str:
    """Why ours is right of a changed file that two others contradict, or an empty text."""
    ours = next(iter(read_content(content, FILE_NAMES[file.kind])))
    assert isinstance(ours, Crystal)
    fingerprint = Fingerprint.of(ours)
    others = [one.crystal for one in Answers(content, file.kind) if one.crystal]
    against = [one for one in others if fingerprint.differs_from(one)]
    if why := why_ours(content, hash_of(content), fingerprint, against):
        return why
    unchanged = class_of(file.content, file.kind)[0] == CONTRADICTED
    return AS_BEFORE if unchanged else ""


def class_of(content: bytes, kind: str) -> tuple[str, str]:
    """The class of a changed file, and what the other readers say, or the traceback."""
    try:
        entry = next(iter(read_content(content, FILE_NAMES[kind])))
    except Exception:
        return "traceback", traceback.format_exc(limit=-2)
    if isinstance(entry, Rejection):
        return "refused", entry.reason
    return compared(entry, Answers(content, kind))


def compared(crystal: Crystal, others: Answers) -> tuple[str, str]:
    """The class of a crystal beside other readers, of which only so many are asked as decide."""
    if crystal.n_atoms > MAX_ATOMS:
        return "read, no two others agree", ""
    ours = Fingerprint.of(crystal)
    alike: list[str] = []
    unlike: list[tuple[str, Fingerprint, str]] = []
    for answer in others:
        if answer.crystal is None:
            continue
        difference = ours.differs_from(answer.crystal)
        if difference:
            unlike.append((answer.reader, answer.crystal, difference))
        else:
            alike.append(answer.reader)
        if len(alike) == 2:
            return "read, two others agree with it", ""
    for (one, first, difference), (other, second, _) in combinations(unlike, 2):
        if not first.differs_from(second):
            return "contradicted by two others", f"{one}, {other}: {difference}"
    return ("read, one other agrees with it" if alike else "read, no two others agree"), ""


if __name__ == "__main__":
    main()
