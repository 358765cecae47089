// Elements are made from text alone: nothing from a file or the server is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// A name and its value, in a list of definitions.
export const fact = (name, value, kind = null) => h("div", { class: kind }, h("dt", {}, name), h("dd", {}, whole(value)));

// No line ends inside a unit.
const whole = (value) => (typeof value === "string" ? value.replaceAll("(m K)", "(m\u00a0K)").replace(/ (?=(?:W\/|g\/|Å|K\b|THz))/g, "\u00a0") : value);

// A formula with its numbers as subscripts.
export function formula(text) {
  if (!text) return "–";
  return h("span", {}, text.split(/(\d+(?:\.\d+)?)/).map((part, k) => (k % 2 ? h("sub", {}, part) : part)));
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
export const power = (n) => [...String(n)].map((digit) => RAISED[digit]).join("");

// Text of the server as the field prints it: κ for kappa, exponents raised, a true minus; commands between backticks.
export const typeset = (text) => text.split(/`([^`]+)`/).flatMap((part, k) => (k % 2 ? [h("code", {}, part)] : prose(part)));

function prose(text) {
  const parts = text.replaceAll("kappa_", "κ_").replace(/\bkappa\b/g, "κ").replace(/\blog10\b/g, "log₁₀")
    .split(/\^\(([^)]+)\)|\^(-?[\d.]*\d)|κ_(xx|yy|zz)/);
  return parts.flatMap((part, k) => {
    if (part === undefined || part === "") return [];
    if (k % 4 === 0) return [part];
    return k % 4 === 3 ? ["κ", h("sub", {}, part)] : [h("sup", {}, part.replace("-", "−"))];
  });
}

// Three significant digits, with separators between thousands.
export function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) {
    const [head, exponent] = value.toExponential(digits - 1).split("e");
    return `${String(Number(head)).replace("-", "−")} × 10${power(Number(exponent))}`;
  }
  if (size >= 10 ** digits) return Math.round(value).toLocaleString("en-US").replace("-", "−");
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

// Code that may be wider than the page: it scrolls, so the keyboard must reach it.
export const code = (text) => h("pre", { tabindex: "0" }, text);

export const count = (n) => n.toLocaleString("en-US");
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

export function light(inside, reason) {
  const [kind, sign, word] = inside === true ? ["inside", "✓", "In domain"]
    : inside === false ? ["outside", "▲", "Out of domain"] : ["unknown", "○", "No answer"];
  const detail = reason || (inside ? "its elements were seen in training, and it resembles the labelled crystals" : "");
  return h("div", { class: `light ${kind}` }, h("span", { "aria-hidden": "true" }, sign), h("span", {}, h("b", {}, word), detail ? [": ", typeset(detail), "."] : ""));
}

export function sign(inside) {
  if (inside === null || inside === undefined) return h("span", {}, "–");
  return h("span", { class: inside ? "dot-inside" : "dot-outside" }, inside ? "✓ yes" : "▲ no");
}

export const button = (text, onclick, attributes = {}) =>
  h("button", { type: "button", class: "button small", onclick, ...attributes }, text);

export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// Draw now and whenever the width changes.
export function drawn(host, draw) {
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.round(host.clientWidth);
    if (now > 0 && now !== width) {
      width = now;
      host.replaceChildren(draw(now));
    }
  }).observe(host);
  return host;
}

const UNSEEN_MS = 200;

// Change what is above `anchor`, and scroll so that it stays where it is in the window.
export function inPlace(anchor, change) {
  const before = anchor.getBoundingClientRect().top;
  change();
  window.scrollBy({ top: anchor.getBoundingClientRect().top - before, behavior: "instant" });
}

// Once what was changed has been painted; a page that nobody sees paints nothing, and does not wait for it.
export const painted = () => new Promise((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve));
  setTimeout(resolve, UNSEEN_MS);
});

// Show details from their top: beside a table they stand in view, above it the page scrolls to them.
export function bringUp(detail) {
  detail.scrollTop = 0;
  if (!matchMedia("(min-width: 1100px)").matches) detail.scrollIntoView({ block: "start" });
  detail.querySelector("h2")?.focus({ preventScroll: true });
}
