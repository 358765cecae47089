"""The report as a page: inline SVG and style, no script, no external resource."""

from __future__ import annotations

import math
from string import Template
from typing import Any

from kappatune.screening.reporting.figures import Axis, density, distribution, heat_map, kappa_axis
from kappatune.screening.reporting.overview import ExtremeCrystal, ReasonCount, RemarkCount, ScanOverview
from kappatune.screening.reporting.text import UNIT, counted, formula_html, harmless, kappa_text, share_text
from kappatune.storage import ASSETS


def page(overview: ScanOverview) -> str:
    """The whole page."""
    parts = [
        f"<h1>Lattice thermal conductivity of {counted(overview.n_rows, 'crystal')}</h1>",
        f'<p class="muted">at 300 K, in {UNIT}, predicted in the scan <code>{harmless(overview.name)}</code></p>',
        *_warnings(overview),
        _tiles(overview),
    ]
    if overview.n_answered:
        kappa = kappa_axis(overview)
        parts += [
            distribution(overview, kappa),
            '<div class="pair">',
            density(overview, kappa, "mean atomic mass", "u", overview.by_mass, lambda crystal: crystal.mean_mass),
            density(overview, kappa, "atoms in the cell", "", overview.by_n_atoms, lambda crystal: crystal.n_atoms),
            "</div>",
            heat_map(overview.elements),
            '<div class="pair">',
            _extremes("Lowest", overview.lowest),
            _extremes("Highest", overview.highest),
            "</div>",
        ]
    else:
        parts.append("<section><p>No crystal has an answer, so there is nothing to draw.</p></section>")
    parts += [
        _reasons("Why there is no answer", overview.unanswered, overview.n_rows - overview.n_answered),
        _reasons("Why an answer is out of domain", overview.out_of_domain, overview.n_answered - overview.n_in_domain),
        _remarks(overview.remarks),
        _about(overview),
    ]
    template = (ASSETS / "report.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=f"kappatune: {harmless(overview.name)}", body="\n".join(filter(None, parts))
    )


def _warnings(overview: ScanOverview) -> list[str]:
    found = []
    if not overview.complete:
        found.append(
            f"<b>This scan is unfinished.</b> The report covers the {counted(overview.n_rows, 'crystal')} done so far. "
            "Continue the scan with <code>kappatune screen … --resume</code>, then make the report again."
        )
    announced = overview.about.get("n_rows")
    if overview.complete and isinstance(announced, int) and announced != overview.n_rows:
        found.append(
            f"<b>Counts differ.</b> The manifest announces {counted(announced, 'crystal')}, the parts hold "
            f"{overview.n_rows:,}: parts were deleted or added after the scan."
        )
    return [f'<p class="warning">{text}</p>' for text in found]


def _tiles(overview: ScanOverview) -> str:
    tiles = [
        (f"{overview.n_rows:,}", "crystals"),
        (f"{overview.n_answered:,}", f"with an answer ({share_text(overview.n_answered, overview.n_rows)})"),
        (f"{overview.n_in_domain:,}", f"in domain ({share_text(overview.n_in_domain, overview.n_rows)})"),
        (f"{overview.n_low:,}", f"in domain below 1 {UNIT} ({share_text(overview.n_low, overview.n_rows)})"),
    ]
    if overview.median:
        tiles.append((kappa_text(overview.median.kappa), f"{UNIT}, median of all answers"))
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{b}</b><span>{t}</span></div>' for b, t in tiles)
        + "</div>"
    )


def _extremes(which: str, crystals: list[ExtremeCrystal]) -> str:
    title = f"<h2>{which} κ in domain</h2>"
    if not crystals:
        return f"<section>{title}<p>No crystal is in domain.</p></section>"
    ends = [
        math.log10(v)
        for crystal in crystals
        for v in (crystal.kappa, crystal.lower, crystal.upper)
        if v is not None and math.isfinite(v) and v > 0
    ]
    scale = Axis("", min(ends), max(*ends, min(ends) + 0.1), [])
    rows = "".join(_extreme(crystal, scale) for crystal in crystals)
    return (
        f'<section>{title}<p class="note">Each structure once. The interval is the model\'s: it should contain 90 % of '
        "values if the model's card has a calibration for the rung; otherwise it is the spread of the members. Trained "
        "on: rungs whose training data contain the formula.</p>"
        f'<table><thead><tr><th>crystal</th><th class="number">κ,<br>{UNIT}</th>'
        f'<th class="number">interval,<br>{UNIT}</th><th class="span">log scale</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _extreme(crystal: ExtremeCrystal, scale: Axis) -> str:
    lower, upper = crystal.lower, crystal.upper
    interval, bar = "–", ""
    if lower is not None and upper is not None and 0 < lower <= upper < math.inf:
        interval = f"{kappa_text(lower)} to {kappa_text(upper)}"
        left, right = (100 * scale(math.log10(v)) for v in (lower, upper))
        bar = f'<i style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
    bar += f'<b style="left:{100 * scale(math.log10(crystal.kappa)):.1f}%"></b>'
    known = ", ".join(harmless(rung, 30) for rung in crystal.known_rungs or [])
    notes = [harmless(crystal.id)]
    if crystal.n_atoms is not None:
        notes.append(counted(crystal.n_atoms, "atom"))
    if known:
        notes.append(f"trained on: {known}")
    notes += [harmless(remark.partition(":")[0]) for remark in crystal.remarks or []]
    return (
        f"<tr><td>{formula_html(crystal.formula)}<small>{' · '.join(notes)}</small></td>"
        f'<td class="number">{kappa_text(crystal.kappa)}</td>'
        f'<td class="number">{interval}</td><td class="span"><div>{bar}</div></td></tr>'
    )


def _reasons(title: str, reasons: list[ReasonCount], total: int) -> str:
    if not reasons:
        return ""
    rows = "".join(
        f'<tr><td class="number">{reason.n:,}</td><td>{harmless(reason.reason, 320) or "other reasons"}'
        + (f"<small>for example {harmless(reason.example)}</small>" if reason.reason else "")
        + "</td></tr>"
        for reason in reasons
    )
    return (
        f'<section><h2>{title}</h2><p class="note">{counted(total, "crystal")}; … stands for text that differs '
        "between them."
        '</p><table><thead><tr><th class="number">crystals</th><th>reason</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _remarks(remarks: list[RemarkCount]) -> str:
    if not remarks:
        return ""
    rows = "".join(
        f'<tr><td class="number">{one.n:,}</td><td>{harmless(one.remark, 320)}'
        f"<small>for example {harmless(one.example)}</small></td></tr>"
        for one in remarks
    )
    return (
        "<section><h2>What the numbers do not say</h2>"
        '<p class="note">Crystals with an answer, by kind of remark; the words are those of the example.</p>'
        '<table><thead><tr><th class="number">crystals</th><th>remark</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _about(overview: ScanOverview) -> str:
    about = overview.about
    versions: Any = about.get("versions")
    shown = {
        "model": about.get("model"),
        "its weights (SHA-256)": about.get("model_sha256"),
        "predicted rung": about.get("fidelity"),
        "finished": about.get("created") if overview.complete else "not yet",
        "command": " ".join(map(str, command)) if isinstance(command := about.get("command"), list) else command,
        "versions": ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, dict) else versions,
    }
    rows = "".join(f"<dt>{name}</dt><dd>{harmless(value, 2000)}</dd>" for name, value in shown.items() if value)
    return (
        f"<section><h2>How this was made</h2><dl>{rows}</dl>"
        '<p class="note" style="margin-top:14px">κ is the geometric mean over the ensemble\'s members. In domain means '
        "that the crystal is similar to those the model was trained on; a value out of domain is an extrapolation. "
        "Figures count every row of the scan, including repeated structures; the outermost bins also count values "
        "beyond them.</p></section>"
    )
