// Scales, ticks and axes of the plots.

import { power, s } from "./dom.js";

const NARROWEST = 42;
const PLAIN = ["0.001", "0.01", "0.1", "1", "10", "100", "1000"];
export const decade = (k) => PLAIN[k + 3] ?? `10${power(k)}`;

// The least and the largest of any number of values; `Math.min(...values)` takes a hundred thousand at most.
export function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
  return [low, high];
}

export const decades = (values) => {
  const [low, high] = extent(values.filter((v) => v > 0));
  return [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)];
};

export function scale(from, to, start, end, log) {
  const f = log ? Math.log10 : (x) => x;
  const [a, b] = [f(from), f(to)];
  return (x) => start + ((f(x) - a) / (b - a || 1)) * (end - start);
}

export function canvas(width, height, title, ...children) {
  return s("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": title }, children);
}

export function steps(low, high, n) {
  const raw = (high - low) / n;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((k) => k >= raw);
  const ticks = [];
  for (let x = Math.ceil(low / step) * step; x <= high + step * 1e-9; x += step) ticks.push(Number(x.toPrecision(12)));
  return ticks;
}

export function logTicks(low, high) {
  const ticks = [];
  for (let k = Math.floor(Math.log10(low)); 10 ** k <= high; k++)
    for (const m of [1, 2, 5]) if (m * 10 ** k >= low * 0.999 && m * 10 ** k <= high * 1.001) ticks.push(m * 10 ** k);
  return ticks;
}

export function decadeAxis(x, from, to, y, title, right) {
  const parts = [s("line", { class: "axis", x1: x(10 ** from), x2: x(10 ** to), y1: y, y2: y })];
  const every = Math.ceil(NARROWEST / (x(10) - x(1)));
  for (let k = from; k <= to; k++) {
    parts.push(s("line", { class: "axis", x1: x(10 ** k), x2: x(10 ** k), y1: y, y2: y + 5 }));
    if (k % every === 0) parts.push(s("text", { x: x(10 ** k), y: y + 19, "text-anchor": "middle" }, decade(k)));
    if (k < to) for (let m = 2; m < 10; m++) parts.push(s("line", { class: "tick", x1: x(m * 10 ** k), x2: x(m * 10 ** k), y1: y, y2: y + 3 }));
  }
  parts.push(s("text", { x: right, y: y + 38, "text-anchor": "end" }, title));
  return parts;
}
