"""Small tables to train on: rocksalts whose kappa follows a simple rule."""

from __future__ import annotations

import hashlib
from itertools import product

import numpy as np

from kappatune.structures import LabelledCrystal, LabelledTable
from kappatune.structures.crystal import element_symbol
from kappatune.training.recipe import Recipe
from tests.builders import rocksalt

HOST = "megnet-mp-2018.6.1-log10K"
CATIONS, ANIONS = (3, 11, 12, 19, 20, 37), (8, 9, 16, 17)


def tiny_table(fidelity: str, factor: float = 1.0, with_properties: bool = False) -> LabelledTable:
    rows = []
    for k, (first, second) in enumerate(product(CATIONS, ANIONS)):
        a = 3.6 + 0.03 * first + 0.04 * second
        kappa = factor * 2000.0 / (first + second) ** 1.5
        properties = {"theta": 200.0 + 20 * k, "gamma": 1.8 + 0.02 * k, "bulk": 20.0 + k, "shear": 10.0 + k}
        name = f"{element_symbol(first)}{element_symbol(second)}"
        rows.append(
            LabelledCrystal(
                rocksalt(first, second, a, name), kappa, fidelity, "tiny", properties if with_properties else {}
            )
        )
    digest = hashlib.sha256(f"{fidelity}{factor}{with_properties}".encode()).hexdigest()
    return LabelledTable(f"tiny-{fidelity}", rows, [], digest)


def tables(stage):
    return [tiny_table(stage.fidelity or "experiment", {"agl": 0.2, "dft": 1.0}.get(stage.fidelity, 3.0), True)]


def recipe(*stages: dict, **settings) -> Recipe:
    defaults = {"name": "tiny", "host": HOST, "head": [16, 8], "seeds": [3]}
    if "start" in settings:
        defaults = {"name": "tiny"}
    return Recipe.model_validate({**defaults, **settings, "stages": stages})


def stage(name: str, **settings) -> dict:
    return {"name": name, "fidelity": name, "epochs": 3, "batch_size": 8, **settings}


DEBYE_COLUMNS = {
    "debye_temperature_k": "theta",
    "gruneisen": "gamma",
    "bulk_modulus_gpa": "bulk",
    "shear_modulus_gpa": "shear",
}


def weights_of(model) -> dict[str, np.ndarray]:
    return {
        f"{k}.{name}": value.numpy()
        for k, member in enumerate(model.members)
        for name, value in member.state_dict().items()
    }
