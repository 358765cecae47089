// Curves as SVG, drawn to fit the width, that can be read off with the pointer.

import { canvas, decade, extent, logTicks, scale, steps } from "./axes.js";
import { h, number, s } from "./dom.js";

const LEFT = 58, RIGHT = 18, TOP = 30, BOTTOM = 44;
const TICK_APART = { x: 46, y: 26 }, LETTER = 8;
const NOTHING_YET = 1e-3;

function rangeOf(values, { log, from, to, pad = 0.06 }) {
  const [least, most] = extent(values.filter((v) => Number.isFinite(v) && (!log || v > 0)));
  let [low, high] = [from ?? least, to ?? most];
  if (low === high) { low = log ? low / 2 : low - 1; high = log ? high * 2 : high + 1; }
  if (log) return [from ?? low / 1.12, to ?? high * 1.12];
  const more = (high - low) * pad;
  return [from ?? low - more, to ?? high + more];
}

// `place(v)` is where a value is drawn, `least` the pixels that two labels are apart.
function ticksOf([low, high], log, n, place, least) {
  if (!log) return steps(low, high, n);
  const all = high / low > 5000 ? logTicks(low, high).filter((v) => Number.isInteger(Math.round(Math.log10(v) * 1e6) / 1e6)) : logTicks(low, high);
  let last = Infinity;
  return all.filter((v) => { const at = place(v); const keep = Math.abs(last - at) > least; if (keep) last = at; return keep; });
}

const label = (v, log) => (log && (v >= 1e4 || v < 1e-3) ? decade(Math.round(Math.log10(v))) : number(v));

function legend(lines) {
  if (lines.length < 2) return null;
  return h("ul", { class: "keys" }, lines.map((line) => h("li", {}, h("i", { class: line.joined === false ? `round ${line.kind}` : line.kind, "aria-hidden": "true" }), line.name)));
}

// What the pointer reads: of each line the point nearest in x.
function reader(svg, plot, lines, said, x, y) {
  const guide = s("line", { class: "guide", y1: plot.top, y2: plot.base, visibility: "hidden" });
  const text = s("text", { class: "reading", x: plot.right, y: plot.top - 12, "text-anchor": "end" });
  const dots = lines.map((line) => s("circle", { class: `dot ${line.kind}`, r: 4, visibility: "hidden" }));
  const cover = s("rect", { class: "cover", x: plot.left, y: plot.top, width: plot.right - plot.left, height: plot.base - plot.top });
  const clear = () => { for (const one of [guide, ...dots]) one.setAttribute("visibility", "hidden"); text.textContent = ""; };
  cover.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * plot.width;
    const found = lines.map((line) => line.points.reduce((best, p) => (!best || Math.abs(x(p[0]) - at) < Math.abs(x(best[0]) - at) ? p : best), null));
    const nearest = found.reduce((best, p) => (p && (!best || Math.abs(x(p[0]) - at) < Math.abs(x(best[0]) - at)) ? p : best), null);
    if (!nearest) return;
    const px = x(nearest[0]);
    guide.setAttribute("x1", px); guide.setAttribute("x2", px); guide.setAttribute("visibility", "visible");
    const near = found.map((p) => p && Math.abs(x(p[0]) - px) < 12 && p);
    dots.forEach((one, k) => {
      one.setAttribute("visibility", near[k] ? "visible" : "hidden");
      if (near[k]) { one.setAttribute("cx", x(near[k][0])); one.setAttribute("cy", y(near[k][1])); }
    });
    text.textContent = said(nearest[0], near);
  });
  cover.addEventListener("pointerleave", clear);
  svg.append(guide, ...dots, cover, text);
}

// A figure of one or more curves.
//
// `lines` have a `name`, a `kind` (the class that gives the colour) and `points`, pairs of x and y; with `joined: false`
// they are dots. `xAxis` and `yAxis` have a `title`, and may have `log`, `from` and `to`. `band` has the points of its
// lower and upper end, `marks` are points with a range, `veil` is a range of x where nothing is said.
export function curveFigure(width, { title, lines, xAxis, yAxis, band, marks = [], veil, vertical, xLabels, height = 250, said }) {
  const plot = { width, left: LEFT, right: width - RIGHT, top: TOP, base: height - BOTTOM };
  const xs = [...lines.flatMap((line) => line.points.map((p) => p[0])), ...marks.map((m) => m.x)];
  const ys = [...lines.flatMap((line) => line.points.map((p) => p[1])), ...(band ? [...band.lower, ...band.upper].map((p) => p[1]) : []),
    ...marks.flatMap((m) => [m.y, m.lower, m.upper])].filter((v) => v !== null && v !== undefined);
  const [xr, yr] = [rangeOf(xs, { pad: 0, ...xAxis }), rangeOf(ys, yAxis)];
  const x = scale(xr[0], xr[1], plot.left, plot.right, xAxis.log), y = scale(yr[0], yr[1], plot.base, plot.top, yAxis.log);
  const path = (points) => points.map((p) => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`);
  const xTicks = xLabels ? [] : ticksOf(xr, xAxis.log, width > 420 ? 6 : 4, x, TICK_APART.x);
  const svg = canvas(width, height, title,
    veil && s("rect", { class: "veil", x: x(veil[0]), width: Math.max(x(Math.min(veil[1], xr[1])) - x(veil[0]), 0), y: plot.top, height: plot.base - plot.top }),
    ticksOf(yr, yAxis.log, 5, y, TICK_APART.y).map((v) => [s("line", { class: "tick", x1: plot.left, x2: plot.right, y1: y(v), y2: y(v) }), s("text", { x: plot.left - 7, y: y(v) + 4, "text-anchor": "end" }, label(v, yAxis.log))]),
    xTicks.map((v) => [s("line", { class: "axis", x1: x(v), x2: x(v), y1: plot.base, y2: plot.base + 5 }), s("text", { x: x(v), y: plot.base + 19, "text-anchor": "middle" }, label(v, xAxis.log))]),
    xLabels && named(xLabels, x).map(({ at, text, line }) => [s("line", { class: "tick", x1: at, x2: at, y1: plot.top, y2: plot.base }), s("text", { x: at, y: plot.base + 19 + line * 15, "text-anchor": "middle" }, text)]),
    vertical && s("line", { class: "ideal", x1: x(vertical), x2: x(vertical), y1: plot.top, y2: plot.base }),
    s("line", { class: "axis", x1: plot.left, x2: plot.right, y1: plot.base, y2: plot.base }),
    yr[0] < 0 && yr[1] > 0 && s("line", { class: "axis", x1: plot.left, x2: plot.right, y1: y(0), y2: y(0) }),
    band && s("polygon", { class: "band", points: [...path(band.lower), ...path(band.upper).reverse()].join(" ") }),
    lines.map((line) => (line.joined === false
      ? line.points.map((p) => s("circle", { class: `dot ${line.kind}`, cx: x(p[0]), cy: y(p[1]), r: 3.5 }))
      : pieces(line.points).map((some) => s("polyline", { class: `line ${line.kind}`, points: path(some).join(" ") })))),
    marks.map((m) => [m.lower && s("line", { class: `range ${m.kind}`, x1: x(m.x), x2: x(m.x), y1: y(m.lower), y2: y(m.upper) }), s("circle", { class: `dot ${m.kind}`, cx: x(m.x), cy: y(m.y), r: 5 })]),
    s("text", { x: plot.right, y: plot.base + 37, "text-anchor": "end" }, xAxis.title), s("text", { x: 2, y: plot.top - 12 }, yAxis.title));
  reader(svg, plot, lines.filter((line) => line.readable !== false), said, x, y);
  return h("figure", {}, svg, legend(lines.filter((line) => line.name)));
}

// Names of points, each beside the last one or, where there is no room, below it.
function named(labels, x) {
  const ends = [-Infinity, -Infinity];
  return labels.map(([value, text]) => {
    const at = x(value), half = (text.length * LETTER) / 2 + 2;
    const line = at - half > ends[0] || ends[1] > ends[0] ? 0 : 1;
    ends[line] = at + half;
    return { at, text, line };
  });
}

// A path is broken where x stays, as between two pieces of a band structure.
function pieces(points) {
  const found = [[]];
  points.forEach((p, k) => {
    if (k && p[0] === points[k - 1][0]) found.push([]);
    found.at(-1).push(p);
  });
  return found;
}

const paired = (xs, ys) => xs.map((v, k) => [v, ys[k]]).filter((p) => Number.isFinite(p[1]));

// Kappa over temperature, from where 1/T holds, beside what was computed.
export function overTemperature(width, answer, computed = []) {
  const { curve, row_300k: cold, row, classical_from_k: begin } = answer;
  const at = (key) => curve.map((p) => [p.temperature_k, p[key]]);
  const lines = [{ name: "predicted", kind: "first", points: at("kappa_w_mk") },
    ...computed.map((one, k) => ({ name: one.name, kind: ["second", "third"][k % 2], points: paired(one.temperature_k, one.kappa_w_mk).filter((p) => p[0] >= 100 && p[1] > 0) }))];
  const mark = (r, kind) => ({ x: r.temperature_k, y: r.kappa_w_mk, lower: r.lower_w_mk, upper: r.upper_w_mk, kind });
  const elsewhere = row.temperature_k !== 300 && row.kappa_w_mk && (!begin || row.temperature_k >= begin);
  return curveFigure(width, {
    title: begin ? `κ falls as 1/T from ${Math.round(begin)} K up` : "κ at 300 K",
    lines, band: curve.length && curve[0].lower_w_mk ? { lower: at("lower_w_mk"), upper: at("upper_w_mk") } : null,
    marks: [mark(cold, "first"), ...(elsewhere ? [mark(row, "out")] : [])],
    veil: begin > 100 ? [100, begin] : null,
    xAxis: { title: "temperature, K", from: 100, to: Math.max(1000, row.temperature_k) }, yAxis: { title: "κ, W/(m K)", log: true },
    said: (t, found) => {
      const p = curve.find((one) => one.temperature_k === found[0]?.[0]);
      const range = p?.lower_w_mk && found.filter(Boolean).length === 1 ? ` (${number(p.lower_w_mk)} to ${number(p.upper_w_mk)})` : "";
      return `${Math.round(t)} K: ${found.map((one, k) => one && `${lines.length > 1 ? `${lines[k].name} ` : ""}${number(one[1])}`).filter(Boolean).join(", ")}${range}`;
    },
  });
}

// Energy against volume: computed points and the equation of state.
export function energyVolume(width, data) {
  const [least] = extent([...data.energy_ev, ...(data.fit_energy_ev ?? [])]);
  const shifted = (values) => values.map((e) => (e - least) * 1000);
  return curveFigure(width, {
    title: "energy against volume", vertical: data.volume_300k_a3,
    lines: [{ name: "equation of state", kind: "first", points: paired(data.fit_volume_a3 ?? [], shifted(data.fit_energy_ev ?? [])) },
      { name: "computed", kind: "second", joined: false, points: paired(data.volume_a3, shifted(data.energy_ev)) }],
    xAxis: { title: "volume per atom, Å³" }, yAxis: { title: "energy above the minimum, meV per atom" },
    said: (v, found) => `${number(v, 4)} Å³: ${found.filter(Boolean).map((p) => number(p[1])).join(", ")} meV`,
  });
}

export function dispersion(width, data) {
  const bands = data.frequency_thz.map((band) => paired(data.distance, band));
  const [lowest] = extent(bands.flat().map((p) => p[1]));
  return curveFigure(width, {
    title: `phonon dispersion, ${bands.length} branches`, height: 280,
    lines: bands.map((points) => ({ name: "", kind: "first thin", points })),
    xLabels: data.labels.map((text, k) => [data.label_distance[k], text.replace(/\bG(AMMA)?\b/g, "Γ")]), xAxis: { title: "", from: data.distance[0], to: data.distance.at(-1) },
    yAxis: { title: "frequency, THz", ...(lowest > -0.05 ? { from: 0 } : {}) },
    said: (_, found) => { const [low, high] = extent(found.filter(Boolean).map((p) => p[1])); return `${number(low)} to ${number(high)} THz`; },
  });
}

export function states(width, data) {
  return curveFigure(width, {
    title: "phonon density of states", lines: [{ name: "", kind: "first", points: paired(data.frequency_thz, data.states_per_thz) }],
    xAxis: { title: "frequency, THz" }, yAxis: { title: "states per THz", from: 0 }, said: (f, found) => `${number(f)} THz: ${number(found[0]?.[1])}`,
  });
}

// Share of kappa carried below a frequency or a mean free path. Modes that hardly move have paths of 10⁻⁴⁰ nm: on a
// logarithmic axis the curve begins where something is carried.
export function cumulative(width, xs, ys, { title, unit, log }) {
  const all = ys.at(-1);
  const points = paired(xs, ys).filter((p) => !log || p[0] > 0);
  const carrying = points.filter((p) => !log || p[1] > all * NOTHING_YET);
  return curveFigure(width, {
    title: `κ carried below a ${title}`, lines: [{ name: "", kind: "first", points: carrying.length ? carrying : points }], xAxis: { title: `${title}, ${unit}`, log },
    yAxis: { title: "κ carried below, W/(m K)", from: 0 }, said: (v, found) => `${number(v)} ${unit}: ${number(found[0]?.[1])}, ${Math.round((found[0]?.[1] / all) * 100)} %`,
  });
}

// Observed against promised share of values inside the interval, for each rung.
export function calibration(width, entries) {
  const kinds = ["first", "second", "third"];
  return curveFigure(width, {
    title: "share of values inside the interval, observed against promised", height: 260,
    lines: [...entries.map((one, k) => ({ name: one.fidelity, kind: kinds[k % 3], points: paired(one.nominal, one.observed) })), { name: "as promised", kind: "ideal", readable: false, points: [[0, 0], [1, 1]] }],
    xAxis: { title: "promised share", from: 0, to: 1 }, yAxis: { title: "observed share", from: 0, to: 1 },
    said: (v, found) => `${number(v)} promised: ${found.map((p, k) => p && `${entries[k].fidelity} ${number(p[1])}`).filter(Boolean).join(", ")}`,
  });
}

