"""Two hundred uploads by people who mean no good, or whose files are badly broken.

    python tests/web/hostile.py FOLDER    # writes them, to throw at a server of yours

The same every time; each is a name and its bytes.
"""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

N_UPLOADS = 200
SEED = 7

Upload = tuple[str, bytes]

_GROUP = "_symmetry_space_group_name_H-M 'P 1'\n"
CELL = [[4, 0, 0], [0, 4, 0], [0, 0, 4]]
POPEN = {"@module": "subprocess", "@class": "Popen"}
SITE = {"species": [{"element": "Cs", "occu": 1, **POPEN}], "abc": [0, 0, 0]}
CIF = """data_NaCl
_cell_length_a 3.36
_cell_length_b 3.36
_cell_length_c 3.36
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na 0 0 0
Cl1 Cl 0.5 0.5 0.5
"""
POSCAR = "MgO\n1.0\n0 2.106 2.106\n2.106 0 2.106\n2.106 2.106 0\nMg O\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
EXTXYZ = '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nCs 0 0 0\nCl 2 2 2\n'
SCRIPT = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'

NAMES = (
    "../../../../etc/passwd.cif",
    "/etc/passwd",
    "/dev/zero.cif",
    "C:\\Windows\\System32\\config.cif",
    "\\\\server\\share\\x.cif",
    "file:///etc/passwd",
    "CON.cif",
    ".cif",
    "",
    " ",
    "a\x00b.cif",
    "a\r\nX-Injected: 1\r\n\r\nb.cif",
    "\u202efic.exe",
    "𝕊" * 3000 + ".cif",
    "a" * 100_000 + ".cif",
    "{{7*7}}${7*7}.cif",
    "'; DROP TABLE crystals; --.cif",
    "$(touch hacked).cif",
    '=HYPERLINK("http://evil").cif',
    f"{SCRIPT}.cif",
    "*.cif",
    "POSCAR/../../POSCAR",
    "shipped:textbook",
    "~/.ssh/id_rsa.cif",
)


def uploads() -> list[Upload]:
    """All of them, in a fixed order."""
    found = [*_names(), *_texts(), *_archives()]
    random.Random(SEED).shuffle(found)
    found += list(_mutants(N_UPLOADS - len(found)))
    assert len(found) == N_UPLOADS
    return found


def _names() -> Iterator[Upload]:
    for name in NAMES:
        yield name, CIF.encode()


def _texts() -> Iterator[Upload]:
    places = [(k / 3001, k * 7 % 3001 / 3001, k * 13 % 3001 / 3001) for k in range(3000)]
    many = "\n".join(f"Na{k} Na {x:.6f} {y:.6f} {z:.6f}" for k, (x, y, z) in enumerate(places))
    head = CIF[: CIF.index("Na1 Na")]
    xyz = "_symmetry_equiv_pos_as_xyz"
    operations = f"loop_\n{xyz}\n" + "".join(f"'x+{k}/50000,y,z'\n" for k in range(50_000))
    texts = {
        "empty.cif": "",
        "blank.cif": " \n\t\n" * 1000,
        "script.cif": CIF.replace("data_NaCl", f"data_{SCRIPT}").replace("Na1 Na", f"{SCRIPT.split(maxsplit=1)[0]} Na"),
        "element.cif": CIF.replace("Na1 Na", f"Na1 {SCRIPT.split('>')[1]}>"),
        "nan.cif": CIF.replace("3.36", "nan"),
        "inf.cif": CIF.replace("3.36", "inf"),
        "huge.cif": CIF.replace("3.36", "1e308"),
        "tiny.cif": CIF.replace("3.36", "1e-308"),
        "negative.cif": CIF.replace("3.36", "-3.36"),
        "flat.cif": CIF.replace("_cell_angle_gamma 90", "_cell_angle_gamma 180"),
        "digits.cif": CIF.replace("3.36", "5" * 100_000),
        "overlap.cif": CIF.replace("0.5 0.5 0.5", "0.0001 0 0"),
        "vacuum.cif": CIF.replace("3.36", "900"),
        "dense.cif": head.replace("3.36", "14.5") + many,
        "crowd.cif": head.replace("3.36", "60") + many,
        "operations.cif": CIF.replace(_GROUP, operations),
        "operation.cif": CIF.replace(_GROUP, f"{xyz} 'x{'+x' * 40_000},y,z'\n"),
        "import.cif": CIF.replace(_GROUP, f'{xyz} \'__import__("os").system("touch hacked"),y,z\'\n'),
        "open-text.cif": CIF + "_x\n;" + "never closed\n" * 1000,
        "open-quote.cif": CIF + "_x 'never closed" + " " * 10_000,
        "quotes.cif": "data_x\n_y " + "'\"" * 50_000,
        "loops.cif": "data_x\n" + "loop_\n" * 50_000,
        "tags.cif": CIF + "".join(f"_tag_{k} {k}\n" for k in range(50_000)),
        "blocks.cif": CIF * 200,
        "columns.cif": CIF.replace("fract_z\n", "fract_z\n" + "".join(f"_atom_site_x{k}\n" for k in range(2000))),
        "one-line.cif": "data_" + "x" * 5_000_000,
        "occupancy.cif": CIF.replace("fract_z", "fract_z\n_atom_site_occupancy").replace("0 0 0\n", "0 0 0 1e9\n"),
        "formula.cif": CIF.replace("loop_", f"_chemical_formula_sum '{'(' * 5000}Na{')9' * 5000}'\nloop_", 1),
        "count.vasp": POSCAR.replace("1 1\n", "999999999999 1\n"),
        "counts.vasp": POSCAR.replace("Mg O\n1 1\n", "Mg " * 20_000 + "\n" + "1 " * 20_000 + "\n"),
        "scale.vasp": POSCAR.replace("1.0\n", "-1e300\n"),
        "zero.vasp": POSCAR.replace("1.0\n", "0\n"),
        "no-atoms.vasp": POSCAR.replace("1 1\n", "0 0\n"),
        "negative.vasp": POSCAR.replace("1 1\n", "-1 1\n"),
        "cut.vasp": POSCAR[:40],
        "symbols.vasp": POSCAR.replace("Mg O", f"{SCRIPT} O"),
        "count.extxyz": EXTXYZ.replace("2\n", "999999999999\n", 1),
        "long-count.extxyz": "9" * 10_000 + "\n",
        "frames.extxyz": EXTXYZ * 6000,
        "comment.extxyz": EXTXYZ.replace("pbc=", 'a="' + "\\" * 200_000 + " pbc="),
        "pairs.extxyz": EXTXYZ.replace("pbc=", "a=" * 100_000 + " pbc="),
        "braces.extxyz": EXTXYZ.replace("pbc=", "a={" * 50_000 + " pbc="),
        "properties.extxyz": EXTXYZ.replace("pos:R:3", "pos:R:3:x:R:999999999"),
        "lattice.extxyz": EXTXYZ.replace("4 0 0 0 4 0 0 0 4", "nan " * 9),
        "array.extxyz": EXTXYZ.replace("pbc=", 'x="[[[[[[' + "[" * 20_000 + '" pbc='),
        "molecule.xyz": "2\n\nH 0 0 0\nH 0 0 0.74\n",
        "deep.json": "[" * 100_000,
        "deep-objects.json": '{"sites":' * 50_000,
        "module.json": json.dumps({"@module": "os", "@class": "system", "sites": [], "lattice": {"matrix": []}}),
        "site-module.json": json.dumps({"lattice": {"matrix": CELL, "pbc": [True] * 3}, "sites": [{**SITE, **POPEN}]}),
        "numbers.json": '{"sites": [' + "1" * 10_000 + "]}",
        "infinite.json": json.dumps({"lattice": {"matrix": CELL}, "sites": [SITE]}).replace("4", "Infinity"),
        "list.json": json.dumps([None, 1, "x", [], {}] * 500),
        "string.json": '"' + "x" * 100_000 + '"',
        "rows.csv": "id,file\na,/etc/passwd\n",
        "entities.xml": '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        "page.html": f"<html>{SCRIPT}</html>",
    }
    for name, text in texts.items():
        yield name, text.encode("utf-8", "surrogatepass")
    yield "utf16.cif", CIF.encode("utf-16")
    yield "latin.cif", CIF.replace("NaCl", "Käse").encode("latin-1")
    yield "nul.cif", CIF.encode().replace(b"Na1", b"\0\0\0")
    yield "random.cif", random.Random(SEED).randbytes(200_000)
    yield "random", random.Random(SEED + 1).randbytes(200_000)
    yield "pickle.json", pickle.dumps({"x": Path("hacked")})
    yield "elf.cif", b"\x7fELF" + bytes(1000)
    yield "table.parquet", b"PAR1" + bytes(1000) + b"PAR1"
    yield "gzip.cif.gz", b"\x1f\x8b" + bytes(1000)
    yield "zeros.cif", bytes(3_000_000)


def _archives() -> Iterator[Upload]:
    deflated = zipfile.ZIP_DEFLATED
    yield "bomb.zip", _zip({"zeros.cif": bytes(30_000_000)}, deflated)
    yield "bombs.zip", _zip({f"{k}.cif": bytes(3_000_000) for k in range(60)}, deflated)
    yield "nested.zip", _zip({"inner.zip": _zip({"a.cif": bytes(5_000_000)}, deflated)}, deflated)
    yield "quine-like.zip", _zip({f"{k}.zip": _zip({"x.cif": CIF.encode()}) for k in range(50)})
    yield "crowd.zip", _zip({f"{k}.cif": b"" for k in range(9_000)})
    yield "traversal.zip", _zip({"../../tmp/hacked.cif": CIF.encode(), "/etc/cron.d/hacked": b"x", "..\\x.cif": b"x"})
    yield "scripts.zip", _zip({f"{SCRIPT}/POSCAR": POSCAR.encode(), "a\nb.cif": CIF.encode()})
    yield "folders.zip", _zip({"a/": b"", "b/c/": b""})
    yield "empty.zip", _zip({})
    yield "mac.zip", _zip({"__MACOSX/._a.cif": b"x", "a.cif": CIF.encode(), ".DS_Store": b"x"})
    whole = _zip({"a.cif": CIF.encode() * 50}, deflated)
    yield "cut.zip", whole[: len(whole) // 2]
    yield "headless.zip", b"PK\x03\x04" + whole[40:]
    yield "crc.zip", whole[:60] + bytes([whole[60] ^ 0xFF]) + whole[61:]
    centre = whole.index(b"PK\x01\x02")
    yield "locked.zip", whole[: centre + 8] + struct.pack("<H", 1) + whole[centre + 10 :]
    yield "lying.zip", whole[: centre + 24] + struct.pack("<I", 3) + whole[centre + 28 :]
    yield "method.zip", whole[: centre + 10] + struct.pack("<H", 99) + whole[centre + 12 :]
    yield "count.zip", whole[:-12] + struct.pack("<H", 65535) + whole[-10:]
    yield "offset.zip", whole[:-6] + struct.pack("<I", 2**31) + whole[-2:]
    yield "archive.cif", whole
    yield "overlap.zip", _overlapping(200)


def _zip(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return buffer.getvalue()


def _overlapping(n: int) -> bytes:
    """An archive whose entries all stand for the same compressed megabyte (Fifield, 2019)."""
    one = _zip({"a.cif": bytes(900_000)}, zipfile.ZIP_DEFLATED)
    centre, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    entries = one[centre:end] * n
    return one[:centre] + entries + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, n, n, len(entries), centre, 0)


def _mutants(n: int) -> Iterator[Upload]:
    """Good files with a few bytes changed, cut out or doubled."""
    chance = random.Random(SEED)
    kinds = [("x.cif", CIF), ("POSCAR", POSCAR), ("x.extxyz", EXTXYZ)]
    for k in range(n):
        name, text = kinds[k % len(kinds)]
        content = bytearray(text.encode())
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(content))
            match chance.randrange(3):
                case 0:
                    content[place] = chance.randrange(256)
                case 1:
                    del content[place : place + chance.randint(1, 20)]
                case 2:
                    content[place:place] = content[place : place + chance.randint(1, 40)] * chance.randint(1, 50)
            if not content:
                break
        yield f"{k}-{name}", bytes(content)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, (_, content) in enumerate(uploads()):
        (folder / f"{number:03d}").write_bytes(content)
