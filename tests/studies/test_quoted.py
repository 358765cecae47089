"""What hand-written pages quote is what is stored."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from studies.phonix.evaluations import ALL_SETS
from studies.phonix.labels import PHONIX_SET
from studies.phonix.results import PhonixResults
from studies.phonons.born_charges import BORN_CHARGES, BornEffect
from studies.store import RecordFile, load_result
from studies.transfer.finetune_coverage import SAMPLE, UNTAUGHT

ROOT = Path(__file__).parents[2]


def text_of(page: str) -> str:
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


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
        f"{theirs['accurate']['spearman']:.2f} for `accurate` of version 0.1",
        f"two workers scan {round(scan['ten_atom_cells_per_s'], -2):.0f} cells of ten atoms per second",
    ):
        assert quoted in readme


def test_readme_quotes_the_accuracy_of_the_shipped_models():
    found = {p: PhonixResults.read().metrics("accurate dft", p, PHONIX_SET) for p in ("formula", "prototype", "anion")}
    of_all = PhonixResults.read().metrics("accurate dft", "formula", ALL_SETS)
    unlike = PhonixResults.read().metrics("accurate dft", "tetrahedral", ALL_SETS)
    noise = load_result("labels")["agreement"]["L96, Phonix"]["mean_abs_log10"]
    readme = text_of("README.md")
    for quoted in (
        f"is {found['formula'].mean_abs_log10:.3f} where no stage had seen the formula",
        f"differ by {noise:.2f} there",
        f"{found['prototype'].mean_abs_log10:.3f} where none had seen the prototype",
        f"{found['anion'].mean_abs_log10:.3f} where none had seen the anion",
        f"hold {100 * of_all.intervals.coverage:.0f} % of new formulas",
        f"predicted lowest, {found['formula'].below_1_of_100_lowest} are below 1 W/(m K)",
        f"come out {10**-unlike.bias_log10:.0f} times too low",
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


def test_architecture_quotes_intervals_after_fine_tuning():
    page = text_of("docs/architecture.md")
    result = load_result("finetune_coverage")
    assert result["date"] in page
    tables = {"half-Heuslers": "20 measured half-Heuslers", "semi-empirical": f"{SAMPLE} semi-empirical values"}
    for case in result["cases"]:
        name = case["model"].removesuffix(UNTAUGHT)
        model = f"`{name}` without measured values" if case["model"].endswith(UNTAUGHT) else f"`{name}`"
        before, after = case["start"], case["tuned"]
        row = (
            f"| {model} | {tables.get(case['table'], case['table'])} | {case['n_asked']} "
            f"| {100 * before['held']:.0f} %, {100 * after['held']:.0f} % "
            f"| {before['mean_abs_ln_error']:.2f}, {after['mean_abs_ln_error']:.2f} "
            f"| {before['median_factor']:.1f}, {after['median_factor']:.1f} |"
        )
        assert row in page


def test_the_page_on_verify_quotes_what_born_charges_do():
    page = text_of("docs/verify.md")
    records = RecordFile(BORN_CHARGES).read(BornEffect)
    assert len({record.crystal for record in records}) >= 5
    for record in records:
        assert born_row(record) in page
    larger = [record for record in records if record.harmonic_atoms > 80]
    changes = {record.crystal: 100 * record.change for record in records if record.change and record not in larger}
    largest = max(changes, key=lambda crystal: abs(changes[crystal]))
    assert (
        f"by {median(map(abs, changes.values())):.1f} % in the median of {len(changes)} crystals and "
        f"{abs(changes[largest]):.1f} % at most ({largest})"
    ) in page
    others = max(abs(change) for crystal, change in changes.items() if crystal != largest)
    assert f"in the others by no more than {others:.1f} %" in page
    assert max(record.date for record in records) in page


def born_row(record: BornEffect) -> str:
    def number(value: float | None, digits: str) -> str:
        return "–" if value is None else format(value, digits).rstrip(".")

    change = "imaginary modes without" if record.change is None else f"{100 * record.change:+.1f} %"
    larger = ", 120 atoms for second order" if record.harmonic_atoms > 80 else ""
    cells = (
        record.crystal + larger,
        number(record.kappa_without_w_mk, "#.3g"),
        number(record.kappa_with_w_mk, "#.3g"),
        change.replace("-", "−"),
        number(record.highest_at_gamma_without_thz, ".1f"),
        number(record.highest_at_gamma_with_thz, ".1f"),
    )
    return f"| {' | '.join(cells)} |"
