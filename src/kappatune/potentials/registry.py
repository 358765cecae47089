"""Potentials by name.

How to add one:

1. Write a module of this package, `kappatune/potentials/<name>.py`, with a function `load()` that returns a
   `Potential`. Import the package of the potential inside the function, so that kappatune runs without it. An ASE
   calculator is all that is needed (see `mace.py`); where the package evaluates several cells in one pass, derive a
   class from `Potential` and override `_energies` and `_evaluate` (see `sevennet.py`).
2. Add a line to `KNOWN` below.
3. Write `tests/potentials/test_<name>.py` with a class that inherits `PotentialContract` and has a fixture `potential`.
4. Name it in `docs/agl.md`, and, if its weights come with its package and the package agrees with the others of the
   extra `mlip`, add it to that extra in `pyproject.toml`.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from kappatune.errors import install_hint
from kappatune.potentials import ase_calculator, chgnet, mace, nequix, sevennet
from kappatune.potentials.base import BadPotential, Potential

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


@dataclass(frozen=True)
class KnownPotential:
    """How a potential is loaded.

    Attributes:
        load: Makes the potential.
        package: Package it needs, as it is imported.
        distribution: The same as pip names it; empty if the extra `mlip` holds it.
    """

    load: Callable[[], Potential]
    package: str
    distribution: str = ""

    @property
    def install(self) -> str:
        """The command that installs the package."""
        return f"pip install {self.distribution}" if self.distribution else install_hint("mlip")


KNOWN: dict[str, KnownPotential] = {
    "chgnet": KnownPotential(chgnet.load, "chgnet"),
    "sevennet": KnownPotential(partial(sevennet.load, "7net-0", "SevenNet-0"), "sevenn"),
    "sevennet-l3i5": KnownPotential(partial(sevennet.load, "7net-l3i5", "SevenNet-l3i5"), "sevenn"),
    "mace": KnownPotential(mace.load, "mace", "mace-torch"),
    "nequix": KnownPotential(nequix.load, "e3nn"),
}


BEST = "best"
"""In place of a name: the most accurate potential for phonons that this machine has."""


def best_available() -> str:
    """What `best` stands for: `nequix` once its weights are downloaded, `sevennet-l3i5` until then."""
    return "nequix" if nequix.weights_path().is_file() else "sevennet-l3i5"


def load_potential(name: str) -> Potential:
    """Load a potential.

    Args:
        name: `chgnet`, `sevennet` (SevenNet-0), `sevennet-l3i5`, `mace` (MACE-MP-0b3) or `nequix` (nequix-mp-1-pft);
            `best`, which is `nequix` if its weights are on this machine and `sevennet-l3i5` otherwise; the path of
            Nequix weights (`.nqx`); or `my_module:make` or `path/to/file.py:make`, where `make()` returns an ASE
            calculator.

    Raises:
        BadPotential: The name is unknown, the package is not installed, or loading fails.
    """
    if name == BEST:
        name = best_available()
    known = KNOWN.get(name) or _from_weights(name)
    if known:
        return _load(name, known)
    if ":" in name:
        return ase_calculator.from_factory(name)
    raise BadPotential(
        f"no potential '{name}': known are {', '.join(KNOWN)} and {BEST}, or give PATH:FACTORY, for example "
        "'my_file.py:make'"
    )


def as_potential(calculator: str | Potential | Calculator) -> Potential:
    """The potential that a user means.

    Args:
        calculator: A name, as `load_potential` takes it; a `Potential`; or an ASE calculator.

    Raises:
        BadPotential: The name cannot be loaded, or the object is not a calculator.
    """
    if isinstance(calculator, Potential):
        return calculator
    if isinstance(calculator, str):
        return load_potential(calculator)
    return ase_calculator.from_calculator(calculator)


def _from_weights(name: str) -> KnownPotential | None:
    """The potential of a file of weights, or None if the name does not end like one."""
    path = Path(name).expanduser()
    if path.suffix not in (nequix.WEIGHTS_SUFFIX, ".pt"):
        return None
    if not path.is_file():
        raise BadPotential(f"{path}: there is no such file of Nequix weights")
    return KnownPotential(partial(nequix.load, path), "e3nn")


def _load(name: str, known: KnownPotential) -> Potential:
    if importlib.util.find_spec(known.package) is None:
        raise BadPotential(f"the potential '{name}' needs the package {known.package}: {known.install}")
    try:
        with redirect_stdout(StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return known.load()
    except BadPotential:
        raise
    except Exception as error:
        raise BadPotential(f"the potential '{name}' cannot be loaded ({type(error).__name__}: {error})") from error
