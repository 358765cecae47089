// Plots as SVG, drawn to fit the width.

import { number, s } from "./dom.js";

const POWER = ["0.001", "0.01", "0.1", "1", "10", "100", "1000", "10⁴", "10⁵"];
const power = (k) => POWER[k + 3] ?? `10^${k}`;

export const decades = (values) => {
  const known = values.filter((v) => v > 0);
  return [Math.floor(Math.log10(Math.min(...known)) + 1e-9), Math.ceil(Math.log10(Math.max(...known)) - 1e-9)];
};

function scale(from, to, start, end, log) {
  const f = log ? Math.log10 : (x) => x;
  const [a, b] = [f(from), f(to)];
  return (x) => start + ((f(x) - a) / (b - a || 1)) * (end - start);
}

function canvas(width, height, title, ...children) {
  return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, children);
}

function steps(low, high, n) {
  const raw = (high - low) / n;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((k) => k >= raw);
  const ticks = [];
  for (let x = Math.ceil(low / step) * step; x <= high + step * 1e-9; x += step) ticks.push(Number(x.toPrecision(12)));
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let k = Math.floor(Math.log10(low)); 10 ** k <= high; k++)
    for (const m of [1, 2, 5]) if (m * 10 ** k >= low * 0.999 && m * 10 ** k <= high * 1.001) ticks.push(m * 10 ** k);
  return ticks;
}

function decadeAxis(x, from, to, y, title, right) {
  const parts = [s("line", { class: "axis", x1: x(10 ** from), x2: x(10 ** to), y1: y, y2: y })];
  for (let k = from; k <= to; k++) {
    parts.push(s("line", { class: "axis", x1: x(10 ** k), x2: x(10 ** k), y1: y, y2: y + 5 }));
    parts.push(s("text", { x: x(10 ** k), y: y + 19, "text-anchor": "middle" }, power(k)));
    if (k < to) for (let m = 2; m < 10; m++) parts.push(s("line", { class: "tick", x1: x(m * 10 ** k), x2: x(m * 10 ** k), y1: y, y2: y + 3 }));
  }
  parts.push(s("text", { x: right, y: y + 38, "text-anchor": "end" }, title));
  return parts;
}

// Where a value lies among all labelled crystals.
export function amongLabels(width, labels, row) {
  const height = 230, left = 8, right = width - 24, base = height - 58, top = 40;
  const all = labels.values.map((v) => v.kappa_w_mk);
  const [from, to] = decades([...all, row.kappa_w_mk, row.lower_w_mk, row.upper_w_mk].filter(Boolean));
  const x = scale(10 ** from, 10 ** to, left + 10, right, true);
  const per = 6;
  const bins = new Array((to - from) * per).fill(0);
  for (const value of all) bins[Math.min(bins.length - 1, Math.floor((Math.log10(value) - from) * per))] += 1;
  const most = Math.max(...bins);
  const edge = (k) => x(10 ** (from + k / per));
  const below = all.filter((value) => value < row.kappa_w_mk).length / all.length;
  const at = x(row.kappa_w_mk);
  const end = at > width - 150;
  const label = `κ is ${number(row.kappa_w_mk)} W/(m K), higher than ${Math.round(below * 100)} % of ${all.length} labelled crystals`;
  return canvas(width, height, label,
    bins.map((n, k) => n && s("rect", { class: "bars", x: edge(k) + 0.5, width: Math.max(edge(k + 1) - edge(k) - 1, 1), y: base - (n / most) * (base - top), height: (n / most) * (base - top) })),
    row.lower_w_mk && s("rect", { class: "band", x: x(row.lower_w_mk), width: Math.max(x(row.upper_w_mk) - x(row.lower_w_mk), 2), y: top - 6, height: base - top + 6 }),
    labels.values.filter((v) => v.fidelity === "experiment").map((v) => s("line", { class: "rug", x1: x(v.kappa_w_mk), x2: x(v.kappa_w_mk), y1: base - 9, y2: base })),
    s("line", { class: "answer", x1: at, x2: at, y1: top - 12, y2: base }),
    s("text", { class: "strong", x: end ? at - 6 : at + 6, y: top - 18, "text-anchor": end ? "end" : "start" }, `${number(row.kappa_w_mk)} W/(m K)`),
    decadeAxis(x, from, to, base, "κ at 300 K, W/(m K)", right));
}

// Kappa over temperature, from where 1/T holds.
export function overTemperature(width, answer) {
  const { curve, row_300k: cold, row } = answer;
  const height = 250, left = 58, right = width - 22, base = height - 46, top = 14;
  const tMax = Math.max(1000, row.temperature_k), tMin = 100;
  const values = [...curve.flatMap((p) => [p.lower_w_mk ?? p.kappa_w_mk, p.upper_w_mk ?? p.kappa_w_mk]), cold.kappa_w_mk, cold.lower_w_mk, cold.upper_w_mk, row.kappa_w_mk].filter(Boolean);
  const [low, high] = [Math.min(...values) / 1.1, Math.max(...values) * 1.1];
  const x = scale(tMin, tMax, left, right, false), y = scale(low, high, base, top, true);
  const path = (key) => curve.map((p) => `${x(p.temperature_k).toFixed(1)},${y(p[key]).toFixed(1)}`);
  const begin = answer.classical_from_k;
  const mark = (r, kind) => [
    r.lower_w_mk && s("line", { class: "answer", x1: x(r.temperature_k), x2: x(r.temperature_k), y1: y(r.lower_w_mk), y2: y(r.upper_w_mk), "stroke-width": 1.5 }),
    s("circle", { class: kind, cx: x(r.temperature_k), cy: y(r.kappa_w_mk), r: 5 })];
  let last = Infinity;
  const ticks = logTicks(low, high).filter((v) => { const keep = last - y(v) > 16; if (keep) last = y(v); return keep; });
  const drawn = row.temperature_k !== 300 && row.kappa_w_mk && (!begin || row.temperature_k >= begin);
  const label = begin ? `κ falls as 1/T from ${Math.round(begin)} K up` : "κ at 300 K";
  return canvas(width, height, label,
    begin > tMin && s("rect", { class: "veil", x: left, width: Math.max(x(Math.min(begin, tMax)) - left, 0), y: top, height: base - top }),
    ticks.map((v) => [s("line", { class: "tick", x1: left, x2: right, y1: y(v), y2: y(v) }), s("text", { x: left - 7, y: y(v) + 4, "text-anchor": "end" }, number(v))]),
    steps(tMin, tMax, 6).map((t) => [s("line", { class: "axis", x1: x(t), x2: x(t), y1: base, y2: base + 5 }), s("text", { x: x(t), y: base + 19, "text-anchor": "middle" }, t)]),
    s("line", { class: "axis", x1: left, x2: right, y1: base, y2: base }),
    curve.length > 0 && curve[0].lower_w_mk && s("polygon", { class: "band", points: [...path("lower_w_mk"), ...path("upper_w_mk").reverse()].join(" ") }),
    curve.length > 0 && s("polyline", { class: "line", points: path("kappa_w_mk").join(" ") }),
    mark(cold, "dot"), drawn && mark(row, "out"),
    s("text", { x: right, y: base + 38, "text-anchor": "end" }, "temperature, K"),
    s("text", { x: left + 6, y: top + 12 }, "κ, W/(m K)"));
}

// Number of crystals against kappa.
export function histogram(width, bins) {
  const height = 300, left = 44, right = width - 24, base = height - 48, top = 12;
  if (!bins.length) return canvas(width, 40, "no crystal", s("text", { x: 8, y: 24 }, "no crystal passes the filters"));
  const [from, to] = decades([bins[0].from_w_mk, bins.at(-1).to_w_mk]);
  const x = scale(10 ** from, 10 ** to, left, right, true);
  const most = Math.max(...bins.map((b) => b.n));
  return canvas(width, height, `distribution of κ over ${bins.reduce((n, b) => n + b.n, 0)} crystals`,
    s("text", { x: left - 6, y: top + 10, "text-anchor": "end" }, number(most)), s("text", { x: left - 6, y: base, "text-anchor": "end" }, "0"),
    bins.map((b) => s("rect", { class: "bars", x: x(b.from_w_mk) + 0.5, width: Math.max(x(b.to_w_mk) - x(b.from_w_mk) - 1, 1), y: base - (b.n / most) * (base - top), height: (b.n / most) * (base - top) },
      s("title", {}, `${number(b.from_w_mk)} to ${number(b.to_w_mk)} W/(m K): ${b.n}`))),
    decadeAxis(x, from, to, base, "κ at 300 K, W/(m K)", right));
}

// Kappa against another quantity; a click calls `onpoint`.
export function scatter(width, points, title, chosen, onpoint) {
  const height = 320, left = 52, right = width - 24, base = height - 46, top = 12;
  if (!points.length) return canvas(width, 40, "no crystal", s("text", { x: 8, y: 24 }, "no crystal passes the filters"));
  const xs = points.map((p) => p.x);
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const x = scale(low, high > low ? high : low + 1, left + 6, right, false);
  let [from, to] = decades(points.map((p) => p.kappa_w_mk));
  if (from === to) to += 1;
  const y = scale(10 ** from, 10 ** to, base, top, true);
  const powers = [];
  for (let k = from; k <= to; k++) powers.push(k);
  return canvas(width, height, `κ against ${title}, ${points.length} crystals; the table below lists them`,
    powers.map((k) => [s("line", { class: "tick", x1: left, x2: right, y1: y(10 ** k), y2: y(10 ** k) }), s("text", { x: left - 7, y: y(10 ** k) + 4, "text-anchor": "end" }, power(k))]),
    steps(low, high > low ? high : low + 1, width > 420 ? 7 : 4).map((t) => [s("line", { class: "axis", x1: x(t), x2: x(t), y1: base, y2: base + 5 }), s("text", { x: x(t), y: base + 19, "text-anchor": "middle" }, number(t))]),
    s("line", { class: "axis", x1: left, x2: right, y1: base, y2: base }),
    points.map((p) => s(p.in_domain ? "circle" : "path", {
      class: `hit ${p.in_domain ? "dot" : "out"}${chosen === `${p.part}/${p.row}` ? " chosen" : ""}`, opacity: points.length > 800 ? 0.55 : 0.8,
      ...(p.in_domain ? { cx: x(p.x), cy: y(p.kappa_w_mk), r: 3.2 } : { d: `M${x(p.x)} ${y(p.kappa_w_mk) - 4}l4 7h-8z` }), onclick: () => onpoint(p) },
      s("title", {}, `${p.formula}: ${number(p.kappa_w_mk)} W/(m K)`))),
    s("text", { x: right, y: base + 38, "text-anchor": "end" }, title), s("text", { x: left + 6, y: top + 10 }, "κ, W/(m K)"));
}

// Observed against promised share of values inside the interval.
export function calibration(width, entry) {
  const side = Math.min(width, 340), left = 46, right = side - 12, base = side - 44, top = 12;
  const x = scale(0, 1, left, right, false), y = scale(0, 1, base, top, false);
  const marks = [0, 0.25, 0.5, 0.75, 1];
  return canvas(width, side, `calibration of ${entry.fidelity}: observed against promised share`,
    marks.map((v) => [s("line", { class: "tick", x1: x(v), x2: x(v), y1: top, y2: base }), s("line", { class: "tick", x1: left, x2: right, y1: y(v), y2: y(v) }),
      s("text", { x: x(v), y: base + 17, "text-anchor": "middle" }, v), s("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, v)]),
    s("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
    s("polyline", { class: "line", points: entry.nominal.map((v, k) => `${x(v)},${y(entry.observed[k])}`).join(" ") }),
    entry.nominal.map((v, k) => s("circle", { class: "dot", cx: x(v), cy: y(entry.observed[k]), r: 4 }, s("title", {}, `${v} promised, ${entry.observed[k]} observed`))),
    s("text", { x: right, y: base + 36, "text-anchor": "end" }, "promised share"), s("text", { x: left + 6, y: top + 12 }, "observed share"));
}
