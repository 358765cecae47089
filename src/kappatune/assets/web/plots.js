// Distributions and scatter plots as SVG, drawn to fit the width.

import { canvas, decade, decadeAxis, decades, extent, scale, steps } from "./axes.js";
import { h, number, s } from "./dom.js";

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
  const height = 330, left = 52, right = width - 24, base = height - 46, top = 28;
  if (!points.length) return canvas(width, 40, "no crystal", s("text", { x: 8, y: 24 }, "no crystal passes the filters"));
  const [low, high] = extent(points.map((p) => p.x));
  const x = scale(low, high > low ? high : low + 1, left + 6, right, false);
  let [from, to] = decades(points.map((p) => p.kappa_w_mk));
  if (from === to) to += 1;
  const y = scale(10 ** from, 10 ** to, base, top, true);
  const powers = [];
  for (let k = from; k <= to; k++) powers.push(k);
  return canvas(width, height, `κ against ${title}, ${points.length} crystals; the table below lists them`,
    powers.map((k) => [s("line", { class: "tick", x1: left, x2: right, y1: y(10 ** k), y2: y(10 ** k) }), s("text", { x: left - 7, y: y(10 ** k) + 4, "text-anchor": "end" }, decade(k))]),
    steps(low, high > low ? high : low + 1, width > 420 ? 7 : 4).map((t) => [s("line", { class: "axis", x1: x(t), x2: x(t), y1: base, y2: base + 5 }), s("text", { x: x(t), y: base + 19, "text-anchor": "middle" }, number(t))]),
    s("line", { class: "axis", x1: left, x2: right, y1: base, y2: base }),
    points.map((p) => s(p.in_domain ? "circle" : "path", {
      class: `hit ${p.in_domain ? "dot" : "out"}${chosen === `${p.part}/${p.row}` ? " chosen" : ""}`, "data-at": `${p.part}/${p.row}`, opacity: points.length > 800 ? 0.55 : 0.8,
      ...(p.in_domain ? { cx: x(p.x), cy: y(p.kappa_w_mk), r: 3.2 } : { d: `M${x(p.x)} ${y(p.kappa_w_mk) - 4}l4 7h-8z` }), onclick: () => onpoint(p) },
      s("title", {}, `${p.formula}: ${number(p.kappa_w_mk)} W/(m K)`))),
    s("text", { x: right, y: base + 38, "text-anchor": "end" }, title), s("text", { x: 2, y: top - 12 }, "κ, W/(m K)"));
}

// For each row a dot for each rung: how good it is for which crystals.
export function dotRows(width, { title, rows, from, to, log, ticks, reference, format }) {
  const rungs = [...new Set(rows.flatMap((row) => Object.keys(row.values)))].sort();
  const step = 40, top = 6, base = top + rows.length * step, left = 16, right = width - 20;
  const x = scale(from, to, left, right, log);
  const inside = (v) => x(Math.min(Math.max(v, from), to));
  const kind = (rung) => ["first", "second", "third"][rungs.indexOf(rung) % 3];
  const svg = canvas(width, base + 24, `${title}: ${rows.map((row) => `${row.name}: ${Object.entries(row.values).map(([rung, v]) => `${rung} ${format(v)}`).join(", ")}`).join("; ")}`,
    ticks.map((v) => [s("line", { class: "tick", x1: x(v), x2: x(v), y1: top, y2: base }), s("text", { x: x(v), y: base + 18, "text-anchor": "middle" }, format(v))]),
    reference && s("line", { class: "ideal", x1: x(reference), x2: x(reference), y1: top, y2: base }),
    rows.map((row, k) => {
      const y = top + k * step;
      const at = Object.entries(row.values).map(([rung, v]) => ({ rung, v, x: inside(v) })).sort((a, b) => a.x - b.x);
      const values = rungs.map((rung, i) => s("tspan", { class: kind(rung), dx: i ? 9 : 0 }, rung in row.values ? format(row.values[rung]).replace("× ", "") : "–"));
      return [s("line", { class: "tick", x1: left, x2: right, y1: y + 27, y2: y + 27 }), s("text", { class: "strong halo", x: 0, y: y + 15 }, row.name),
        s("text", { class: "halo", x: width, y: y + 15, "text-anchor": "end" }, values),
        at.map((one) => s("circle", { class: `dot ${kind(one.rung)}`, cx: one.x, cy: y + 27, r: 5.5 }, s("title", {}, `${row.name}, ${one.rung}: ${format(one.v)}`)))];
    }));
  return h("figure", {}, svg, h("ul", { class: "keys" }, rungs.map((rung) => h("li", {}, h("i", { class: `round ${kind(rung)}`, "aria-hidden": "true" }), rung))));
}
