from __future__ import annotations

import pytest

from studies.phonix.cheap_stages import TrainedStage
from studies.phonix.curve_worth import gain_over_sizes
from studies.phonix.curves_section import Curves
from studies.phonix.stage_curves_section import SHOWN, stages_section
from tests.studies.phonix.test_learning_curves import cells_of

CURVE = {25: 0.4, 50: 0.35, 100: 0.3, 200: 0.25}


def arm(name, gain):
    """Cells of an arm whose error is lower by `gain`, and whose draws differ as those of the others."""
    return cells_of(name, {n: error - gain for n, error in CURVE.items()})


def uncertain(name):
    """Cells of an arm that is better in some draws and worse in others, as good in the mean."""
    return [
        cell.model_copy(update={"mean_abs_log10": cell.mean_abs_log10 + 0.02 * (cell.draw - 3)})
        for cell in arm(name, 0.0)
    ]


STAGES = [
    TrainedStage(
        model=f"formation-energies-{name}", n_rows=1831, epochs=66, best_epoch=60, validation_error=0.1, versions={}
    )
    for name in ("minimum-kappa", "minimum-kappa-agl")
]


def test_the_gain_over_all_numbers_of_labels_is_one_mean_per_draw():
    cells = arm("formation-energies", 0.0) + uncertain("moduli")
    gain, half = gain_over_sizes(cells, "formation-energies", "moduli")
    assert gain == pytest.approx(0.0) and half == pytest.approx(2.776 * 0.02 * 2.5**0.5 / 5**0.5, rel=1e-3)
    assert gain_over_sizes(arm("moduli", 0.02) + cells[:20], "formation-energies", "moduli") == pytest.approx((0.02, 0))


def test_the_section_says_which_stages_help_which_do_not_and_which_cannot_be_told():
    cells = [
        *arm("formation-energies", 0.0),
        *arm("formation-energies-agl", 0.04),
        *arm("minimum-kappa", 0.02),
        *uncertain("moduli"),
        *arm("semi-empirical", -0.03),
        *arm("minimum-kappa-agl", 0.05),
        *arm("agl-again", 0.03),
        *arm("prototypes", 0.1)[:-1],
    ]
    text = "\n\n".join(stages_section(Curves(cells, SHOWN), STAGES))
    assert "by DFT phonons, at 600 K | 1,831 | 0.043 |" in text and "of AFLOW" not in text
    assert "the error is lower after *AGL* (0.040) and *minimum κ* (0.020); higher after *semi-empirical κ*" in text
    assert "; no difference is seen after *moduli*." in text
    assert "Before AGL, against AGL alone, the error is lower after *minimum κ, then AGL* (0.010)." in text
    assert "changes the error by 0.010 ± 0.000 in the mean over all N, and by up to 0.010 at one N" in text
    assert "*network, formation energies, then AGL of our prototypes*" in text.split("Not computed yet: ")[1]
    assert "| moduli | formation energies alone | +0.000 ± 0.039 | none | none | " in text
    assert (
        "| minimum κ | formation energies alone | +0.020 ± 0.000 | 25, 50, 100 and 200 | none | 130 (130 to 130) |"
        in text
    )
    lost = "| semi-empirical κ | formation energies alone | -0.030 ± 0.000 | none | 25, 50, 100 and 200 | "
    assert lost in text


def test_without_cells_of_such_stages_there_is_no_section():
    assert stages_section(Curves(arm("formation-energies", 0.0), SHOWN), STAGES) == []
