"""What a process of the queue does: load the potential, estimate a cost, compute a job and write its result."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel

from kappatune.agl_workflow.batch import agl_or_reason
from kappatune.agl_workflow.cost import estimate_agl_cost
from kappatune.calculations.agl_result import CURVES
from kappatune.calculations.agl_settings import AglSettings
from kappatune.errors import UserError
from kappatune.jobs.curves import JobCurves
from kappatune.jobs.figures import curves_of_agl, curves_of_verification
from kappatune.jobs.record import JobCost, JobProgress, JobRequest, JobSummary, Kind, Quality
from kappatune.jobs.result import JobFile, csv_of_row
from kappatune.jobs.store import FILES, PHONO3PY, RESULT
from kappatune.jobs.tasks import Computed, Estimated, Loaded, ProcessSpec
from kappatune.model.kappa_model import KappaModel
from kappatune.potentials import Potential, load_potential
from kappatune.progress import Event
from kappatune.storage import write_text
from kappatune.structures import Crystal
from kappatune.structures.plain import Structure, cif_text
from kappatune.verification import Verifier, VerifySettings
from kappatune.verification.api import iter_costs
from kappatune.verification.events import CostEstimated, ForcesProgress, StepStarted
from kappatune.verification.phono3py_files import COMPLETE
from kappatune.verification.prepare import NoPhono3py, require_phono3py
from kappatune.verification.row import NESTED_FIELDS, Verification
from kappatune.verification.settings import DEFAULT_TEMPERATURES_K


class Computation:
    """The tasks of a process.

    Attributes:
        spec: Potential, model, cache and limits.
        emit: Called with a `JobCost` once it is known, and with each `JobProgress`.
    """

    def __init__(self, spec: ProcessSpec, emit: Callable[[JobCost | JobProgress], None]) -> None:
        self.spec = spec
        self.emit = emit

    @cached_property
    def _potential(self) -> Potential:
        return load_potential(self.spec.calculator)

    @cached_property
    def _model(self) -> KappaModel:
        return KappaModel.load(self.spec.model)

    def load(self) -> Loaded:
        """Load the potential.

        Raises:
            BadPotential: It cannot be loaded.
        """
        kinds: tuple[Kind, ...] = ("agl", "verify")
        try:
            require_phono3py()
        except NoPhono3py:
            kinds = ("agl",)
        return Loaded(str(self._potential), self._potential.fingerprint, kinds)

    def estimate(self, request: JobRequest, crystal: Crystal) -> Estimated:
        """What a job would cost; the potential is evaluated a few times."""
        try:
            if request.kind == "agl":
                return Estimated(self._agl_cost(crystal), None)
            (estimate,) = iter_costs([crystal], self._potential, self._settings(request.quality))
        except UserError as error:
            return Estimated(None, str(error))
        if estimate.reason is not None:
            return Estimated(None, estimate.reason)
        return Estimated(JobCost(**estimate.model_dump(include=set(JobCost.model_fields))), None)

    def compute(self, request: JobRequest, crystal: Crystal, folder: Path) -> Computed:
        """Compute a job, and write its result and its files.

        Args:
            request: What is asked for.
            crystal: The crystal.
            folder: That of the job.
        """
        if request.kind == "agl":
            return self._compute_agl(crystal, folder)
        return self._verify(request, crystal, folder)

    def _agl_cost(self, crystal: Crystal) -> JobCost:
        cost = estimate_agl_cost(crystal, self._potential, AglSettings())
        return JobCost(
            n_forces=cost.n_evaluations,
            n_atoms=cost.n_atoms,
            seconds_per_force=cost.seconds_per_evaluation,
            seconds=cost.seconds,
        )

    def _settings(self, quality: Quality | None) -> VerifySettings:
        settings = VerifySettings.of(quality or "quick", temperatures_k=DEFAULT_TEMPERATURES_K)
        return settings.replace(max_forces=min(settings.max_forces, self.spec.max_forces))

    def _compute_agl(self, crystal: Crystal, folder: Path) -> Computed:
        settings = AglSettings()
        self.emit(JobProgress(step="AGL", text="AGL: relaxation, elastic constants, energies of scaled cells"))
        result = agl_or_reason(crystal, self._potential, settings)
        _write(folder, result, curves_of_agl(result, settings.fit), CURVES, {"given.cif": (cif_text(crystal), _GIVEN)})
        answered = result.kappa_w_mk is not None
        outcome = "answered" if answered else "failed"
        return Computed(JobSummary(kappa_w_mk=result.kappa_w_mk, outcome=outcome), result.reason)

    def _verify(self, request: JobRequest, crystal: Crystal, folder: Path) -> Computed:
        settings = self._settings(request.quality)
        verifier = Verifier(self._potential, settings, self.spec.cache, self._model, files=folder / PHONO3PY)
        row = verifier.verify(crystal, self._tell)
        curves = curves_of_verification(row, verifier.curves(crystal, row), verifier.agl(crystal))
        files = {"given.cif": (cif_text(crystal), _GIVEN)}
        if row.relaxed:
            files["relaxed.cif"] = (_relaxed_cif(row), "the relaxed primitive cell")
        _write(folder, row, curves, NESTED_FIELDS, files)
        judged = row.outcome == "answered"
        summary = JobSummary(
            kappa_w_mk=row.kappa_bte_w_mk,
            outcome=row.outcome,
            verdict=row.verdict if judged else None,
            because=row.because,
            best_w_mk=row.kappa_best_w_mk,
            best_lower_w_mk=row.best_lower_w_mk,
            best_upper_w_mk=row.best_upper_w_mk,
        )
        return Computed(summary, row.reason)

    def _tell(self, event: Event) -> None:
        if isinstance(event, CostEstimated):
            self.emit(JobCost(**{name: getattr(event.cost, name) for name in JobCost.model_fields}))
        elif isinstance(event, StepStarted):
            self.emit(JobProgress(step=event.step, text=event.step))
        elif isinstance(event, ForcesProgress):
            text = f"forces of {event.done} of {event.total} displaced cells"
            self.emit(JobProgress(step="forces", done=event.done, total=event.total, text=text))


_GIVEN = "the crystal as given"
_OF_PHONO3PY = {
    "phono3py_disp.yaml": "cells and displacements, for phono3py",
    "phono3py_params.yaml": "cells, displacements and forces, for phono3py",
    "fc2.hdf5": "force constants of second order, for phono3py",
    "fc3.hdf5": "force constants of third order, for phono3py",
    "modes.csv": "all phonon modes at 300 K",
    COMPLETE: "what the files for phono3py were computed with",
}
_OTHER = "conductivity by phonon mode, for phono3py"


def _write(
    folder: Path, row: BaseModel, curves: JobCurves, left_out: tuple[str, ...], others: dict[str, tuple[str, str]]
) -> None:
    """Write the files of a job, then its result, which names them and those of phono3py."""
    texts = {
        "row.json": (row.model_dump_json(indent=1), "the row, with everything that was computed"),
        "row.csv": (csv_of_row(row, left_out), "the row as a table of one line"),
        "curves.json": (curves.model_dump_json(), "the figures as numbers"),
        **others,
    }
    about = {name: what for name, (_, what) in texts.items()}
    for name, (text, _) in texts.items():
        write_text(folder / FILES / name, text)
    for path in sorted((folder / PHONO3PY).glob("*/*")):
        path.replace(folder / FILES / path.name)
        about[path.name] = _OF_PHONO3PY.get(path.name, _OTHER)
    files = [JobFile(name=name, bytes=(folder / FILES / name).stat().st_size, about=about[name]) for name in about]
    content = {
        "row": json.loads(row.model_dump_json()),
        "curves": curves.model_dump(mode="json"),
        "files": [file.model_dump() for file in files],
    }
    write_text(folder / RESULT, json.dumps(content))


def _relaxed_cif(row: Verification) -> str:
    crystal = Structure(id=row.id, **row.relaxed).crystal()
    assert isinstance(crystal, Crystal), crystal
    return cif_text(crystal)
