"""Figures of a report as inline SVG and HTML.

A figure is stretched to the available width, while lines and points keep theirs. Its labels are HTML around it, so they
stay readable on a narrow screen.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple
from zlib import crc32

from kappatune.screening.reporting.overview import (
    STEPS_PER_DECADE,
    DensityCell,
    ElementMedian,
    SampleCrystal,
    ScanOverview,
)
from kappatune.screening.reporting.text import UNIT, counted, harmless, kappa_text, short

_SIDE = 1000
_COLUMNS = 50
_DECADE_TICKS = (1, 2, 5)
_CELL_LEVELS = tuple(k * 10**decade for decade in range(9) for k in (1, 3))
_MAX_LEVELS = 6
_VIRIDIS = ("440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725")
_PERIODIC_TABLE = """
H  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  He
Li Be .  .  .  .  .  .  .  .  .  .  B  C  N  O  F  Ne
Na Mg .  .  .  .  .  .  .  .  .  .  Al Si P  S  Cl Ar
K  Ca Sc Ti V  Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
Rb Sr Y  Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I  Xe
Cs Ba .  Hf Ta W  Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn
Fr Ra .  Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
.
.  .  La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu .
.  .  Ac Th Pa U  Np Pu Am Cm Bk Cf Es Fm Md No Lr .
"""


Property = Callable[[SampleCrystal], float | None]


class Axis(NamedTuple):
    """An axis of a figure; positions are what is drawn, for a log axis the logarithm.

    Attributes:
        label: Quantity and unit.
        low: Position of its beginning.
        high: Position of its end.
        ticks: Position, text, and whether narrow screens may leave it out.
    """

    label: str
    low: float
    high: float
    ticks: list[tuple[float, str, bool]]

    def __call__(self, position: float) -> float:
        """Fraction of the axis, 0 to 1."""
        return min(max((position - self.low) / (self.high - self.low), 0.0), 1.0)


def _log_ticks(low: float, high: float) -> list[tuple[float, str, bool]]:
    ticks = [
        (math.log10(k * 10.0**decade), f"{k * 10.0**decade:g}", k != 1)
        for decade in range(math.floor(low), math.ceil(high) + 1)
        for k in (_DECADE_TICKS if high - low <= 4 else (1,))
    ]
    return [tick for tick in ticks if low - 1e-9 <= tick[0] <= high + 1e-9]


def kappa_axis(overview: ScanOverview) -> Axis:
    """Logarithmic axis of kappa that holds all bins, in halves of a decade."""
    low = math.floor(overview.bins[0].step / STEPS_PER_DECADE * 2) / 2
    high = math.ceil((overview.bins[-1].step + 1) / STEPS_PER_DECADE * 2) / 2
    return Axis(f"κ, {UNIT}", low, high, _log_ticks(low, high))


def _linear_ticks(high: float) -> list[tuple[float, str, bool]]:
    step = next(s * 10.0**d for d in range(-2, 9) for s in _DECADE_TICKS if high / (s * 10.0**d) <= 5)
    return [(k * step, f"{k * step:,.0f}", False) for k in range(math.floor(high / step + 1e-9) + 1)]


def _plot(x: Axis, y: Axis, marks: str, description: str) -> str:
    lines = "".join(f"M{short(x(at) * _SIDE)} 0v{_SIDE}" for at, _, _ in x.ticks)
    lines += "".join(f"M0 {short((1 - y(at)) * _SIDE)}h{_SIDE}" for at, _, _ in y.ticks)
    labels = [
        f'<span class="{name}{" minor" if minor else ""}" style="{side}:{100 * axis(at):.2f}%">{text}</span>'
        for name, side, axis in (("x", "left", x), ("y", "bottom", y))
        for at, text, minor in axis.ticks
    ]
    return (
        f'<div class="plot"><svg viewBox="0 0 {_SIDE} {_SIDE}" preserveAspectRatio="none" role="img" '
        f'aria-label="{description}"><path class="grid" d="{lines}"/>{marks}</svg>'
        f'{"".join(labels)}<span class="xl">{x.label}</span><span class="yl">{y.label}</span></div>'
    )


def _box(x0: float, x1: float, y0: float, y1: float) -> str:
    """Path of a rectangle between fractions of the axes."""
    left, width = x0 * _SIDE, (x1 - x0) * _SIDE
    return f"M{short(left)} {short((1 - y1) * _SIDE)}h{short(width)}v{short((y1 - y0) * _SIDE)}h{short(-width)}z"


def distribution(overview: ScanOverview, kappa: Axis) -> str:
    """Histogram of kappa."""
    width = next(w for w, most in ((4, 200), (2, 5_000), (1, math.inf)) if overview.n_answered < most)
    bars: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for bin_ in overview.bins:
        bar = bars[bin_.step // width]
        bar[0] += bin_.in_domain
        bar[1] += bin_.other
    tallest = max(map(sum, bars.values()))
    y = Axis("crystals per bin", 0, tallest * 1.05, [t for t in _linear_ticks(tallest) if t[0] == int(t[0])])
    marks = []
    for index, (inside, other) in sorted(bars.items()):
        x0, x1 = (kappa((index + k) * width / STEPS_PER_DECADE) for k in (0.0, 1.0))
        ends = [kappa_text(10 ** ((index + k) * width / STEPS_PER_DECADE)) for k in (0, 1)]
        title = f"<title>{ends[0]} to {ends[1]} {UNIT}: {inside:,} in domain, {other:,} not</title>"
        gap = (x1 - x0) * 0.06
        boxes = [
            f'<path class="{name}" d="{_box(x0 + gap, x1 - gap, y(bottom), y(top))}"/>'
            for name, bottom, top in (("bar-in", 0, inside), ("bar-other", inside, inside + other))
            if top > bottom
        ]
        marks.append(f"<g>{title}{''.join(boxes)}</g>")
    return (
        f"<section><h2>Distribution of κ</h2>{_plot(kappa, y, ''.join(marks), 'histogram of kappa')}"
        '<p class="legend"><span><i style="background:var(--accent)"></i>in domain</span>'
        '<span><i style="background:var(--other)"></i>out of domain</span></p></section>'
    )


def density(
    overview: ScanOverview,
    kappa: Axis,
    name: str,
    unit: str,
    cells: list[DensityCell],
    x_of: Property,
) -> str:
    """Kappa over a property: all crystals counted in boxes, and the sample as points.

    Args:
        overview: The scan.
        kappa: Axis of kappa.
        name: The property.
        unit: Its unit; without one it is a whole number on a logarithmic axis.
        cells: The counts.
        x_of: The property of a crystal.
    """
    title = f"<h2>κ against {name}</h2>"
    if not cells:
        return f"<section>{title}<p>No crystal has this property.</p></section>"
    logarithmic = not unit
    x, edges = (_counts_axis if logarithmic else _mass_axis)(cells, name, unit)
    n_drawn = sum(cell.n for cell in cells)
    crowded = n_drawn > len(overview.sample)
    marks, legend = _shaded(cells, x, edges, kappa, logarithmic) if crowded else ("", "")
    marks += f'<g class="points{" over" if crowded else ""}">{_dots(overview.sample, x, kappa, x_of, logarithmic)}</g>'
    dots = f"{len(overview.sample):,} of {n_drawn:,} crystals, chosen by a hash of the id" if crowded else "in domain"
    colour = "point" if crowded else "accent"
    return (
        f"<section>{title}{_plot(x, kappa, marks, f'kappa against {name}')}"
        f'<p class="legend">{legend}<span><i class="dot" style="background:var(--{colour})"></i>{dots}'
        f'</span><span><i class="dot" style="background:var(--other)"></i>out of domain</span></p></section>'
    )


def _mass_axis(cells: list[DensityCell], name: str, unit: str) -> tuple[Axis, list[float]]:
    """Axis of a mass, and the left edges of its columns."""
    high = max(10, max(cell.x for cell in cells) + 1)
    step = math.ceil(high / _COLUMNS)
    high = math.ceil(high / step) * step
    return Axis(f"{name}, {unit}", 0, high, _linear_ticks(high)), [float(k) for k in range(0, high + 1, step)]


def _counts_axis(cells: list[DensityCell], name: str, _: str) -> tuple[Axis, list[float]]:
    """Logarithmic axis of a whole number, and the left edges of its columns, between whole numbers."""
    most = max(8, *(cell.x for cell in cells))
    edges = [0.5]
    while edges[-1] <= most:
        edges.append(max(edges[-1] + 1, math.floor(edges[-1] * 1.1) + 0.5))
    low, high = math.log10(edges[0]), math.log10(edges[-1])
    return Axis(name, low, high, _log_ticks(low + 1e-6, high)), edges


def _shaded(cells: list[DensityCell], x: Axis, edges: list[float], kappa: Axis, logarithmic: bool) -> tuple[str, str]:
    """Boxes shaded by how many crystals they hold, and their legend."""
    counts: defaultdict[tuple[int, int], int] = defaultdict(int)
    for cell in cells:
        counts[min(bisect_right(edges, cell.x) - 1, len(edges) - 2), cell.step // 2] += cell.n
    levels = [level for level in _CELL_LEVELS if level <= max(counts.values())]
    if len(levels) > _MAX_LEVELS:
        levels = levels[::2]
    shades = [0.1 + 0.75 * k / max(len(levels) - 1, 1) for k in range(len(levels))]
    boxes: defaultdict[int, list[str]] = defaultdict(list)
    for (column, row), count in sorted(counts.items()):
        x0, x1 = (x(math.log10(edge) if logarithmic else edge) for edge in edges[column : column + 2])
        y0, y1 = (kappa((row + k) * 2 / STEPS_PER_DECADE) for k in (0, 1))
        boxes[bisect_right(levels, count) - 1].append(_box(x0, x1, y0, y1))
    marks = "".join(
        f'<path class="cell" fill-opacity="{shades[k]:.2f}" d="{"".join(paths)}"/>'
        for k, paths in sorted(boxes.items())
    )
    swatches = "".join(
        f'<span><i style="background:var(--accent);opacity:{shade:.2f}"></i>{level:,}</span>'
        for level, shade in zip(levels, shades, strict=True)
    )
    return marks, f"<span>crystals per box, from</span>{swatches}"


def _dots(
    sample: Iterable[SampleCrystal],
    x: Axis,
    kappa: Axis,
    x_of: Property,
    logarithmic: bool,
) -> str:
    """Points with their names; on an axis of whole numbers they are shifted a little sideways."""
    dots = []
    for crystal in sample:
        value = x_of(crystal)
        if value is None or not math.isfinite(value):
            continue
        shift = (crc32(str(crystal.id).encode()) / 2**32 - 0.5) * 0.6
        at = x(math.log10(max(value, 1) + shift) if logarithmic else value)
        title = f"{harmless(crystal.formula)} ({harmless(crystal.id, 60)}): {kappa_text(crystal.kappa)} {UNIT}"
        kind = "" if crystal.in_domain else ' class="out"'
        where = f"M{short(at * _SIDE)} {short((1 - kappa(math.log10(crystal.kappa))) * _SIDE)}h0"
        dots.append(f'<path{kind} d="{where}"><title>{title}</title></path>')
    return "".join(dots)


def _colour(fraction: float) -> tuple[str, str]:
    """Viridis, and whether it is `light` or `dark`."""
    place = fraction * (len(_VIRIDIS) - 1)
    k = min(int(place), len(_VIRIDIS) - 2)
    ends = [[int(_VIRIDIS[j][i : i + 2], 16) for i in (0, 2, 4)] for j in (k, k + 1)]
    mixed = [a + (b - a) * (place - k) for a, b in zip(*ends, strict=True)]
    linear = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in mixed]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#" + "".join(f"{round(c):02x}" for c in mixed), "light" if luminance > 0.18 else "dark"


def heat_map(elements: dict[str, ElementMedian]) -> str:
    """Periodic table coloured by the median of the crystals with each element."""
    places = {
        symbol: (row, column)
        for row, line in enumerate(_PERIODIC_TABLE.strip().splitlines(), 1)
        for column, symbol in enumerate(line.split(), 1)
        if symbol != "."
    }
    values = sorted(math.log10(median.kappa) for median in elements.values()) or [0.0]
    beyond = len(values) // 20  # a few elements with few crystals must not stretch the scale
    low, high = values[beyond], max(values[-1 - beyond], values[beyond] + 0.1)
    cells = []
    for symbol, (row, column) in places.items():
        median = elements.get(symbol)
        style, name, value, tip = f"grid-area:{row}/{column}", "", "", f"{symbol}: no crystal with an answer"
        if median:
            colour, name = _colour(min(max((math.log10(median.kappa) - low) / (high - low), 0.0), 1.0))
            style += f";background:{colour}"
            name += "" if median.in_domain else " outside"
            value = f"<small>{kappa_text(median.kappa)}</small>"
            tip = (
                f"{symbol}: median {kappa_text(median.kappa)} {UNIT}\n"
                f"{counted(median.n, 'crystal')}, {median.in_domain:,} in domain"
            )
        cells.append(
            f'<span class="{name}" style="{style}" tabindex="0" data-tip="{tip}" aria-label="{tip}">'
            f"{symbol}{value}</span>"
        )
    gradient = ",".join(_colour(k / 10)[0] for k in range(11))
    marks = [low, (low + high) / 2, high]
    signs = ("≤ ", "", "≥ ") if beyond else ("", "", "")
    ticks = "".join(
        f'<span style="left:{50 * k}%">{signs[k]}{kappa_text(10**mark)}{f" {UNIT}" if k == 2 else ""}</span>'
        for k, mark in enumerate(marks)
    )
    return (
        "<section><h2>Median κ of the crystals with each element</h2>"
        f'<p class="note">All crystals with an answer, in {UNIT}. Point at an element, or tap it, for its count. Grey: '
        "no crystal. Dotted line: none in domain.</p>"
        f'<div class="elements">{"".join(cells)}</div>'
        f'<div class="scale" style="background:linear-gradient(90deg,{gradient})"></div>'
        f'<div class="scale-ticks">{ticks}</div></section>'
    )
