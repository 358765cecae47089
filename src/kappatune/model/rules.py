"""Rules by which a crystal becomes a graph. They belong to a model: another rule would change its predictions."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class GraphRules(BaseModel):
    """How atoms are counted and bonds are taken.

    The card of a model keeps the rules it was trained with; a recipe may name others than the defaults. If you change a
    default, write an upgrade that gives older bundles the former value (`kappatune.model.upgrades`).

    Attributes:
        primitive_cell: How the translations that decide the atoms of the primitive cell are counted; `counted`: those
            within the tolerance, `smooth`: each by how well it maps the crystal onto itself
            (`kappatune.structures.translations`), so that nothing jumps when atoms move.
        primitive_cell_tolerance_angstrom: How far from its image under a translation an atom may lie when the atoms of
            the primitive cell are `counted`, Å.
        bond_length_tolerance_angstrom: Width of the bins of bond lengths within which bonds may be folded, Å.
        bond_envelope: How bonds end at the cutoff; `none`: each counts in full up to there, `smooth`: over the last Å
            before the cutoff of each host its weight falls to zero, with two continuous derivatives.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    primitive_cell: Literal["counted", "smooth"] = "counted"
    primitive_cell_tolerance_angstrom: float = Field(default=0.01, gt=0)
    bond_length_tolerance_angstrom: float = Field(default=1e-4, gt=0)
    bond_envelope: Literal["none", "smooth"] = "none"
