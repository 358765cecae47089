// The factors of κ: in words first, then as bars.

import { h, number, plural, typeset } from "./dom.js";
import { whyInWords } from "./words.js";

function quantity(term) {
  if (term.quantity === "correction") return typeset(term.name);
  return [typeset(term.name), `: ${number(term.value)}`, term.unit ? ` ${term.unit}` : "", `, typical ${number(term.typical)}`];
}

export function whyCard(why) {
  if (!why) return h("section", { class: "card half" }, h("h3", {}, "Why"), h("p", { class: "muted" }, "This model predicts no Debye temperature, so its answer cannot be split into factors."));
  const widest = Math.max(...why.terms.map((t) => Math.abs(Math.log(t.factor))), Math.log(2));
  const kappa = why.terms.reduce((n, t) => n * t.factor, why.typical_w_mk);
  const rows = why.terms.map((term) => {
    const ln = Math.log(term.factor);
    const bar = h("i", { class: ln >= 0 ? "up" : "down" });
    bar.style.width = `${(Math.abs(ln) / widest) * 50}%`;
    return h("li", {},
      h("div", { class: "what" }, term.words, h("span", {}, quantity(term))),
      h("div", { class: "bar", "aria-hidden": "true" }, bar),
      h("div", { class: "factor" }, `× ${number(term.factor)}`));
  });
  const product = [number(why.typical_w_mk), ...why.terms.map((t) => number(t.factor))].join(" × ");
  return h("section", { class: "card half", "aria-label": "Why" },
    h("h3", {}, "Why"), whyInWords(why, kappa),
    h("ul", { class: "why" }, rows),
    h("p", { class: "product" }, `${product} = ${number(kappa)} W/(m K) at 300 K`),
    h("details", { class: "small muted" }, h("summary", {}, "How this is computed"),
      h("p", {}, `The model's θ and γ enter the Slack formula, which is a product. Each factor is that of this crystal over that of a typical one, the median over ${plural(why.n_labelled, "labelled crystal")}; nothing is attributed after the fact.`)));
}
