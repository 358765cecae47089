"""What hand-written pages quote is what is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.store import load_result

ROOT = Path(__file__).parents[2]


def text_of(page: str) -> str:
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


def test_readme_quotes_other_kinds_of_crystals():
    result = load_result("out_of_sample")
    dft, agl = (result["errors"]["accurate"][rung] for rung in ("dft", "agl"))
    error = dft["all"]["mean_abs_log10"]
    ratio = dft["outside the domain"]["mean_abs_log10"] / dft["inside the domain"]["mean_abs_log10"]
    held, held_low, inside = (
        f"{100 * share:.0f} %"
        for share in (dft["all"]["coverage"], dft["κ, low third"]["coverage"], dft["all"]["in_domain"])
    )
    bias = 10 ** dft["all"]["mean_signed_log10"]
    readme = text_of("README.md")
    for quoted in (
        f"On {dft['all']['n']:,} DFT values of crystals of all kinds",
        f"the mean |log10| error of `dft` is {error:.2f} (a factor of {10**error:.1f};",
        f"by a factor of {bias:.1f} in the mean and {dft['soft']['median_ratio']:.1f} for soft crystals",
        f"intervals hold {held}, {held_low} in the lowest third of κ",
        f"`agl` is nearer there: {agl['all']['mean_abs_log10']:.2f},",
        f"{inside} of these crystals are inside, and the error of the others is {ratio:.1f} times larger",
    ):
        assert quoted in readme
    noise = load_result("labels")["agreement"]
    assert all(0.08 < noise[pair]["mean_abs_log10"] < 0.13 for pair in ("L96", "L96, Phonix"))


def test_verify_quotes_the_references():
    page = text_of("docs/verify.md")
    (found,) = load_result("verify_references")["potentials"].values()
    own, l96 = found["κ_SRME"], found["L96"]

    def minus(value: float) -> str:
        return f"−{abs(value):.2f}"

    for quoted in (
        f"a κ_SRD of {minus(own['srd'])} where it gives a value, {minus(own['srd_with_failures'])} with the two",
        f"against L96 {minus(l96['srd'])} (",
    ):
        assert quoted in page
    assert own["n"] - own["n_answered"] == 2


def test_readme_quotes_speed_and_the_scan_of_the_authors():
    speed, scan = load_result("speed"), load_result("scan")
    theirs = load_result("candidates")["against_published_scan"]["MIX"]["ours"]
    readme = text_of("README.md")
    for quoted in (
        f"training takes {min(speed['train_ms_per_crystal'].values()):.1f} ms per crystal and core at best",
        f"a cold `kappatune predict one.cif` {speed['cold_predict_one_cif_s']:.0f} s",
        f"values is {theirs['MIX']['spearman']:.2f} for the paper's ladder done here and "
        f"{theirs['accurate']['spearman']:.2f} for `accurate`",
        f"two workers scan {round(scan['ten_atom_cells_per_s'], -2):.0f} cells of ten atoms per second",
    ):
        assert quoted in readme


def test_the_page_on_reading_quotes_its_speed():
    result = load_result("read_cif")
    rates = result["files_per_s"]
    scans = load_result("scan_files")["files_over_parquet"]
    for quoted in (
        f"reads {rates['kappatune']:,} small CIFs per second",
        f"{result['over_pymatgen']} times as many as pymatgen",
        f"{rates['gemmi alone']:,} that gemmi alone",
        result["date"],
        f"{100 * rates['kappatune'] / rates['gemmi alone']:.0f} % of the",
        f"takes {scans['wall_s']['start_up_excluded']:.2f} times as long",
        f"and {scans['processor_s']['start_up_excluded']:.2f} times the processor time",
    ):
        assert quoted in text_of("docs/reading.md")


@pytest.mark.parametrize(
    ("potential", "stored"),
    [
        ("Nequix-mp-1-pft", "nequix-mp-1-pft"),
        ("SevenNet-0", "sevennet"),
        ("SevenNet-l3i5", "sevennet-l3i5"),
    ],
)
def test_verify_quotes_its_speed(potential, stored):
    result = load_result(f"verify_speed_{stored}")
    silicon, oxide = (result["crystals"][name] for name in ("Si", "MgO"))
    row = (
        f"| {potential} | {silicon['wall_with_loading_s']:.0f} s | {oxide['wall_with_loading_s']:.0f} s "
        f"| {silicon['peak_memory_gb']:.1f} and {oxide['peak_memory_gb']:.1f} GB |"
    )
    page = text_of("docs/verify.md")
    assert row in page
    assert result["date"] in page
