"""Any ASE calculator: as an object, or made by a function that is named by its import path."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from uuid import uuid4

from kappatune.potentials.base import BadPotential, Potential
from kappatune.storage import file_sha256


def from_factory(import_path: str) -> Potential:
    """The potential of a function that returns an ASE calculator.

    Args:
        import_path: `my_module:make` or `path/to/file.py:make`, where `make()` returns the calculator.

    Raises:
        BadPotential: The file or module cannot be imported, or the function fails or returns something else.
    """
    where, _, function = import_path.rpartition(":")
    try:
        calculator = getattr(_imported(where), function)()
    except BadPotential:
        raise
    except Exception as error:
        raise BadPotential(f"the potential '{import_path}' cannot be made ({type(error).__name__}: {error})") from error
    if not _is_calculator(calculator):
        raise BadPotential(f"the potential '{import_path}': {function}() does not return an ASE calculator")
    package = _package_version(where)
    return Potential(
        type(calculator).__name__,
        f"({import_path}{package})",
        calculator,
        fingerprint="" if package else _source_sha256(where),
    )


def from_calculator(calculator: Any) -> Potential:
    """The potential of an ASE calculator.

    Each gets a fingerprint of its own: two calculators of one class may differ in their parameters or weights, so what
    is on disk from one must not be found by another.

    Raises:
        BadPotential: The object is not an ASE calculator.
    """
    if isinstance(calculator, type) or not _is_calculator(calculator):
        raise BadPotential(
            f"{calculator!r} is not an ASE calculator: give an object that is, or the name of a potential"
        )
    module = type(calculator).__module__
    label = f"({module}{_package_version(module)})"
    return Potential(type(calculator).__name__, label, calculator, fingerprint=uuid4().hex)


def _is_calculator(candidate: object) -> bool:
    return hasattr(candidate, "calculate") and hasattr(candidate, "get_property")


def _source_sha256(where: str) -> str:
    """SHA-256 of the file that a factory is defined in; empty if it has none."""
    file = where if where.endswith(".py") else sys.modules[where].__file__
    return file_sha256(Path(file).expanduser()) if file else ""


def _imported(where: str) -> Any:
    if not where.endswith(".py"):
        return importlib.import_module(where)
    path = Path(where).expanduser()
    if not path.is_file():
        raise BadPotential(f"{path}: there is no such file for the potential")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadPotential(f"{path}: cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _package_version(where: str) -> str:
    try:
        return "" if where.endswith(".py") else f", {version(where.partition('.')[0])}"
    except PackageNotFoundError:
        return ""
