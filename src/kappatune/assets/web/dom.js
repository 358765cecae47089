// Elements are made from text alone: nothing from a file or the server is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// A formula with its numbers as subscripts.
export function formula(text) {
  if (!text) return "–";
  return h("span", {}, text.split(/(\d+(?:\.\d+)?)/).map((part, k) => (k % 2 ? h("sub", {}, part) : part)));
}

// Three significant digits, with separators between thousands.
export function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(digits - 1).replace("e", " × 10^").replace("+", "");
  if (size >= 10 ** digits) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(digits)));
}

export const count = (n) => n.toLocaleString("en-US");
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

export function light(inside, reason) {
  const [kind, sign, word] = inside === true ? ["inside", "✓", "In domain"]
    : inside === false ? ["outside", "▲", "Out of domain"] : ["unknown", "○", "No answer"];
  const detail = reason || (inside ? "its elements were seen in training, and it resembles the labelled crystals" : "");
  return h("div", { class: `light ${kind}` }, h("span", { "aria-hidden": "true" }, sign), h("span", {}, h("b", {}, word), detail ? `: ${detail}` : ""));
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
