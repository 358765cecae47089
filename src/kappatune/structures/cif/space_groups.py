"""Space groups as sets of operations: by symbol, by number, by Hall symbol, and as a file lists them.

The table of settings and the reading of Hall symbols and triplets are gemmi's (Wojdyr, J. Open Source Softw. 7, 4200
(2022)); the 564 settings follow Hall and Grosse-Kunstleve, International Tables for Crystallography B, A1.4.2.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import gemmi
import numpy as np
from numpy.typing import NDArray

_DENOMINATOR = 24
"""Translations are whole multiples of 1/24: all that occur in settings with halves, thirds, quarters and eighths."""

_LARGEST_ENTRY = 3
_BASE = 2 * _LARGEST_ENTRY + 1
_WEIGHTS = np.array(
    [_DENOMINATOR**3 * _BASE**k for k in range(9)] + [_DENOMINATOR**k for k in range(3)], dtype=np.int64
)
_MAX_OPERATIONS = 4 * 192
_OLD_ORIGINS = {"s": "1", "z": "2"}
"""The Inorganic Crystal Structure Database appends S and Z to symbols for the first and the second origin."""

_ORIGIN_IN_WORDS = re.compile(r"[(\[,;]?\s*origin\s*(?:choice)?\s*(?:at|no\.?|:)?\s*([12])\s*[)\]]?", re.IGNORECASE)
_AXES_IN_WORDS = re.compile(r"[(\[,;]?\s*(hexagonal|rhombohedral)\s*(?:axes|setting|cell)?\s*[)\]]?", re.IGNORECASE)
_EXTENSION = re.compile(r"([^:]+?)\s*(?::\s*(?=[12])|:?\s*(?=[SZHR]))(\w)\s*", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Group:
    """The operations of a space group in one setting, modulo the translations of the lattice.

    Attributes:
        name: As messages call it.
        rotations: (n, 3, 3), on fractional coordinates; the identity is among them.
        translations: (n, 3), fractional.
        keys: The same operations, each as one number.
    """

    name: str
    rotations: NDArray[np.float64]
    translations: NDArray[np.float64]
    keys: frozenset[int]

    def __len__(self) -> int:
        """Number of operations."""
        return len(self.rotations)

    @cached_property
    def side_by_side(self) -> NDArray[np.float64]:
        """(3, 3 n) the rotations, transposed: one product with (m, 3) coordinates turns them by all operations."""
        return np.ascontiguousarray(self.rotations.transpose(2, 0, 1).reshape(3, -1))

    @cached_property
    def metric_changes(self) -> NDArray[np.float64]:
        """(k, 9) what rotations change a metric by, linear in its entries: a row for each component, each row once."""
        turned = np.einsum("nia,njb->nabij", self.rotations, self.rotations)
        changes = turned - np.einsum("ia,jb->abij", np.eye(3), np.eye(3))
        first, second = np.triu_indices(3)
        return np.unique(changes[:, first, second].reshape(-1, 9), axis=0)


@dataclass(frozen=True)
class Setting:
    """A line of gemmi's table.

    Attributes:
        name: Extended Hermann-Mauguin symbol, `F d -3 m:2`.
        number: Of International Tables, 1 to 230.
        hall: Hall symbol.
        extension: `1`, `2`, `H`, `R` or empty.
        axes: `b1`, `-c2`, `cab` or empty.
    """

    name: str
    number: int
    hall: str
    extension: str
    axes: str

    @property
    def codes(self) -> tuple[str, str, str]:
        """What `_space_group_IT_coordinate_system_code` may call it."""
        return self.extension.lower(), self.axes, self.extension.lower() + self.axes

    @property
    def group(self) -> Group:
        """Its operations."""
        return group_of_hall(self.hall, self.name)


@dataclass(frozen=True, eq=False)
class ListedOperations:
    """The operations that a file lists.

    Attributes:
        group: What they generate together with the identity.
        missing: Why they are not a group by themselves; empty if they are one.
    """

    group: Group
    missing: str


class BadOperation(ValueError):
    """A text that is not a symmetry operation.

    Attributes:
        index: Position in the list, counted from 1.
        text: The text.
    """

    def __init__(self, index: int, text: str) -> None:
        super().__init__(f"symmetry operation {index} ('{text[:40]}') is not one such as '-x, y+1/2, -z': correct it")
        self.index, self.text = index, text


@lru_cache(maxsize=4096)
def listed_operations(texts: tuple[str, ...], centrings: tuple[str, ...] = ()) -> ListedOperations:
    """The operations of a list such as `('x, y, z', '-x, y+1/2, -z')`; a fourth part, time reversal, is left out.

    Args:
        texts: The list.
        centrings: Translations that each of them is to be combined with.

    Raises:
        BadOperation: One cannot be read, or flattens the crystal.
        ValueError: They generate more operations than any space group has.
    """
    matrices = np.array([_matrix(index, text) for index, text in enumerate(texts, 1)], dtype=np.int64)
    if centrings:
        translations = np.array([_matrix(index, text) for index, text in enumerate(centrings, 1)], dtype=np.int64)
        matrices = _products(np.concatenate([_identity(), translations]), matrices)
    keys = _keys_of(matrices)
    unique, first = np.unique(keys, return_index=True)
    matrices = matrices[np.sort(first)]
    identity = int(_keys_of(_identity())[0])
    missing = ""
    if identity not in unique:
        missing = "the identity 'x, y, z' is missing"
        matrices = np.concatenate([_identity(), matrices])
    closed = _closure(matrices)
    if len(closed) != len(matrices) and not missing:
        missing = f"the {len(matrices)} operations form no group, they generate {len(closed)}"
    return ListedOperations(_group("the listed operations", closed), missing)


@lru_cache(maxsize=1024)
def group_of_hall(hall: str, name: str = "") -> Group:
    """The operations of a Hall symbol.

    Raises:
        ValueError: It is not a Hall symbol.
    """
    try:
        operations = gemmi.symops_from_hall(hall)
    except RuntimeError as error:
        raise ValueError(f"'{hall}' is not a Hall symbol ({error})") from error
    return _group(name or f"Hall symbol {hall}", np.array([_flat(one) for one in operations], dtype=np.int64))


@lru_cache(maxsize=4096)
def settings_of_symbol(symbol: str) -> tuple[Setting, ...]:
    """The settings that a Hermann-Mauguin symbol may stand for.

    Args:
        symbol: In any usual spelling: `P 21/n`, `P2_1/n`, `Fd-3m:2`, `F d -3 m Z`, `R -3 m H`, `F m 3 m`, `C m c e`.

    Returns:
        Several where it leaves origin or axes open, none for a symbol that is not known.
    """
    wanted = ""
    if found := _ORIGIN_IN_WORDS.search(symbol) or _AXES_IN_WORDS.search(symbol):
        wanted, symbol = found[1][0].upper(), symbol[: found.start()] + symbol[found.end() :]
    table, key = _spellings(), _plain(symbol)
    for spelling in (key, _plain(_short_of_full(symbol))):
        if spelling in table:
            return _with_extension(table[spelling], wanted)
    if not key or not symbol.isascii():
        return ()
    plain, _, extension = symbol.partition(":")
    if plain and (of_axes := _with_axes(table.get(_plain(plain), ()), _plain(extension))):
        return of_axes
    if found := _EXTENSION.fullmatch(symbol):
        plain, extension = found[1], found[2]
    known = gemmi.find_spacegroup_by_name(_short_of_full(plain.replace("_", "")))
    return _with_extension(table[_plain(known.hm)], wanted or extension.strip().upper()) if known else ()


@lru_cache(maxsize=256)
def settings_of_short_symbol(symbol: str) -> tuple[Setting, ...]:
    """The monoclinic settings, of whatever unique axis, whose symbol is this one when its ones are left out.

    Usually `P 21/n` has the unique axis b; this also gives the settings with the axes a and c.
    """
    key = _plain(symbol)
    lines = zip(gemmi.spacegroup_table(), _all_settings(), strict=True)
    monoclinic = [(line.hm.split(), setting) for line, setting in lines if 3 <= setting.number <= 15]
    return tuple(setting for parts, setting in monoclinic if _plain("".join(p for p in parts if p != "1")) == key)


@lru_cache(maxsize=256)
def settings_of_number(number: int) -> tuple[Setting, ...]:
    """All settings of a space group in gemmi's table, none for a number outside 1 to 230."""
    return tuple(one for one in _all_settings() if one.number == number)


@lru_cache(maxsize=1024)
def type_number(group: Group) -> int | None:
    """Number of the type of a space group in whatever setting, 1 to 230, or None."""
    import spglib

    for setting in _all_settings():
        if setting.group.keys == group.keys:
            return setting.number
    found = spglib.get_spacegroup_type_from_symmetry(np.rint(group.rotations).astype(np.intc), group.translations)
    return None if found is None else int(found.number)


def misfit(group: Group, lattice: NDArray[np.float64]) -> float:
    """How far the operations are from isometries of a lattice: the largest change of its metric, relative."""
    metric = (lattice @ lattice.T).ravel()
    changes = (group.metric_changes @ metric).tolist()
    return float(max(map(abs, changes)) / max(metric.tolist()[::4]))


@lru_cache(maxsize=1024)
def product_table(group: Group) -> NDArray[np.int64]:
    """(n, n) index of the operation that operation j followed by operation i is."""
    matrices = np.concatenate([group.rotations.reshape(-1, 9), group.translations * _DENOMINATOR], axis=1)
    exact = np.rint(matrices).astype(np.int64)
    keys = _keys_of(exact)
    order = np.argsort(keys)
    table: NDArray[np.int64] = order[np.searchsorted(keys, _keys_of(_products(exact, exact)), sorter=order)]
    return table.reshape(len(group), len(group))


@lru_cache(maxsize=1)
def _all_settings() -> tuple[Setting, ...]:
    return tuple(
        Setting(one.xhm(), one.number, one.hall, one.ext.strip("\0 "), one.qualifier)
        for one in gemmi.spacegroup_table()
    )


@lru_cache(maxsize=1)
def _spellings() -> dict[str, tuple[Setting, ...]]:
    """Settings by plain spelling; where a symbol may be short for several axes, those of the usual one."""
    found: defaultdict[str, dict[Setting, None]] = defaultdict(dict)
    for line, setting in zip(gemmi.spacegroup_table(), _all_settings(), strict=True):
        names = {line.hm, line.short_name()}
        suffixes = {"", f":{setting.extension}", *(s for s, n in _OLD_ORIGINS.items() if n == setting.extension)}
        suffixes |= {f":{s}" for s in suffixes if s in _OLD_ORIGINS}
        if setting.extension in ("H", "R"):
            suffixes.add(setting.extension)
        for name in names:
            for suffix in suffixes:
                found[_plain(name + suffix)][setting] = None
    return {key: tuple(settings) for key, settings in found.items()}


def _with_axes(settings: tuple[Setting, ...], axes: str) -> tuple[Setting, ...]:
    """The settings of the same space group with these axes, as in `P 21/c :b2` for `P 1 21/n 1`."""
    numbers = {one.number for one in settings}
    return tuple(one for one in _all_settings() if axes and one.axes == axes and one.number in numbers)


def _with_extension(settings: tuple[Setting, ...], extension: str) -> tuple[Setting, ...]:
    if not extension:
        return settings
    extension = _OLD_ORIGINS.get(extension.lower(), extension)
    return tuple(one for one in settings if one.extension == extension)


def _plain(symbol: str) -> str:
    return re.sub(r"[\s_()'\"]", "", symbol).lower().removesuffix(":")


def _short_of_full(symbol: str) -> str:
    """`P n m a` of the full symbol `P 21/n 21/m 21/a`, `F m -3 m` of `F 4/m -3 2/m`."""
    centring, *axes = symbol.split() or [""]
    if len(axes) not in (2, 3) or sum("/" in axis for axis in axes) < (1 if "-3" in axes else 2):
        return symbol
    keeps_first = axes[0][:1] in "346" and axes[1] != "-3"
    return " ".join([centring, *(a if k == 0 and keeps_first else a.rpartition("/")[2] for k, a in enumerate(axes))])


def _matrix(index: int, text: str) -> tuple[int, ...]:
    flat = _matrix_of(text)
    if not flat:
        raise BadOperation(index, text)
    return flat


@lru_cache(maxsize=8192)
def _matrix_of(text: str) -> tuple[int, ...]:
    """As `_flat`; empty if the text is no operation of a crystal."""
    triplet = text.strip().strip("'\"")
    if triplet.count(",") == 3 and triplet.rpartition(",")[2].strip() in ("+1", "-1", "1"):
        triplet = triplet.rpartition(",")[0]
    try:
        flat = _flat(gemmi.Op(triplet))
    except (RuntimeError, ValueError):
        return ()
    rotation = np.array(flat[:9]).reshape(3, 3)
    if abs(round(float(np.linalg.det(rotation)))) != 1 or abs(rotation).max() > _LARGEST_ENTRY:
        return ()
    return tuple(flat)


def _flat(operation: gemmi.Op) -> list[int]:
    """Nine entries of the rotation and three of the translation, in 24ths and below 1."""
    entries = [entry for row in operation.rot for entry in row]
    if any(entry % operation.DEN for entry in entries):
        raise ValueError(operation.triplet())
    return [entry // operation.DEN for entry in entries] + [shift % operation.DEN for shift in operation.tran]


def _identity() -> NDArray[np.int64]:
    return np.array([[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]], dtype=np.int64)


def _keys_of(matrices: NDArray[np.int64]) -> NDArray[np.int64]:
    shifted = matrices.copy()
    shifted[:, :9] += _LARGEST_ENTRY
    keys: NDArray[np.int64] = shifted @ _WEIGHTS
    return keys


def _closure(matrices: NDArray[np.int64]) -> NDArray[np.int64]:
    """All products of operations, the given ones first; the identity is among these."""
    if _is_closed(matrices):
        return matrices
    while True:
        products = _products(matrices, matrices)
        if np.abs(products[:, :9]).max() > _LARGEST_ENTRY:
            raise ValueError("the symmetry operations form no finite group: correct them")
        together = np.concatenate([matrices, products])
        _, first = np.unique(_keys_of(together), return_index=True)
        if len(first) == len(matrices):
            return matrices
        if len(first) > _MAX_OPERATIONS:
            raise ValueError("the symmetry operations generate more than any space group has: correct them")
        matrices = together[np.sort(first)]


def _is_closed(matrices: NDArray[np.int64]) -> bool:
    """Whether distinct operations, the identity among them, are what a few of them generate."""
    keys = _keys_of(matrices).tolist()
    by_key = dict(zip(keys, matrices, strict=True))
    reached = {int(_keys_of(_identity())[0])}
    generators: list[NDArray[np.int64]] = []
    for key in keys:
        if key in reached:
            continue
        generators.append(by_key[key])
        new = reached
        while new:
            products = _products(np.array(generators), np.array([by_key[one] for one in new]))
            if np.abs(products[:, :9]).max() > _LARGEST_ENTRY:
                return False
            new = {*_keys_of(products).tolist()} - reached
            if not new <= by_key.keys():
                return False
            reached = reached | new
    return len(reached) == len(matrices)


def _products(then: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """All of `first` followed by all of `then`, those of one of `then` together."""
    rows = then[:, :9].reshape(-1, 3).astype(np.float64)  # small integers are exact, and their product is fast
    columns = np.concatenate([first[:, :9].reshape(-1, 3, 3), first[:, 9:, None]], axis=2).transpose(1, 0, 2)
    products = (rows @ columns.reshape(3, -1)).reshape(len(then), 3, len(first), 4).transpose(0, 2, 1, 3)
    moved = (products[..., 3] + then[:, None, 9:]) % _DENOMINATOR
    exact: NDArray[np.float64] = np.concatenate([products[..., :3].reshape(-1, 9), moved.reshape(-1, 3)], axis=1)
    return np.rint(exact).astype(np.int64)


def _group(name: str, matrices: NDArray[np.int64]) -> Group:
    return Group(
        name,
        matrices[:, :9].reshape(-1, 3, 3).astype(np.float64),
        matrices[:, 9:] / _DENOMINATOR,
        frozenset(_keys_of(matrices).tolist()),
    )


def names_of(settings: Iterable[Setting] | Sequence[Group]) -> str:
    """`A, B or C`."""
    names = list(dict.fromkeys(one.name for one in settings))
    shown = names[:6] + (["others"] if len(names) > 6 else [])
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
