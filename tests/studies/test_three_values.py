"""The page on AGL quotes the stored values of `studies.agl.three_values`; the page on remarks those of dimensions."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.store import load_result

DOCS = Path(__file__).parents[2] / "docs"
NAMES = {"C": "diamond"}


def digits(value: float) -> str:
    return f"{float(f'{value:.3g}'):g}"


@pytest.mark.parametrize("crystal", load_result("agl_three_values")["crystals"])
def test_the_table_of_three_values_is_the_stored_one(crystal):
    found = load_result("agl_three_values")["crystals"][crystal]
    learnt = found["predict"]
    cells = [
        f"{digits(learnt['kappa_w_mk'])}, {digits(learnt['lower_w_mk'])} to {digits(learnt['upper_w_mk'])}",
        *(
            f"{digits(one['kappa_w_mk'])} ({factors['debye_temperature']:.2f} × {factors['gruneisen']:.2f})"
            for one in (found[name] for name in ("chgnet", "sevennet", "nequix"))
            for factors in [one["over_predict"]]
        ),
    ]
    assert f"| {NAMES.get(crystal, crystal)} | {' | '.join(cells)} |" in (DOCS / "agl.md").read_text(encoding="utf-8")


def test_the_factors_make_up_the_value():
    for found in load_result("agl_three_values")["crystals"].values():
        for name in ("chgnet", "sevennet", "nequix"):
            factors = found[name]["over_predict"]
            product = factors["debye_temperature"] * factors["gruneisen"]
            assert factors["kappa"] == pytest.approx(product, rel=0.05), "the rest is the volume"


def test_the_page_on_remarks_quotes_the_comparison():
    page = (DOCS / "remarks.md").read_text(encoding="utf-8")
    found = load_result("dimensionality")
    assert f"On {found['n']} crystals of known dimension" in page
    for method, quality in found["methods"].items():
        time = f"{quality['ms_per_crystal']:.{1 if method == 'kappatune' else 0}f}"
        assert f"| {quality['n_right']} | {time} ms |" in page, method
    counts = found["labelled"]["AFLOW"]
    assert "| " + " | ".join(f"{counts[k]:,}" for k in "0123") + " |" in page
