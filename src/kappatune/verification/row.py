"""The row that a verification returns."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from kappatune.model.intervals import IntervalKind
from kappatune.verification.outcomes import Outcome
from kappatune.verification.prepare import Displacements
from kappatune.verification.verdict import Verdict

NESTED_FIELDS = (
    "temperatures_k",
    "kappa_by_temperature_w_mk",
    "kappa_tensor_w_mk",
    "coherences_by_temperature_w_mk",
    "cumulative",
    "settings",
    "versions",
    "seconds",
    "relaxed",
)
"""Fields that are lists or objects: they are in JSON and not in CSV."""


class Verification(BaseModel):
    """One crystal: prediction, AGL and phonon value side by side, or why there is no phonon value.

    Attributes:
        id: Name of the crystal.
        file: File it came from.
        formula: Reduced formula.
        outcome: `answered`, or what prevented a phonon value.
        reason: The same in a sentence.
        verdict: What the phonon value says about the prediction.
        because: The same in a sentence: by how much the two differ, and what to do.
        kappa_best_w_mk: Best estimate of the conductivity at 300 K from prediction and phonon value, W/(m K); null
            if the potential is not calibrated.
        best_lower_w_mk: Lower end of its interval, which is meant to hold nine values in ten, W/(m K).
        best_upper_w_mk: Upper end, W/(m K).
        disagreement_sd: ln of prediction over phonon value without its bias, in standard deviations; null without
            a calibrated prediction.
        kappa_bte_w_mk: Lattice thermal conductivity from phonons at 300 K, mean of xx, yy, zz, W/(m K), as the
            potential gives it.
        likely_lower_w_mk: Lower end of the range in which the potential places kappa after its bias is taken off,
            meant to hold nine values in ten, W/(m K); null if the potential is not calibrated.
        likely_upper_w_mk: Upper end, W/(m K).
        predicted_w_mk: Prediction of the model, W/(m K).
        lower_w_mk: Lower end of its interval, W/(m K).
        upper_w_mk: Upper end, W/(m K).
        interval: What that interval rests on (`kappatune.model.intervals.IntervalKind`).
        in_domain: Whether the crystal resembles the training data of the model.
        model: The model.
        agl_w_mk: kappa of AGL with the same potential, W/(m K); not that of `predict --fidelity agl`.
        agl_reason: Why there is no AGL value.
        agl_agrees: Whether the AGL value lies between `likely_lower_w_mk` and `likely_upper_w_mk`.
        potential: Name and version of the potential.
        potential_srd: Its published kappa_SRD on phononDB-103, on which no verdict rests; null if not known.
        solution: `rta` or `direct`.
        coherences_w_mk: Contribution of coherences between bands at 300 K (included in `kappa_bte_w_mk`), W/(m K).
        kappa_polycrystal_w_mk: kappa at 300 K of a polycrystal of round grains that point in all directions, by
            effective medium (`kappatune.physics.polycrystal`), W/(m K).
        anisotropy: Largest principal value of the tensor at 300 K over the smallest.
        mean_free_path_nm: Mean free path up to which phonons carry half of kappa at 300 K, coherences left out, nm.
        lifetime_ps: Lifetime up to which they do, ps.
        gruneisen: Mean of the modes' Grüneisen parameters at 300 K, each counted by its heat capacity.
        gruneisen_rms: Root of the mean of their squares.
        largest_displacement_a2: Largest mean-square displacement of an atom along any direction at 300 K, Å^2.
        lowest_frequency_thz: Lowest frequency, about 0 in a stable crystal, THz.
        space_group: International number, after relaxation.
        n_atoms: Atoms of the primitive cell.
        supercell: For third order: how often the conventional cell is repeated, or the primitive one where that is too
            large, as `2x2x2`, and atoms.
        harmonic_supercell: The same for second order.
        third_order: `pairs` if pairs of atoms were displaced for third order, `snapshots` if all atoms were, at random;
            null in rows of versions before 0.3.
        pair_cutoff: Largest distance of a displaced pair, Å; null for snapshots.
        n_forces: Force calculations in all.
        mesh: Points along each reciprocal vector of the primitive cell, as `11x11x11`, or of the conventional one where
            the symmetry asks for it.
        mesh_change: Change of kappa at 300 K from the previous mesh: that of the mean, relative to it, or of xx, yy or
            zz, relative to the largest of them, whichever is more.
        born: File of Born charges; null without them.
        peak_memory_gb: Of the process, 10^9 bytes.
        warnings: What is unusual although the numbers are valid.
        remarks: What the numbers do not say; no number is hidden for it. Those of reading come first
            (`kappatune.structures.remarks.Remark`).
        temperatures_k: Temperatures, K.
        kappa_by_temperature_w_mk: kappa at each, W/(m K).
        kappa_tensor_w_mk: (n_temperatures, 6) xx, yy, zz, yz, xz, xy in the axes of the standard cell, W/(m K).
        coherences_by_temperature_w_mk: Contribution of coherences at each temperature, W/(m K).
        cumulative: kappa at 300 K carried by modes up to each `mean_free_path_nm`, each `lifetime_ps` (both without
            coherences) and each `frequency_thz`: six lists.
        settings: All settings.
        versions: Versions of the packages.
        seconds: Wall time of this run by part: `estimate`, `relaxation`, `forces` and `agl`, where the potential is
            evaluated; `phono3py`; `own`, the rest; and `total`.
        relaxed: The relaxed primitive cell: `lattice` (Å), `species`, `frac_coords`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    file: str | None = None
    formula: str | None = None
    outcome: Outcome = "answered"
    reason: str | None = None
    verdict: Verdict = "not judged"
    because: str | None = None
    kappa_best_w_mk: float | None = None
    best_lower_w_mk: float | None = None
    best_upper_w_mk: float | None = None
    disagreement_sd: float | None = None
    kappa_bte_w_mk: float | None = None
    likely_lower_w_mk: float | None = None
    likely_upper_w_mk: float | None = None
    predicted_w_mk: float | None = None
    lower_w_mk: float | None = None
    upper_w_mk: float | None = None
    interval: IntervalKind | None = None
    in_domain: bool | None = None
    model: str | None = None
    agl_w_mk: float | None = None
    agl_reason: str | None = None
    agl_agrees: bool | None = None
    potential: str | None = None
    potential_srd: float | None = None
    solution: str | None = None
    coherences_w_mk: float | None = None
    kappa_polycrystal_w_mk: float | None = None
    anisotropy: float | None = None
    mean_free_path_nm: float | None = None
    lifetime_ps: float | None = None
    gruneisen: float | None = None
    gruneisen_rms: float | None = None
    largest_displacement_a2: float | None = None
    lowest_frequency_thz: float | None = None
    space_group: int | None = None
    n_atoms: int | None = None
    supercell: str | None = None
    harmonic_supercell: str | None = None
    third_order: Displacements | None = None
    pair_cutoff: float | None = None
    n_forces: int | None = None
    mesh: str | None = None
    mesh_change: float | None = None
    born: str | None = None
    peak_memory_gb: float | None = None
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    temperatures_k: tuple[float, ...] = ()
    kappa_by_temperature_w_mk: tuple[float, ...] = ()
    kappa_tensor_w_mk: tuple[tuple[float, ...], ...] = ()
    coherences_by_temperature_w_mk: tuple[float, ...] = ()
    cumulative: dict[str, list[float]] = {}
    settings: dict[str, Any] = {}
    versions: dict[str, str] = {}
    seconds: dict[str, float] = {}
    relaxed: dict[str, Any] = {}
