"""The verification of one crystal: phonon value, AGL value and prediction, and the verdict."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kappatune.calculations.agl import agl_of_relaxed
from kappatune.calculations.agl_result import AglResult
from kappatune.calculations.agl_settings import AglSettings
from kappatune.calculations.relaxation import RelaxedCrystal
from kappatune.errors import UserError, unexpected
from kappatune.model.kappa_model import KappaModel
from kappatune.model.prediction import Prediction
from kappatune.model.remarks import remarks_on_crystal
from kappatune.plotting import NoMatplotlib
from kappatune.potentials import Potential
from kappatune.progress import OnProgress, ignore
from kappatune.structures import Crystal, Rejection, check
from kappatune.structures.crystal import element_symbol
from kappatune.structures.dimensionality import dimension
from kappatune.verification.born import born_file
from kappatune.verification.cache import StepCache, digest
from kappatune.verification.calibration import Calibrations, shipped_calibrations
from kappatune.verification.clock import Clock
from kappatune.verification.cost import check_memory, measure_cost
from kappatune.verification.events import CostEstimated, CrystalFinished, StepStarted
from kappatune.verification.forces import NO_HELPERS, ForcesWanted, Helpers
from kappatune.verification.outcomes import outcome_of
from kappatune.verification.phono3py_files import is_complete, write_files
from kappatune.verification.phonon_character import character_fields
from kappatune.verification.phonons import PhononResult, compute_phonons
from kappatune.verification.plot import Curves, plot_verification
from kappatune.verification.prepare import prepare
from kappatune.verification.row import Verification
from kappatune.verification.settings import VerifySettings
from kappatune.verification.standard_cell import StandardCell, standardise
from kappatune.verification.verdict import PUBLISHED_SRD, assess

VERSIONED = ("kappatune", "phono3py", "phonopy", "spglib", "ase", "numpy", "torch")
"""Packages whose versions a row lists. A change of one of them computes kappa anew, from the forces on disk."""

PREDICTED = ("model", "predicted_w_mk", "lower_w_mk", "upper_w_mk", "interval", "in_domain")
"""Fields that a model gives: without one they are null, also in a row that was finished with one."""


@dataclass(frozen=True)
class Verifier:
    """Verifies crystals, one at a time.

    Attributes:
        potential: The potential.
        settings: How kappa is computed.
        out: Folder for finished steps, with a folder for each crystal.
        model: The model whose predictions are assessed; None for none.
        born: BORN file if there is only one crystal; None looks for `NAME.born` beside each structure file.
        figures: Folder for figures; None draws none.
        files: Folder for the files of phono3py, with a folder for each crystal; None writes none.
        calibrations: What verdict and best estimate rest on.
        helpers: Other processes that compute forces.
    """

    potential: Potential
    settings: VerifySettings
    out: Path
    model: KappaModel | None = None
    born: Path | None = None
    figures: Path | None = None
    files: Path | None = None
    calibrations: Calibrations = field(default_factory=shipped_calibrations)
    helpers: Helpers = NO_HELPERS

    def verify(self, entry: Crystal | Rejection, on_progress: OnProgress = ignore) -> Verification:
        """The row of one crystal; every error ends in a row with a reason.

        Args:
            entry: What `read_crystals` gives.
            on_progress: Called with the events of `kappatune.verification.events`.

        Raises:
            NoMatplotlib: Figures are wanted and cannot be drawn.
            ForcesWanted: So many forces are missing that they are left to `helpers`.
        """
        row = self._row_or_reason(entry, on_progress)
        calibration = self.calibrations.find(self.potential.name, self.settings)
        if row.outcome == "imaginary modes" and calibration:
            row = row.model_copy(update={"because": calibration.imaginary})
        on_progress(CrystalFinished(entry.id, row.outcome))
        return row

    def curves(self, crystal: Crystal, row: Verification) -> Curves | None:
        """The curves of a row that `verify` returned for a crystal, or None if it has no kappa."""
        key = _answer_key(row.model_dump(mode="json"), born_file(crystal, self.born))
        arrays = StepCache(self.out, crystal, self.potential, self.settings).load_arrays(f"curves-{key}")
        return None if row.kappa_bte_w_mk is None or arrays is None else Curves(**arrays)

    def agl(self, crystal: Crystal) -> AglResult | None:
        """AGL of a crystal that `verify` has answered; None if it failed, or if an older version kept only kappa."""
        step = StepCache(self.out, crystal, self.potential, self.settings).load(_agl_step())
        result = None if step is None else step.get("result")
        return None if result is None else AglResult.model_validate(result)

    def _row_or_reason(self, entry: Crystal | Rejection, on_progress: OnProgress) -> Verification:
        if isinstance(entry, Rejection):
            return Verification(
                id=entry.id, file=entry.file, formula=entry.formula, outcome="unreadable", reason=entry.reason
            )
        given = self._given_fields(entry)
        remarks = entry.remarks
        try:
            crystal = check(entry)
            remarks = remarks_on_crystal(crystal, dimension(crystal))
            row = self._verify(crystal, given, on_progress)
            return row.model_copy(update={"remarks": (*remarks, *row.remarks)})
        except (NoMatplotlib, ForcesWanted):
            raise
        except UserError as error:
            return Verification(**given, remarks=remarks, outcome=outcome_of(error), reason=str(error))
        except Exception as error:
            reason = f"the verification failed unexpectedly ({unexpected(error)})"
            return Verification(**given, remarks=remarks, outcome="failed", reason=reason)

    def _given_fields(self, crystal: Crystal) -> dict[str, Any]:
        """The fields of a row that are known before any phonon calculation."""
        given = {
            "id": crystal.id,
            "file": crystal.file,
            "formula": crystal.formula,
            "potential": str(self.potential),
            "potential_srd": PUBLISHED_SRD.get(self.potential.name),
            "solution": self.settings.solution,
            "settings": self.settings.model_dump(mode="json"),
            "versions": _versions(),
        }
        if self.model is None:
            return given | dict.fromkeys(PREDICTED)
        (prediction,) = self.model.predict([crystal])
        return given | {
            "model": self.model.card.name,
            "predicted_w_mk": prediction.kappa_w_mk,
            "lower_w_mk": prediction.lower_w_mk,
            "upper_w_mk": prediction.upper_w_mk,
            "interval": prediction.interval,
            "in_domain": prediction.in_domain,
        }

    def _verify(self, crystal: Crystal, given: dict[str, Any], on_progress: OnProgress) -> Verification:
        clock = Clock()
        cache = StepCache(self.out, crystal, self.potential, self.settings, self.helpers)
        born = born_file(crystal, self.born)
        key = _answer_key(given, born)
        finished = _load_finished(cache, key)
        folder = None if self.files is None else self.files / cache.name
        if finished is not None and (folder is None or is_complete(folder, key)):
            row, curves = finished
            return self._complete(row.model_copy(update=given), curves)
        with clock("estimate"):
            self.potential.check_elements(crystal.numbers)
            as_given = prepare(standardise(crystal, self.settings.symprec), self.settings)
            cost = measure_cost(as_given, self.potential, self.settings)
            check_memory(cost)
        on_progress(CostEstimated(crystal.id, cost, len(cache.forces)))
        phonons = compute_phonons(
            crystal,
            as_given.cell,
            self.potential,
            self.settings,
            cache,
            born=born,
            on_progress=on_progress,
            clock=clock,
        )
        on_progress(StepStarted(crystal.id, "AGL"))
        with clock("agl"):
            agl = cache.load(_agl_step())
            if agl is None:
                agl = self._agl(crystal, phonons.prepared.cell)
                cache.save(_agl_step(), agl)
        row = Verification(
            **given,
            **_phonon_fields(phonons, self.settings),
            agl_w_mk=agl["kappa"],
            agl_reason=agl["reason"],
            born=str(born) if born else None,
            seconds=clock.read(),
            peak_memory_gb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        )
        curves = Curves.from_phonons(phonons)
        cache.save(f"answer-{key}", row.model_dump(mode="json"))
        cache.save_arrays(f"curves-{key}", vars(curves))
        if folder is not None:
            origin = {"key": key} | {
                name: given[name] for name in ("id", "formula", "potential", "settings", "versions")
            }
            write_files(folder, phonons, origin)
        return self._complete(row, curves)

    def _agl(self, crystal: Crystal, cell: StandardCell) -> dict[str, Any]:
        """The AGL value of the same relaxed crystal, or why there is none."""
        try:
            relaxed = RelaxedCrystal(cell.primitive, cell.space_group)
            result = agl_of_relaxed(crystal, relaxed, self.potential, AglSettings())
            return {"kappa": result.kappa_w_mk, "reason": None, "result": result.model_dump(mode="json")}
        except UserError as error:
            return {"kappa": None, "reason": str(error)}
        except Exception as error:
            return {"kappa": None, "reason": f"AGL failed unexpectedly ({unexpected(error)})"}

    def _complete(self, row: Verification, curves: Curves) -> Verification:
        """Add the verdict, which depends on the model and is therefore not on disk, and draw the figure."""
        assert row.kappa_bte_w_mk is not None
        found = assess(
            row.kappa_bte_w_mk, self.potential, self.settings, self.calibrations, _prediction(row), row.agl_w_mk
        )
        complete = row.model_copy(update=vars(found))
        if self.figures is not None:
            plot_verification(complete, curves, self.figures)
        return complete


def _prediction(row: Verification) -> Prediction | None:
    """The prediction that a row holds; None without a model."""
    if row.model is None:
        return None
    return Prediction(
        id=row.id,
        kappa_w_mk=row.predicted_w_mk,
        lower_w_mk=row.lower_w_mk,
        upper_w_mk=row.upper_w_mk,
        interval=row.interval,
    )


def _versions() -> dict[str, str]:
    return {name: version(name) for name in VERSIONED}


def _agl_step() -> str:
    """Name of the step that holds the AGL value of these settings and versions."""
    return f"agl-{digest(AglSettings().model_dump(mode='json'), _versions())}"


def _answer_key(given: dict[str, Any], born: Path | None) -> str:
    """Identifies an answer among those of a crystal: by settings, versions and Born charges."""
    return digest(given["settings"], given["versions"], born.read_bytes().hex() if born else None)


def _load_finished(cache: StepCache, key: str) -> tuple[Verification, Curves] | None:
    """Row and curves of an earlier run with the same settings and versions, unless curves have been added since."""
    row, arrays = cache.load(f"answer-{key}"), cache.load_arrays(f"curves-{key}")
    if row is None or arrays is None or arrays.keys() != {curve.name for curve in fields(Curves)}:
        return None
    return Verification.model_validate(row), Curves(**arrays)


def _phonon_fields(phonons: PhononResult, settings: VerifySettings) -> dict[str, Any]:
    """The fields of a row that come from the phonons."""
    prepared, transport, at_300 = phonons.prepared, phonons.transport, settings.index_of_300_k()
    primitive = prepared.cell.primitive
    coherences = () if transport.coherences is None else tuple(transport.coherences[:, :3].mean(axis=1).tolist())
    return {
        **character_fields(phonons, settings),
        "kappa_bte_w_mk": float(transport.mean[at_300]),
        "coherences_w_mk": coherences[at_300] if coherences else None,
        "lowest_frequency_thz": phonons.lowest_frequency,
        "space_group": prepared.cell.space_group,
        "n_atoms": len(primitive),
        "supercell": prepared.supercell_label,
        "harmonic_supercell": prepared.harmonic_supercell_label,
        "third_order": prepared.third_order,
        "pair_cutoff": prepared.pair_cutoff,
        "n_forces": prepared.n_forces,
        "mesh": "x".join(map(str, transport.mesh)),
        "mesh_change": transport.mesh_change,
        "warnings": phonons.warnings,
        "temperatures_k": settings.temperatures_k,
        "kappa_by_temperature_w_mk": tuple(transport.mean.tolist()),
        "kappa_tensor_w_mk": tuple(tuple(tensor) for tensor in transport.kappa.tolist()),
        "coherences_by_temperature_w_mk": coherences,
        "relaxed": {
            "lattice": primitive.cell.array.tolist(),
            "species": [element_symbol(int(number)) for number in primitive.numbers],
            "frac_coords": primitive.get_scaled_positions().tolist(),
        },
    }
