"""The report as a page: inline SVG and style, no script, nothing from elsewhere."""

from __future__ import annotations

import math
from importlib.resources import files
from string import Template
from typing import Any

from kappatune.screening.reporting.figures import Axis, density, distribution, heat_map, kappa_axis
from kappatune.screening.reporting.overview import Candidate, Group, ScanOverview
from kappatune.screening.reporting.text import UNIT, counted, formula_html, harmless, kappa_text, share_text


def page(look: ScanOverview) -> str:
    """The whole page."""
    parts = [
        f"<h1>Lattice thermal conductivity of {counted(look.n_rows, 'crystal')}</h1>",
        f'<p class="muted">at 300 K, in {UNIT}, predicted in the scan <code>{harmless(look.name)}</code></p>',
        *_warnings(look),
        _tiles(look),
    ]
    if look.n_answered:
        kappa = kappa_axis(look)
        parts += [
            distribution(look, kappa),
            '<div class="pair">',
            density(look, kappa, "mean atomic mass", "u", look.by_mass, lambda point: point.mean_mass),
            density(look, kappa, "atoms in the cell", "", look.by_n_atoms, lambda point: point.n_atoms),
            "</div>",
            heat_map(look.elements),
            '<div class="pair">',
            _candidates("Lowest", look.lowest),
            _candidates("Highest", look.highest),
            "</div>",
        ]
    else:
        parts.append("<section><p>No crystal has an answer, so there is nothing to draw.</p></section>")
    parts += [
        _reasons("Why there is no answer", look.unanswered, look.n_rows - look.n_answered),
        _reasons("Why an answer is out of domain", look.out_of_domain, look.n_answered - look.n_in_domain),
        _about(look),
    ]
    template = files("kappatune").joinpath("assets/report.html").read_text(encoding="utf-8")
    return Template(template).substitute(title=f"kappatune: {harmless(look.name)}", body="\n".join(filter(None, parts)))


def _warnings(look: ScanOverview) -> list[str]:
    found = []
    if not look.complete:
        found.append(
            f"<b>This scan is unfinished.</b> What follows covers the {counted(look.n_rows, 'crystal')} done so far. "
            "Continue it with <code>kappatune screen … --resume</code>, then make the report again."
        )
    announced = look.about.get("n_rows")
    if look.complete and isinstance(announced, int) and announced != look.n_rows:
        found.append(
            f"<b>Counts differ.</b> The manifest announces {counted(announced, 'crystal')}, the parts hold "
            f"{look.n_rows:,}: parts were lost or added after the scan."
        )
    return [f'<p class="warning">{text}</p>' for text in found]


def _tiles(look: ScanOverview) -> str:
    tiles = [
        (f"{look.n_rows:,}", "crystals"),
        (f"{look.n_answered:,}", f"with an answer ({share_text(look.n_answered, look.n_rows)})"),
        (f"{look.n_in_domain:,}", f"in domain ({share_text(look.n_in_domain, look.n_rows)})"),
        (f"{look.n_low:,}", f"in domain below 1 {UNIT} ({share_text(look.n_low, look.n_rows)})"),
    ]
    if look.median:
        tiles.append((kappa_text(look.median.kappa), f"{UNIT}, median of all answers"))
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{b}</b><span>{t}</span></div>' for b, t in tiles)
        + "</div>"
    )


def _candidates(which: str, candidates: list[Candidate]) -> str:
    title = f"<h2>{which} κ in domain</h2>"
    if not candidates:
        return f"<section>{title}<p>No crystal is in domain.</p></section>"
    ends = [
        math.log10(v)
        for candidate in candidates
        for v in (candidate.kappa, candidate.lower, candidate.upper)
        if v is not None and math.isfinite(v) and v > 0
    ]
    scale = Axis("", min(ends), max(max(ends), min(ends) + 0.1), [])
    rows = "".join(_candidate(candidate, scale) for candidate in candidates)
    return (
        f'<section>{title}<p class="note">Each structure once. The interval is the model\'s: meant to hold 90 % of '
        "values where the model's card has a calibration for the rung, otherwise the spread of its members. Trained "
        "on: rungs at which the model learnt from a crystal of this formula.</p>"
        f'<table><thead><tr><th>crystal</th><th class="number">κ,<br>{UNIT}</th>'
        f'<th class="number">interval,<br>{UNIT}</th><th class="span">log scale</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _candidate(candidate: Candidate, scale: Axis) -> str:
    lower, upper = candidate.lower, candidate.upper
    interval, bar = "–", ""
    if lower is not None and upper is not None and 0 < lower <= upper < math.inf:
        interval = f"{kappa_text(lower)} to {kappa_text(upper)}"
        left, right = (100 * scale(math.log10(v)) for v in (lower, upper))
        bar = f'<i style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
    bar += f'<b style="left:{100 * scale(math.log10(candidate.kappa)):.1f}%"></b>'
    known = ", ".join(harmless(rung, 30) for rung in candidate.known_rungs or [])
    notes = [harmless(candidate.id)]
    if candidate.n_atoms is not None:
        notes.append(counted(candidate.n_atoms, "atom"))
    if known:
        notes.append(f"trained on: {known}")
    return (
        f"<tr><td>{formula_html(candidate.formula)}<small>{' · '.join(notes)}</small></td>"
        f'<td class="number">{kappa_text(candidate.kappa)}</td>'
        f'<td class="number">{interval}</td><td class="span"><div>{bar}</div></td></tr>'
    )


def _reasons(title: str, groups: list[Group], total: int) -> str:
    if not groups:
        return ""
    rows = "".join(
        f'<tr><td class="number">{group.n:,}</td><td>{harmless(group.reason, 320) or "other reasons"}'
        + (f"<small>for example {harmless(group.example)}</small>" if group.reason else "")
        + "</td></tr>"
        for group in groups
    )
    return (
        f'<section><h2>{title}</h2><p class="note">{counted(total, "crystal")}; … stands for what differs between them.'
        '</p><table><thead><tr><th class="number">crystals</th><th>reason</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _about(look: ScanOverview) -> str:
    about = look.about
    versions: Any = about.get("versions")
    shown = {
        "model": about.get("model"),
        "its weights (SHA-256)": about.get("model_sha256"),
        "value asked for": about.get("fidelity"),
        "finished": about.get("created") if look.complete else "not yet",
        "command": " ".join(map(str, command)) if isinstance(command := about.get("command"), list) else command,
        "versions": ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, dict) else versions,
    }
    rows = "".join(f"<dt>{name}</dt><dd>{harmless(value, 2000)}</dd>" for name, value in shown.items() if value)
    return (
        f"<section><h2>How this was made</h2><dl>{rows}</dl>"
        '<p class="note" style="margin-top:14px">κ is the geometric mean over the ensemble\'s members. In domain means '
        "that the crystal resembles what the model was trained on; a value out of domain is an extrapolation. "
        "Figures count every row of the scan, structures that occur twice as two; the outermost bins also hold what "
        "lies beyond them.</p></section>"
    )
