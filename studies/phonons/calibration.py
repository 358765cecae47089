"""How far are potentials from DFT, and what do prediction and phonon value say together? What `verify` rests on.

    python -m studies.phonons.calibration --data FOLDER [--work runs/phonix]

The phonon values that `calibration_values` and `verify_l96` stored, beside DFT: bias, range of nine in ten, correlation
with the errors of the model, and the best estimate, each judged without its formula. The model has learnt the DFT
values; so what it predicts, and its interval, are those of the same recipe without the formula, which
`studies.phonix.recipes` keeps in its work folder. Stored are aggregates; the numbers that `verify` needs are written
into the package.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from pymatgen.core import Composition

from kappatune import KappaModel
from kappatune.model.intervals import INTERVAL_SIGMAS
from kappatune.storage import write_text
from kappatune.structures import Crystal
from kappatune.structures.table import read_table
from kappatune.training.recipe import read_recipe
from kappatune.verification.best_estimate import Measurement
from kappatune.verification.calibration import SHIPPED, Calibrations, PhononCalibration
from kappatune.verification.verdict import DISAGREEMENT
from studies.phonix.intervals import CALIBRATED_ON, LabelErrors
from studies.phonix.labels import PHONIX_SET, read_labels
from studies.phonix.recipe_study import RecipeStudy
from studies.phonons.calibration_figure import draw
from studies.phonons.calibration_fit import (
    LEVEL,
    SMALLEST,
    Combined,
    Judged,
    Points,
    by_thirds,
    calibration_fields,
    combine,
    form_errors,
    judge,
    mean_abs_log10,
)
from studies.phonons.calibration_values import VALUES, PhononValue
from studies.phonons.potentials_compared import compare_potentials
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import RecordFile, load_result, save_result, today
from studies.transfer.metrics import compare

MODEL = "accurate"
SMALLEST_SHARED = 5
"""Crystals below which no error of the best estimate is given."""

SETS = {"phonix": PHONIX_SET, "l96": "L96"}
"""Name among the labels of each source of a phonon value."""


@dataclass(frozen=True)
class Reference:
    """A crystal with a DFT value, and what the model says of it.

    Attributes:
        crystal: As in its table.
        ln_dft: ln of kappa in W/(m K), as in its table.
        predicted: What a model of the same recipe predicts that has not learnt the formula.
        softness: ln of the predicted acoustic Debye temperature in K.
    """

    crystal: Crystal
    ln_dft: float
    predicted: Measurement
    softness: float


def main(
    data: DataOption = None,
    work: Annotated[Path, typer.Option(help="Work folder of studies.phonix.recipes.")] = Path("runs/phonix"),
) -> None:
    """Calibrate potentials on DFT: a minute, once the model's recipe has been cross-validated."""
    values = stored_values()
    references = _references(values, research_folder(data), work)
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
        "calibration",
        {
            "model": MODEL,
            "weights_sha256": model.card.weights_sha256,
            "level": LEVEL,
            "sets": results,
            "same_crystals": _same_crystals(values, references),
            "compared": compare_potentials(values, lambda own: _points(own, references, 0.0)),
        },
    )


def calibrate(points: Points, asked: dict[str, Any]) -> tuple[PhononCalibration, dict[str, Any]]:
    """The calibration of one potential and quality, and how it fares on formulas that were left out.

    Args:
        points: Crystals with a value.
        asked: The fields of the calibration that do not come from them.
    """
    judged = judge(points)
    combined = combine(points, judged)
    calibration = PhononCalibration(
        **asked,
        **calibration_fields(points, judged),
        correlation=combined.correlation,
        n_shared=len(points),
        best_factor=combined.factor,
        coverage_best=float(combined.held.mean()) if len(points) else None,
    )
    measured: dict[str, Any] = {
        "mean_abs_log10": mean_abs_log10(points.error),
        "mean_abs_log10_without_bias": mean_abs_log10(judged.remains),
        "rms_ln_by_form_of_bias": form_errors(points),
        "coverage_by_third": by_thirds(judged.held, points.ln_dft),
    }
    if len(points) >= SMALLEST_SHARED:
        measured["best"] = best_errors(points, judged, combined)
    return calibration, measured


def best_errors(points: Points, judged: Judged, combined: Combined) -> dict[str, Any]:
    """Errors and widths of prediction, phonon value and best estimate.

    Args:
        points: n crystals.
        judged: Their phonon values, each judged without its formula.
        combined: Their best estimates.
    """
    return {
        "n": len(points),
        "mean_abs_log10_prediction": mean_abs_log10(points.ln_dft - points.ln_predicted),
        "mean_abs_log10_phonons": mean_abs_log10(judged.remains),
        "mean_abs_log10_best": mean_abs_log10(combined.error),
        "half_width_ln_prediction": float(np.median(points.sd_predicted) * INTERVAL_SIGMAS),
        "half_width_ln_phonons": float(np.median(judged.half_width)),
        "half_width_ln_best": float(np.median(combined.factor * combined.sd)),
        "coverage_by_third": by_thirds(combined.held, points.ln_dft),
        "gain_on_phonons": compare(
            np.abs(judged.remains) / np.log(10), np.abs(combined.error) / np.log(10), points.formulas
        ).model_dump(mode="json"),
        "share_disagreeing": float((np.abs(combined.disagreement) > DISAGREEMENT).mean()),
    }


def _same_crystals(values: list[PhononValue], references: dict[str, Reference]) -> dict[str, dict[str, Any]]:
    """By potential and quality, errors on the crystals that have a value at each quality of their potential alone."""
    found: dict[str, dict[str, Any]] = {}
    for potential in sorted({value.potential for value in values}):
        own = [value for value in values if value.potential == potential and value.kappa_w_mk is not None]
        qualities = sorted({value.quality for value in own})
        of_quality = [{value.reference for value in own if value.quality == quality} for quality in qualities]
        common = set.intersection(*of_quality)
        if len(qualities) < 2 or len(common) < SMALLEST:
            continue
        found[potential] = {}
        for quality in qualities:
            points = _points([v for v in own if v.quality == quality and v.reference in common], references, 0.0)
            judged = judge(points)
            found[potential][quality] = best_errors(points, judged, combine(points, judged))
    return found


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


def _references(values: list[PhononValue], folder: Path, work: Path) -> dict[str, Reference]:
    """By `source id`."""
    labels = read_labels(folder)
    study = RecipeStudy(read_recipe(MODEL), labels, labels, read_table(folder / AFLOW), work)
    predicted = {name: study.predicted("dft", name) for name in CALIBRATED_ON}
    half_width = LabelErrors(labels, predicted).half_widths(predicted["formula"])
    row_of = {(s, row.crystal.id): k for k, (s, row) in enumerate(zip(labels.set_of, labels.rows, strict=True))}
    wanted = sorted({(value.source, value.id) for value in values})
    if missing := [f"{source} {name}" for source, name in wanted if (SETS[source], name) not in row_of]:
        raise typer.BadParameter(f"{folder} lacks crystals whose phonon values are stored: {', '.join(missing[:5])}")
    rows = [row_of[SETS[source], name] for source, name in wanted]
    details = KappaModel.load(MODEL).predict_with_details([labels.rows[row].crystal for row in rows], "agl")
    return {
        f"{source} {name}": Reference(
            labels.rows[row].crystal,
            float(np.log(labels.kappa[row])),
            Measurement(float(predicted["formula"].output.ln_kappa[row]), float(half_width[row] / INTERVAL_SIGMAS)),
            float(np.log(of_row.acoustic_debye_temperature_k or np.nan)),
        )
        for (source, name), row, of_row in zip(wanted, rows, details, strict=True)
    }


def _points(values: Sequence[PhononValue], references: dict[str, Reference], typical: float) -> Points:
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
