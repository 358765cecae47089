"""What models are trained on before the DFT labels come, for the learning curves; no stage saw a tested formula.

A model of a stage is trained once, without the values of the tested formulas, and kept in the work folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from kappatune.model.graphs import build_graphs
from kappatune.model.heads import KappaNetwork, Property, TargetScaler, descriptors
from kappatune.model.hosts import load_host, read_host_card
from kappatune.model.kappa_model import KappaModel
from kappatune.model.rules import GraphRules
from kappatune.physics.slack import ln_slack_terms
from kappatune.structures import Crystal
from kappatune.structures.table import LabelledTable
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
"""Of the random weights and of the stages: one member."""

N_DESCRIPTORS, N_OF_RUNG = 3, 5
"""Last inputs of a correction: mean mass, volume per atom and atoms; and four properties and kappa of the AGL rung."""

_WIDTHS = (256, 256)
AGL_STAGE = Stage(
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
"""On AGL kappa alone."""

PROPERTY_WEIGHTS: dict[Literal["kappa"] | Property, float] = {
    "kappa": 0.3,
    "debye_temperature_k": 3,
    "gruneisen": 1,
    "bulk_modulus_gpa": 1,
    "shear_modulus_gpa": 1,
}
"""Weights of the targets where a stage also learns the properties that enter the Slack formula."""

_PROPERTIES: dict[Property, str] = {
    "debye_temperature_k": "agl_debye",
    "gruneisen": "agl_gruneisen",
    "bulk_modulus_gpa": "agl_bulk_modulus_static_300K",
    "shear_modulus_gpa": "ael_shear_modulus_vrh",
}
AGL_PROPERTIES_STAGE = AGL_STAGE.model_copy(update={"properties": _PROPERTIES, "loss_weights": PROPERTY_WEIGHTS})
"""On AGL kappa and what enters the Slack formula, which AGL kappa obeys."""

_CHUNK = 64
_CUTOFF = 4.0
"""Of graphs whose bonds are not used, Å."""


def in_test_fold(formula: str) -> bool:
    """Whether a formula is in the test fold."""
    return fold_of(formula) == TEST_FOLD


def plain_recipe(host: Path, *, pretrained: bool, stage: Stage = AGL_STAGE) -> Recipe:
    """One host and one head as in the paper, from random weights or the host's; a Debye model if a stage needs one."""
    return Recipe(
        name="plain",
        host=str(host),
        pretrained=pretrained,
        head=_WIDTHS,
        composition="debye" if stage.properties else "direct",
        stages=(stage,),
    )


def physics_recipe() -> Recipe:
    """The AGL rung of `fast` 0.2.0: a host trained on bulk moduli, element statistics, the Debye model in the head."""
    return Recipe(
        name="physics",
        host=("megnet-mp-2018.6.1-log10K", "element-statistics"),
        head=_WIDTHS,
        composition="debye",
        stages=(AGL_PROPERTIES_STAGE,),
    )


def after_stage(
    recipe: Recipe,
    table: Callable[[], LabelledTable],
    is_tested: Callable[[str], bool],
    folder: Path,
    seed: int = SEED,
) -> KappaModel:
    """One member after the one stage of a recipe; read from `folder` if it is there.

    Args:
        recipe: The recipe.
        table: Reads the values.
        is_tested: Whether a reduced formula is tested; the stage sees none that is.
        folder: Of the model.
        seed: Of the member.

    Raises:
        ValueError: The model in `folder` has seen a tested formula.
    """
    if (folder / "card.json").is_file():
        model = KappaModel.load(folder)
    else:
        rows = table()
        tested = {row.crystal.formula_key for row in rows.rows if is_tested(row.crystal.formula_key)}
        model = trained_member(recipe, recipe.stages[0], without_formulas(rows, tested), seed, folder)
    seen = [formula for formulas in model.card.formulas.values() for formula in formulas if is_tested(formula)]
    if seen:
        raise ValueError(f"{folder}: its stage has seen {seen[0]}, which is tested: delete the folder")
    return model


def before_any_stage(recipe: Recipe) -> KappaNetwork:
    """A network without a head, as it is before any stage of its recipe."""
    scaler = TargetScaler(transform="ln", mean=0.0, std=1.0)
    return new_network(recipe, read_host_card(recipe.host or ()), scaler, SEED)


def embedding(network: KappaNetwork, crystals: list[Crystal]) -> Tensor:
    """(n, d) features of a network that is not trained further."""
    return all_features(network, build_graphs(crystals, network.host.cutoff_angstrom, GraphRules()))


def ln_kappa_of_rung(network: KappaNetwork, features: Tensor) -> Tensor:
    """(n,) ln kappa that the one rung of a network predicts from (n, d) features."""
    (rung,) = network.heads
    with torch.no_grad():
        return network.scaler.ln_kappa(network(features, rung).scaled)


def sizes_of(crystals: list[Crystal]) -> Tensor:
    """(n, 3) ln of mean mass (u), volume per atom (Å^3) and atoms in the primitive cell."""
    return descriptors(build_graphs(crystals, _CUTOFF, GraphRules()).batch()).double()


def ln_kappa_of_one_stiffness(crystals: list[Crystal]) -> Tensor:
    """(n,) ln kappa by the Slack formula with one stiffness and one Grüneisen parameter for all, but for a constant.

    What differs between crystals are mean mass, volume per atom and atoms in the primitive cell.
    """
    ln_mass, ln_volume, ln_n = sizes_of(crystals).unbind(dim=1)
    terms = ln_slack_terms(ln_volume / 6.0 - ln_mass / 2.0, torch.ones_like(ln_n), ln_mass, ln_volume, ln_n)
    return terms.mean_mass + terms.volume + terms.cell


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
