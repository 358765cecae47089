// Sentences for people: where values come from, remarks, and why κ is what it is.

import { h, number, typeset } from "./dom.js";

const FIDELITY = {
  agl: "quasi-harmonic Debye model (AGL)", dft: "density functional theory (DFT)", experiment: "measured",
  semiempirical: "semi-empirical", mlip: "interatomic potential",
};
export const kindOfValue = (name) => FIDELITY[name] ?? name;
export const fidelityName = (name) => (FIDELITY[name] ? `${name}: ${FIDELITY[name]}` : name);

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const ended = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);
export const sentence = (text) => ended(capital(text));

// What the number does not say: each remark of the server is its kind, a colon and a clause.
export function remarks(sentences) {
  if (!sentences.length) return null;
  return h("ul", { class: "remarks" }, sentences.map((sentence) => {
    const [kind, ...rest] = sentence.split(": ");
    return h("li", {}, h("b", {}, ended(capital(kind))), rest.length ? [" ", typeset(capital(ended(rest.join(": "))))] : "");
  }));
}

const listed = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);
const NOTABLE = 1.1;
const ONE = new Set(["gruneisen", "correction"]);
const meaning = (term) => (term.quantity === "correction" ? `the ${term.words}` : term.words);
const clause = (terms, verb) => (terms.length ? `${listed(terms.map(meaning))} ${verb}${terms.length === 1 && ONE.has(terms[0].quantity) ? "s" : ""} it` : null);

// Why κ is what it is, in two sentences.
export function whyInWords(why, kappa) {
  const ratio = kappa / why.typical_w_mk;
  const compared = ratio >= NOTABLE ? `${number(ratio, 2)} times higher than` : ratio <= 1 / NOTABLE ? `${number(1 / ratio, 2)} times lower than` : "about";
  const raise = clause(why.terms.filter((term) => term.factor >= NOTABLE), "raise");
  const lower = clause(why.terms.filter((term) => term.factor <= 1 / NOTABLE), "lower");
  const because = [raise, lower].filter(Boolean).join("; ");
  return h("p", { class: "in-words" }, `κ is ${compared} that of a typical crystal (${number(why.typical_w_mk)} W/(m K)). `, because ? `${capital(because)}.` : "No factor stands out.");
}
