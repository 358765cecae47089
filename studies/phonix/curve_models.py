"""What models are trained on before the DFT labels come, for the learning curves; no AGL stage saw a tested formula.

A model of the AGL stage is trained once, without the AGL values of the tested formulas, and kept in the work folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kappatune.model.graphs import build_graphs
from kappatune.model.heads import KappaNetwork, Property, TargetScaler
from kappatune.model.hosts import load_host, read_host_card
from kappatune.model.kappa_model import KappaModel
from kappatune.model.rules import GraphRules
from kappatune.structures import Crystal, read_table
from kappatune.training.networks import new_network
from kappatune.training.recipe import Recipe, Stage
from kappatune.training.stage import all_features
from studies.phonix.splits import fold_of
from studies.research_data import AFLOW
from studies.transfer.cached_training import trained_member, without_formulas

TEST_FOLD = 0
"""Of the five folds by formula: tested by every model, and in no table of AGL or DFT values that is learnt."""

PAPER_HOST = "megnet/MEGNet-MP-2018.6.1-Eform.safetensors"
"""MEGNet with the formation energies of the Materials Project, cutoff 4 Å, inside the folder of the research tables."""

SEED = 1
"""Of the random weights and of the AGL stage: one member."""

N_DESCRIPTORS, N_OF_RUNG = 3, 5
"""Last inputs of a correction: mean mass, volume per atom and atoms; and four properties and kappa of the AGL rung."""

_WIDTHS = (256, 256)
_AGL_STAGE = Stage(
    name="agl",
    data=(AFLOW,),
    fidelity="agl",
    loss="smooth_l1",
    learning_rate=1e-3,
    schedule="one_cycle",
    average=0.998,
    epochs=30,
    batch_size=32,
)
_PROPERTIES: dict[Property, str] = {
    "debye_temperature_k": "agl_debye",
    "gruneisen": "agl_gruneisen",
    "bulk_modulus_gpa": "agl_bulk_modulus_static_300K",
    "shear_modulus_gpa": "ael_shear_modulus_vrh",
}
_CHUNK = 64


def in_test_fold(formula: str) -> bool:
    """Whether a formula is in the test fold."""
    return fold_of(formula) == TEST_FOLD


def plain_recipe(host: Path, *, pretrained: bool) -> Recipe:
    """One host and one head as in the paper: from random weights or formation energies, then on AGL kappa alone."""
    return Recipe(
        name="plain",
        host=str(host),
        pretrained=pretrained,
        head=_WIDTHS,
        composition="direct",
        stages=(_AGL_STAGE,),
    )


def physics_recipe() -> Recipe:
    """The AGL rung of `fast` 0.2.0: a host trained on bulk moduli, element statistics, the Debye model in the head."""
    weights = {"kappa": 0.3, "debye_temperature_k": 3, "gruneisen": 1, "bulk_modulus_gpa": 1, "shear_modulus_gpa": 1}
    stage = _AGL_STAGE.model_copy(update={"properties": _PROPERTIES, "loss_weights": weights})
    return Recipe(
        name="physics",
        host=("megnet-mp-2018.6.1-log10K", "element-statistics"),
        head=_WIDTHS,
        composition="debye",
        stages=(stage,),
    )


def after_agl(recipe: Recipe, data: Path, is_tested: Callable[[str], bool], folder: Path) -> KappaModel:
    """One member after the AGL stage of a recipe; read from `folder` if it is there.

    Args:
        recipe: The recipe.
        data: Folder of the research tables.
        is_tested: Whether a reduced formula is tested; the stage sees none that is.
        folder: Of the model.

    Raises:
        ValueError: The model in `folder` has seen a tested formula.
    """
    if (folder / "card.json").is_file():
        model = KappaModel.load(folder)
    else:
        table = read_table(data / AFLOW)
        tested = {row.crystal.formula_key for row in table.rows if is_tested(row.crystal.formula_key)}
        model = trained_member(recipe, recipe.stages[0], without_formulas(table, tested), SEED, folder)
    seen = [formula for formula in model.card.formulas["agl"] if is_tested(formula)]
    if seen:
        raise ValueError(f"{folder}: its AGL stage has seen {seen[0]}, which is tested: delete the folder")
    return model


def before_agl(recipe: Recipe) -> KappaNetwork:
    """A network without a head, as it is before any stage of its recipe."""
    scaler = TargetScaler(transform="ln", mean=0.0, std=1.0)
    return new_network(recipe, read_host_card(recipe.host or ()), scaler, SEED)


def embedding(network: KappaNetwork, crystals: list[Crystal]) -> Tensor:
    """(n, d) features of a network that is not trained further."""
    return all_features(network, build_graphs(crystals, network.host.cutoff_angstrom, GraphRules()))


def ln_kappa_of_rung(network: KappaNetwork, features: Tensor) -> Tensor:
    """(n,) ln kappa that the AGL rung predicts from (n, d) features."""
    with torch.no_grad():
        return network.scaler.ln_kappa(network(features, "agl").scaled)


def correction_inputs(network: KappaNetwork, features: Tensor) -> Tensor:
    """(n, d) element statistics, then `N_DESCRIPTORS` descriptors, then `N_OF_RUNG` columns of the AGL rung."""
    with torch.no_grad():
        return network.head_inputs(features, "dft")


def bond_geometry(crystals: list[Crystal]) -> Tensor:
    """(n, d) numbers about bonds and surroundings, by the smooth rules."""
    host = load_host("bond-geometry")
    rules = GraphRules(bond_envelope="smooth")
    parts = []
    for start in range(0, len(crystals), _CHUNK):
        graphs = build_graphs(crystals[start : start + _CHUNK], host.cutoff_angstrom, rules)
        parts.append(host.embed(graphs.batch(np.arange(len(graphs)))))
    return torch.cat(parts)
