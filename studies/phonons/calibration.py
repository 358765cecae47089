"""How far are potentials from DFT, and what do prediction and phonon value say together? What `verify` rests on.

    python -m studies.phonons.calibration --data FOLDER

The phonon values that `calibration_values` and `verify_l96` stored, beside DFT: bias, range of nine in ten, correlation
with the errors of the shipped model, and the best estimate, each judged without its formula. Stored are aggregates;
the numbers that `verify` needs are written into the package.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import typer
from pymatgen.core import Composition

from kappatune import KappaModel
from kappatune.model.intervals import INTERVAL_SIGMAS
from kappatune.storage import write_text
from kappatune.structures import Crystal, Rejection
from kappatune.structures.table import crystal_of_row
from kappatune.verification.best_estimate import Measurement
from kappatune.verification.calibration import SHIPPED, Calibrations, PhononCalibration
from kappatune.verification.verdict import DISAGREEMENT
from studies.phonons.calibration_figure import draw
from studies.phonons.calibration_fit import (
    LEVEL,
    SMALLEST,
    Points,
    by_thirds,
    combine,
    fit_bias,
    fit_half_width,
    form_errors,
    judge,
    mean_abs_log10,
)
from studies.phonons.calibration_values import VALUES, PhononValue
from studies.research_data import PHONIX, DataOption, research_folder
from studies.store import RecordFile, load_result, save_result, today
from studies.transfer.metrics import compare

MODEL = "accurate"
SMALLEST_SHARED = 5
"""Crystals of formulas that the model had not learnt, below which no error of the best estimate is given."""

TABLES = {"phonix": PHONIX, "l96": "l96.parquet"}


@dataclass(frozen=True)
class Reference:
    """A crystal with a DFT value, and what the model says of it.

    Attributes:
        crystal: As in its table.
        ln_dft: ln of kappa in W/(m K), as in its table.
        predicted: The prediction.
        unseen: Whether the model had not learnt its formula.
        softness: ln of the predicted acoustic Debye temperature in K.
    """

    crystal: Crystal
    ln_dft: float
    predicted: Measurement
    unseen: bool
    softness: float


def main(data: DataOption = None) -> None:
    """Calibrate potentials on DFT: a minute, most of it predictions."""
    values = stored_values()
    references = _references(values, research_folder(data))
    groups = sorted({(value.potential, value.quality) for value in values})
    found: list[PhononCalibration] = []
    results: dict[str, Any] = {}
    for potential, quality in groups:
        own = [value for value in values if (value.potential, value.quality) == (potential, quality)]
        for coherences in (True, False):
            name = f"{potential}, {quality}, {'with' if coherences else 'without'} coherences"
            added = [value.coherences_w_mk for value in own if value.coherences_w_mk]
            typical = 0.0 if coherences or not added else float(np.median(added))
            asked = {
                "potential": potential,
                "quality": quality,
                "coherences": coherences,
                "typical_coherences_w_mk": typical,
                "n_asked": len(own),
                "n_imaginary": sum(value.outcome == "imaginary modes" for value in own),
            }
            points = _points(own, references, typical)
            results[name] = asked | {
                "n_phonix": sum(value.source == "phonix" and value.kappa_w_mk is not None for value in own),
                "outcomes": Counter(value.outcome for value in own),
                "n": len(points),
            }
            if len(set(points.formulas)) >= SMALLEST:
                calibration, measured = calibrate(points, asked)
                found.append(calibration)
                results[name] |= {"calibration": calibration.model_dump(mode="json"), **measured}
    draw(values, {name: reference.ln_dft for name, reference in references.items()})
    shipped = Calibrations(date=today(), model=MODEL, calibrations=tuple(found))
    write_text(SHIPPED, json.dumps(shipped.model_dump(mode="json"), indent=1) + "\n")
    model = KappaModel.load(MODEL)
    save_result(
        "calibration", {"model": MODEL, "weights_sha256": model.card.weights_sha256, "level": LEVEL, "sets": results}
    )


def calibrate(points: Points, asked: dict[str, Any]) -> tuple[PhononCalibration, dict[str, Any]]:
    """The calibration of one potential and quality, and how it fares on formulas that were left out.

    Args:
        points: Crystals with a value.
        asked: The fields of the calibration that do not come from them.
    """
    bias, judged = fit_bias(points), judge(points)
    shared = points[points.unseen]
    unseen = judged.of(points.unseen)
    combined = combine(shared, unseen)
    calibration = PhononCalibration(
        **asked,
        n=len(points),
        n_formulas=len(set(points.formulas)),
        level=LEVEL,
        bias_ln=bias.bias,
        slope=bias.slope,
        centre_ln=bias.centre,
        half_width_ln=fit_half_width(points),
        coverage=float(judged.held.mean()),
        correlation=combined.correlation,
        n_shared=len(shared),
        best_factor=combined.factor,
        coverage_best=float(combined.held.mean()) if len(shared) else None,
    )
    measured: dict[str, Any] = {
        "mean_abs_log10": mean_abs_log10(points.error),
        "mean_abs_log10_without_bias": mean_abs_log10(judged.remains),
        "rms_ln_by_form_of_bias": form_errors(points),
        "coverage_by_third": by_thirds(judged.held, points.ln_dft),
    }
    if len(shared) >= SMALLEST_SHARED:
        measured["best"] = {
            "n": len(shared),
            "mean_abs_log10_prediction": mean_abs_log10(shared.ln_dft - shared.ln_predicted),
            "mean_abs_log10_phonons": mean_abs_log10(unseen.remains),
            "mean_abs_log10_best": mean_abs_log10(combined.error),
            "half_width_ln_prediction": float(np.median(shared.sd_predicted) * INTERVAL_SIGMAS),
            "half_width_ln_phonons": float(np.median(unseen.half_width)),
            "half_width_ln_best": float(np.median(combined.factor * combined.sd)),
            "coverage_by_third": by_thirds(combined.held, shared.ln_dft),
            "gain_on_phonons": compare(
                np.abs(unseen.remains) / np.log(10), np.abs(combined.error) / np.log(10), shared.formulas
            ).model_dump(mode="json"),
            "share_disagreeing": float((np.abs(combined.disagreement) > DISAGREEMENT).mean()),
        }
    return calibration, measured


def stored_values() -> list[PhononValue]:
    """Our own values: those of `calibration_values`, and those of SevenNet-0 on L96."""
    values = RecordFile(VALUES).read(PhononValue)
    result = load_result("verify_l96_sevennet")
    known = {value.name for value in values}
    of_l96 = [
        PhononValue(
            source="l96",
            potential="SevenNet-0",
            quality="standard",
            kappa_w_mk=row["kappa_bte_w_mk"],
            date=result["date"],
            versions=result["versions"],
            lowest_frequency_thz=None,
            n_atoms=None,
            space_group=None,
            **{name: row[name] for name in ("id", "formula", "outcome", "coherences_w_mk", "n_forces")},
            seconds=row["seconds"] or 0.0,
        )
        for row in result["ours"]
    ]
    return values + [value for value in of_l96 if value.name not in known]


def _references(values: list[PhononValue], folder: Path) -> dict[str, Reference]:
    """By `source id`."""
    model = KappaModel.load(MODEL)
    learnt = set(model.card.formulas["dft"])
    found: dict[str, Reference] = {}
    for source, file in TABLES.items():
        wanted = {value.id for value in values if value.source == source}
        rows = [row for row in pq.read_table(folder / file).to_pylist() if row["id"] in wanted]
        crystals = [crystal_of_row(row, number, folder / file) for number, row in enumerate(rows, 1)]
        refused = [crystal for crystal in crystals if isinstance(crystal, Rejection)]
        if refused or len({row["id"] for row in rows}) < len(wanted):
            raise typer.BadParameter(
                f"{folder / file} lacks crystals whose phonon values are stored, or cannot be read"
            )
        given = [crystal for crystal in crystals if isinstance(crystal, Crystal)]
        answers = model.predict_with_details(given, model.default_fidelity)
        for row, crystal, details in zip(rows, given, answers, strict=True):
            answer = details.prediction
            if not answer.kappa_w_mk or not answer.lower_w_mk or not answer.upper_w_mk:
                raise typer.BadParameter(f"{crystal.id} gets no prediction: {answer.reason}")
            found[f"{source} {crystal.id}"] = Reference(
                crystal,
                float(np.log(row["kappa_w_mk_300k"])),
                Measurement.of_interval(answer.kappa_w_mk, answer.lower_w_mk, answer.upper_w_mk),
                crystal.formula_key not in learnt,
                float(np.log(details.acoustic_debye_temperature_k or np.nan)),
            )
    return found


def _points(values: list[PhononValue], references: dict[str, Reference], typical: float) -> Points:
    """The crystals with a value; if `typical` is not 0, it stands in for their coherences, W/(m K)."""
    rows = [
        (
            value.kappa_w_mk - (value.coherences_w_mk or 0.0) + typical if typical else value.kappa_w_mk,
            references[value.reference],
        )
        for value in values
        if value.kappa_w_mk is not None
    ]
    return Points(
        formulas=np.array([reference.crystal.formula_key for _, reference in rows]),
        ln_kappa=np.log([kappa for kappa, _ in rows]),
        ln_dft=np.array([reference.ln_dft for _, reference in rows]),
        ln_predicted=np.array([reference.predicted.ln_kappa for _, reference in rows]),
        sd_predicted=np.array([reference.predicted.sd_ln for _, reference in rows]),
        unseen=np.array([reference.unseen for _, reference in rows], dtype=bool),
        softness=np.array([reference.softness for _, reference in rows]),
        family=np.array([family(reference.crystal.formula_key) for _, reference in rows]),
    )


def family(formula: str) -> str:
    """Kind of anion: that of the most electronegative element."""
    element = max(Composition(formula).elements, key=lambda element: element.X)
    kinds = {15: "pnictide", 16: "oxide" if element.symbol == "O" else "chalcogenide", 17: "halide"}
    return kinds.get(element.group, "other")


if __name__ == "__main__":
    typer.run(main)
