// Everything about one crystal.

import { post, theLabels } from "./client.js";
import { drawn, formula, h, light, number, plural } from "./dom.js";
import { amongLabels, overTemperature } from "./plots.js";
import { showCrystal } from "./viewer.js";

const FIDELITY = {
  agl: "quasi-harmonic Debye model (AGL)", dft: "density functional theory", experiment: "measured",
  semiempirical: "semi-empirical", mlip: "interatomic potential",
};
export const fidelityName = (name) => (FIDELITY[name] ? `${name}: ${FIDELITY[name]}` : name);

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

function cellFacts(structure) {
  const lengths = structure.lattice.map((v) => Math.hypot(...v));
  const angle = (i, j) => (Math.acos(structure.lattice[i].reduce((n, x, k) => n + x * structure.lattice[j][k], 0) / (lengths[i] * lengths[j])) * 180) / Math.PI;
  return h("dl", { class: "facts" },
    fact("a, b, c", `${lengths.map((x) => x.toFixed(2)).join(", ")} Å`),
    fact("α, β, γ", `${[angle(1, 2), angle(0, 2), angle(0, 1)].map((x) => x.toFixed(0)).join(", ")}°`),
    fact("atoms in the cell", String(structure.species.length)));
}

// What the number does not say: each remark begins with its kind.
function remarks(sentences) {
  if (!sentences.length) return null;
  return h("ul", { class: "remarks" }, sentences.map((sentence) => {
    const [kind, ...rest] = sentence.split(":");
    return h("li", {}, h("b", {}, kind), rest.length ? `:${rest.join(":")}` : "");
  }));
}

function answerCard(answer, structure) {
  const { row } = answer;
  const kappa = row.kappa_w_mk === null
    ? h("p", { class: "kappa" }, "–")
    : h("p", { class: "kappa" }, number(row.kappa_w_mk), " ", h("small", {}, `W/(m K) at ${number(row.temperature_k)} K`));
  return h("section", { class: "card w5", "aria-label": "Answer" },
    kappa,
    row.lower_w_mk !== null && h("p", {}, "90 % interval ", h("strong", {}, `${number(row.lower_w_mk)} to ${number(row.upper_w_mk)}`), " W/(m K)", row.interval !== "calibrated" && row.interval ? `, ${row.interval}` : ""),
    light(row.in_domain, row.reason),
    remarks(row.remarks),
    h("dl", { class: "facts" },
      fact("Debye temperature θ of the cell", row.debye_temperature_k === null ? "–" : `${number(row.debye_temperature_k)} K`),
      fact("Grüneisen parameter γ", number(row.gruneisen)),
      answer.members_w_mk.length > 1 && fact(`range of the ${answer.members_w_mk.length} members at 300 K`, `${number(Math.min(...answer.members_w_mk))} to ${number(Math.max(...answer.members_w_mk))} W/(m K)`)),
    h("p", { class: "small muted" }, answer.interval));
}

function whyCard(why) {
  if (!why) return h("section", { class: "card w7" }, h("h2", {}, "Why"), h("p", { class: "muted" }, "This model predicts no Debye temperature, so its answer cannot be split into factors."));
  const widest = Math.max(...why.terms.map((t) => Math.abs(Math.log(t.factor))), Math.log(2));
  const rows = why.terms.map((term) => {
    const ln = Math.log(term.factor);
    const bar = h("i", { class: ln >= 0 ? "up" : "down" });
    bar.style.width = `${(Math.abs(ln) / widest) * 50}%`;
    const unit = term.unit ? ` ${term.unit}` : "";
    return h("li", {},
      h("div", { class: "what" }, term.words, h("span", {}, term.quantity === "correction" ? term.name : `${term.name}: ${number(term.value)}${unit}, typical ${number(term.typical)}`)),
      h("div", { class: "bar", "aria-hidden": "true" }, bar),
      h("div", { class: "factor" }, `× ${number(term.factor)}`));
  });
  const product = [number(why.typical_w_mk), ...why.terms.map((t) => number(t.factor))].join(" × ");
  const kappa = why.terms.reduce((n, t) => n * t.factor, why.typical_w_mk);
  return h("section", { class: "card w7", "aria-label": "Why" },
    h("h2", {}, "Why"),
    h("p", { class: "small muted" }, `The model's θ and γ enter the Slack formula, which is a product. Compared with a typical crystal (the medians of ${plural(why.n_labelled, "labelled crystal")}):`),
    h("ul", { class: "why" }, rows),
    h("p", { class: "product" }, `${product} = ${number(kappa)} W/(m K) at 300 K`));
}

function neighbours(nearest) {
  return h("section", { class: "card", "aria-label": "Nearest labelled crystals" },
    h("h2", {}, "Nearest labelled crystals"),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Nearest labelled crystals" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "crystal"), h("th", { scope: "col", class: "number" }, "κ at 300 K, W/(m K)"), h("th", { scope: "col" }, "kind"), h("th", { scope: "col", class: "number" }, "distance"), h("th", { scope: "col" }, "source"))),
      h("tbody", {}, nearest.map((n) => h("tr", {}, h("td", { class: "name" }, formula(n.formula)), h("td", { class: "number" }, number(n.kappa_w_mk)), h("td", {}, FIDELITY[n.fidelity] || n.fidelity), h("td", { class: "number" }, number(n.distance, 2)), h("td", { class: "reason" }, n.source || "–")))))),
    h("p", { class: "small muted" }, "Distance between embeddings of the network, in units of their spread over the training crystals; an identical crystal has distance 0."));
}

// Fill `host` with the details of a structure.
export async function showDetail(host, { structure, title, subtitle, before }, settings, signal) {
  const query = new URLSearchParams({ temperature_k: settings.temperature, ...(settings.fidelity ? { fidelity: settings.fidelity } : {}) });
  host.classList.add("busy");
  try {
    const [answer, labels] = await Promise.all([post(`/api/v1/explain?${query}`, structure, signal), theLabels()]);
    const scene = h("div");
    const measured = labels.values.filter((v) => v.fidelity === "experiment").length;
    host.replaceChildren(
      h("div", { class: "detail-head" }, h("h2", { tabindex: "-1" }, formula(answer.row.formula)), h("span", { class: "muted" }, [title, subtitle].filter((text, k, all) => text && text !== answer.row.formula && all.indexOf(text) === k).join(" · "))),
      ...(before ? [before] : []),
      h("div", { class: "grid" },
        answerCard(answer, structure),
        h("section", { class: "card w7", "aria-label": "Structure" }, scene, cellFacts(structure)),
        whyCard(answer.contributions),
        h("section", { class: "card w5", "aria-label": "Temperature dependence" }, h("h2", {}, "Temperature dependence"),
          answer.curve.length || answer.classical_from_k ? drawn(h("div", { class: "plot" }), (width) => overTemperature(width, answer)) : h("p", { class: "muted" }, "This model answers only at 300 K."),
          h("p", { class: "small muted" }, answer.classical_from_k ? `κ is taken to fall as 1/T from 300 K. Below ${number(answer.classical_from_k)} K, a third of the acoustic Debye temperature, this no longer holds and nothing is drawn; the dot at 300 K is what the model was trained on.` : "")),
        h("section", { class: "card", "aria-label": "Among labelled crystals" }, h("h2", {}, "Among all labelled crystals"),
          drawn(h("div", { class: "plot" }), (width) => amongLabels(width, labels, answer.row_300k)),
          h("p", { class: "small muted" }, `Grey: ${plural(labels.values.length, "crystal")} of ${labels.tables.map((t) => `${t.name} (${t.n})`).join(", ")}. Short strokes: the ${measured} measured ones. Blue: this crystal with its 90 % interval.`))),
      neighbours(answer.nearest));
    await showCrystal(scene, structure);
  } finally {
    host.classList.remove("busy");
  }
}
