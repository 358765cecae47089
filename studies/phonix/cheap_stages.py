"""Cheap values that a network may learn before the DFT labels, for the learning curves: each is a stage.

A stage begins with the host as the one before it left it, and has a head and a scale of its own. Each is trained once,
without the tested formulas, and kept in the work folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kappatune.model.hosts import save_host
from kappatune.model.kappa_model import KappaModel
from kappatune.physics.debye_gruneisen import debye_temperature
from kappatune.physics.elastic import poisson_ratio
from kappatune.physics.slack import ln_slack_kappa
from kappatune.storage import SHIPPED_TABLES, file_sha256
from kappatune.structures import Crystal, read_table
from kappatune.structures.table import LabelledCrystal, LabelledTable, crystal_of_row, table_rows
from kappatune.structures.text import finite_number
from kappatune.training.recipe import Stage
from studies.phonix.curve_models import (
    AGL_PROPERTIES_STAGE,
    AGL_STAGE,
    PROPERTY_WEIGHTS,
    after_stage,
    plain_recipe,
    sizes_of,
)
from studies.research_data import AFLOW, DFT_PHONONS, SEMIEMPIRICAL
from studies.store import Record

_PROTOTYPES = "shipped:prototypes"


@dataclass(frozen=True)
class CheapStage:
    """A stage before the DFT labels.

    Attributes:
        table: Reads its values, from the folder of the research tables.
        stage: Its settings, with so many epochs that it takes as many steps as that of AGL within 2 %.
    """

    table: Callable[[Path], LabelledTable]
    stage: Stage


def gruneisen_of_poisson(ratio: float) -> float:
    """Grüneisen parameter 3 (1 + v) / (2 (2 - 3 v)) of an isotropic solid with the Poisson ratio v.

    Belomestnykh and Tesleva, Tech. Phys. 49, 1098 (2004); used for kappa by Jia et al., Phys. Rev. B 95, 155206 (2017).
    """
    return 1.5 * (1.0 + ratio) / (2.0 - 3.0 * ratio)


def minimum_kappa_table(data: Path) -> LabelledTable:
    """Harmonic minimum conductivities by DFT phonons, at 600 K, W/(m K)."""
    return _phonon_table(
        data,
        lambda cells: [
            LabelledCrystal(crystal, row["kappa_min_600k_w_mk"], "semiempirical", row["source"])
            for crystal, row in _with(cells, "kappa_min_600k_w_mk")
        ],
    )


def moduli_table(data: Path) -> LabelledTable:
    """Bulk and shear moduli by DFT, and what isotropic elasticity and the Slack formula make of them.

    The properties have the names of `kappatune.model.heads.PROPERTIES`. The fidelity is that of the rung on which a
    model with these properties learns them.
    """
    return _phonon_table(data, _of_moduli)


def _of_moduli(cells: Sequence[tuple[Crystal, Mapping[str, Any]]]) -> list[LabelledCrystal]:
    known = _with(cells, "log10_bulk_modulus_gpa", "log10_shear_modulus_gpa")
    sizes = sizes_of([crystal for crystal, _ in known]).numpy()
    rows = []
    for (crystal, row), size in zip(known, sizes, strict=True):
        bulk, shear = 10.0 ** row["log10_bulk_modulus_gpa"], 10.0 ** row["log10_shear_modulus_gpa"]
        ratio = poisson_ratio(bulk, shear)
        gruneisen = gruneisen_of_poisson(ratio)
        mass, volume, n = np.exp(size)
        theta = float(debye_temperature(bulk, volume * n, mass * n, n, ratio))
        properties = {
            "debye_temperature_k": theta,
            "gruneisen": gruneisen,
            "bulk_modulus_gpa": bulk,
            "shear_modulus_gpa": shear,
        }
        kappa = float(np.exp(ln_slack_kappa(np.log(theta), np.float64(gruneisen), *size)))
        rows.append(LabelledCrystal(crystal, kappa, "agl", row["source"], properties))
    return rows


def _phonon_table(
    data: Path, labelled: Callable[[Sequence[tuple[Crystal, Mapping[str, Any]]]], list[LabelledCrystal]]
) -> LabelledTable:
    path = data / DFT_PHONONS
    cells = [(crystal_of_row(row, number, path), row) for number, row in enumerate(table_rows(path), 1)]
    crystals = [(cell, row) for cell, row in cells if isinstance(cell, Crystal)]
    rejections = [cell for cell, _ in cells if not isinstance(cell, Crystal)]
    return LabelledTable(path.name, labelled(crystals), rejections, file_sha256(path))


def _with(cells: Sequence[tuple[Crystal, Mapping[str, Any]]], *columns: str) -> list[tuple[Crystal, Mapping[str, Any]]]:
    """The cells with a number in all of some columns."""
    return [(crystal, row) for crystal, row in cells if all(finite_number(row[name]) is not None for name in columns)]


def _aflow(data: Path) -> LabelledTable:
    return read_table(data / AFLOW)


def _stage(name: str, table: str, epochs: int, **settings: Any) -> Stage:
    return AGL_STAGE.model_copy(update={"name": name, "data": (table,), "epochs": epochs, **settings})


STAGES: dict[str, CheapStage] = {
    "agl": CheapStage(_aflow, AGL_STAGE),
    "agl-properties": CheapStage(_aflow, AGL_PROPERTIES_STAGE),
    "minimum-kappa": CheapStage(
        minimum_kappa_table, _stage("minimum-kappa", DFT_PHONONS, epochs=66, fidelity="semiempirical")
    ),
    "moduli": CheapStage(
        moduli_table,
        _stage(
            "moduli",
            DFT_PHONONS,
            epochs=85,
            properties={name: name for name in PROPERTY_WEIGHTS if name != "kappa"},
            loss_weights=PROPERTY_WEIGHTS,
        ),
    ),
    "semi-empirical": CheapStage(
        lambda data: read_table(data / SEMIEMPIRICAL),
        _stage("semi-empirical", SEMIEMPIRICAL, epochs=138, fidelity="semiempirical"),
    ),
    "prototypes": CheapStage(
        lambda _: read_table(SHIPPED_TABLES[_PROTOTYPES]), _stage("prototypes", _PROTOTYPES, epochs=96)
    ),
}
"""Every stage by name."""


def after_stages(
    host: Path,
    names: Sequence[str],
    data: Path,
    is_tested: Callable[[str], bool],
    folder: Path,
    *,
    pretrained: bool,
    seed: int,
) -> KappaModel:
    """One member after one or more stages, each read from `folder` if it is there.

    Args:
        host: File of the host before the first stage.
        names: The stages, of `STAGES`, in order.
        data: Folder of the research tables.
        is_tested: Whether a reduced formula is tested; no stage sees one that is.
        folder: Of the model after the last stage; those of the others are named after it.
        pretrained: Whether the weights of the host are used.
        seed: Of the random weights and of the stages.

    Raises:
        ValueError: A stage has seen a tested formula.
    """
    *before, last = names
    if before:
        name = folder.name.removesuffix(f"-{last}")
        model = after_stages(host, before, data, is_tested, folder.with_name(name), pretrained=pretrained, seed=seed)
        host, pretrained = folder.with_name(f"{name}.safetensors"), True
        save_host(
            model.members[0].host, host, name=name, source=model.card.host.source, licence=model.card.host.licence
        )
    chosen = STAGES[last]
    recipe = plain_recipe(host, pretrained=pretrained, stage=chosen.stage)
    return after_stage(recipe, lambda: chosen.table(data), is_tested, folder, seed)


class TrainedStage(Record):
    """What the last stage of a model in the work folder learnt.

    Attributes:
        record: Kind of the record.
        model: Name of the model, which names its stages.
        n_rows: Values learnt, those of the inner validation part among them.
        epochs: Passes over them.
        best_epoch: That whose weights are used.
        validation_error: Mean |ln error| of kappa on the inner validation part after it.
        versions: Of Python and the libraries.
    """

    record: Literal["stage"] = "stage"
    model: str
    n_rows: int
    epochs: int
    best_epoch: int
    validation_error: float
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model


def trained_stages(work: Path) -> list[TrainedStage]:
    """The stages of all models in a work folder."""
    cards = [KappaModel.load(path.parent).card for path in sorted(work.glob("*/card.json"))]
    return [
        TrainedStage(
            model=card.name,
            n_rows=sum(table.n_rows for table in card.data),
            epochs=result["epochs"],
            best_epoch=result["best_epoch"],
            validation_error=result["validation_error"],
            versions=card.versions,
        )
        for card in cards
        for (result,) in card.metrics.values()
    ]
