// Everything about one crystal.

import { get, post, saveFrom, theLabels, theModel } from "./client.js";
import { computeCard } from "./compute.js";
import { overTemperature } from "./curves.js";
import { button, drawn, fact, formula, h, light, number, plural, typeset } from "./dom.js";
import { resultOf } from "./job_result.js";
import { amongLabels } from "./plots.js";
import { materialsProject, shareButtons } from "./share.js";
import { showCrystal } from "./viewer.js";
import { whyCard } from "./why.js";
import { kindOfValue, remarks } from "./words.js";

// `P6_3/mmc` with its screw axes as subscripts and its bars above.
function spaceGroup({ space_group: symbol, space_group_number: number_ }) {
  const parts = symbol.split(/_(\d)|-(\d)/);
  return [h("i", {}, parts.map((part, k) => (part === undefined || k % 3 === 0 ? part ?? "" : k % 3 === 1 ? h("sub", {}, part) : `${part}\u0305`))), ` (${number_})`];
}

function crystalFacts(structure, facts) {
  const lengths = structure.lattice.map((v) => Math.hypot(...v));
  const angle = (i, j) => (Math.acos(structure.lattice[i].reduce((n, x, k) => n + x * structure.lattice[j][k], 0) / (lengths[i] * lengths[j])) * 180) / Math.PI;
  return h("dl", { class: "facts" },
    facts?.space_group && fact("space group", spaceGroup(facts)),
    facts && fact("density", `${facts.density_g_cm3.toFixed(2)} g/cm³`),
    fact("a, b, c", `${lengths.map((x) => x.toFixed(2)).join(", ")} Å`),
    fact("α, β, γ", `${[angle(1, 2), angle(0, 2), angle(0, 1)].map((x) => x.toFixed(0)).join(", ")}°`),
    facts && fact("volume of the cell", `${number(facts.volume_a3, 4)} Å³`),
    fact("atoms in the cell", String(structure.species.length)));
}

function answerCard(answer) {
  const { row, members_w_mk: members } = answer;
  const kappa = row.kappa_w_mk === null
    ? h("p", { class: "kappa" }, "–")
    : h("p", { class: "kappa" }, number(row.kappa_w_mk), " ", h("small", {}, `W/(m K) at ${number(row.temperature_k)} K`));
  return h("section", { class: "card half", "aria-label": "Answer" },
    kappa,
    row.lower_w_mk !== null && h("p", {}, "90 % interval ", h("strong", {}, `${number(row.lower_w_mk)} to ${number(row.upper_w_mk)}`), " W/(m K)", row.interval !== "calibrated" && row.interval ? `, ${row.interval}` : ""),
    light(row.in_domain, row.reason),
    remarks(row.remarks),
    h("dl", { class: "facts" },
      fact("Debye temperature θ of the cell", row.debye_temperature_k === null ? "–" : `${number(row.debye_temperature_k)} K`),
      fact("Grüneisen parameter γ", number(row.gruneisen)),
      members.length > 1 && fact(`range of the ${members.length} members at 300 K`, `${number(Math.min(...members))} to ${number(Math.max(...members))} W/(m K)`)),
    h("p", { class: "small muted" }, typeset(answer.interval)));
}

function temperatureCard(answer, computed) {
  const begin = answer.classical_from_k;
  return h("section", { class: "card half", "aria-label": "Temperature dependence" }, h("h3", {}, "Temperature dependence"),
    answer.curve.length || begin ? drawn(h("div", { class: "plot" }), (width) => overTemperature(width, answer, computed)) : h("p", { class: "muted" }, "This model answers only at 300 K."),
    begin && h("p", { class: "small muted" }, `Predicted κ is taken to fall as 1/T from 300 K. Below ${number(begin)} K, a third of the acoustic Debye temperature, this no longer holds and nothing is drawn; the dot at 300 K is what the model was trained on.`));
}

function amongCard(answer, labels) {
  const measured = labels.values.filter((v) => v.fidelity === "experiment").length;
  return h("section", { class: "card", "aria-label": "Among labelled crystals" }, h("h3", {}, "Among all labelled crystals"),
    drawn(h("div", { class: "plot" }), (width) => amongLabels(width, labels, answer.row_300k)),
    h("p", { class: "small muted" }, `Grey: ${plural(labels.values.length, "crystal")} of ${labels.tables.map((t) => `${t.name} (${t.n})`).join(", ")}. Short strokes: the ${measured} measured ones. Blue: this crystal with its 90 % interval.`));
}

function neighbours(nearest) {
  return h("section", { class: "card", "aria-label": "Nearest labelled crystals" },
    h("h3", {}, "Nearest labelled crystals"),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of the nearest labelled crystals" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "crystal"), h("th", { scope: "col", class: "number" }, "κ at 300 K, W/(m K)"), h("th", { scope: "col" }, "kind"), h("th", { scope: "col", class: "number" }, "distance"), h("th", { scope: "col" }, "source"))),
      h("tbody", {}, nearest.map((n) => h("tr", {}, h("th", { scope: "row" }, formula(n.formula)), h("td", { class: "number" }, number(n.kappa_w_mk)), h("td", { class: "whole" }, kindOfValue(n.fidelity)), h("td", { class: "number" }, number(n.distance, 2)), h("td", { class: "reason" }, n.source || "–")))))),
    h("p", { class: "small muted" }, "Distance between embeddings of the network, in units of their spread over the training crystals; an identical crystal has distance 0."));
}

// κ(T) of the jobs of a crystal that are done: the last verification and the last AGL.
async function computedCurves(jobs) {
  const done = ["verify", "agl"].map((kind) => jobs.find((job) => job.kind === kind && job.state === "done")).filter(Boolean);
  const results = await Promise.all(done.map((job) => resultOf(job).catch(() => null)));
  const curves = results.flatMap((result) => result?.curves.kappa ?? []);
  return curves.filter((curve, k) => curves.findIndex((one) => one.name === curve.name) === k).map((curve) => ({ ...curve, name: CURVES[curve.name] ?? curve.name }));
}
const CURVES = { phonons: "phonons, verified", AGL: "AGL, computed" };

const queryOf = (settings) => new URLSearchParams({ temperature_k: settings.temperature, ...(settings.fidelity ? { fidelity: settings.fidelity } : {}) });

export const explained = (structure, settings, signal) => post(`/api/v1/explain?${queryOf(settings)}`, structure, signal);
export const recalled = (hash, settings, signal) => get(`/api/v1/crystals/${hash}?${queryOf(settings)}`, signal);

// Fill `host` with the details of a crystal: `ask` answers with an explanation, which may hold the structure itself.
// `settings` are what was asked, `place` names the place on the page; `close`, if given, closes the details. The view in
// three dimensions comes when it is ready.
export async function showDetail(host, { ask, settings, structure, title, file, before, place, close }, signal) {
  host.classList.add("busy");
  try {
    const [answer, labels, model] = await Promise.all([ask(signal), theLabels(), theModel()]);
    const shown = structure ?? answer.structure;
    const jobs = answer.jobs ?? (answer.crystal && model.compute ? (await get(`/api/v1/jobs?crystal=${answer.crystal}`, signal)).jobs : []);
    answer.jobs = jobs;
    const computed = model.compute ? await computedCurves(jobs) : [];
    if (signal?.aborted) return answer;
    const scene = h("div", { class: "scene" });
    answer.row.file ??= file ?? answer.kept?.file ?? null;
    const path = answer.row.file;
    const names = [title ?? answer.kept?.name, path?.startsWith("/") ? path.split("/").at(-1) : path].filter((text, k, all) => text && text !== answer.row.formula && all.indexOf(text) === k);
    const temperature = h("div", { class: "half" }, temperatureCard(answer, computed));
    const renew = async () => temperature.replaceChildren(temperatureCard(answer, await computedCurves((await get(`/api/v1/jobs?crystal=${answer.crystal}`)).jobs)));
    host.replaceChildren(
      h("div", { class: "detail-head" }, h("h2", { tabindex: "-1" }, formula(answer.row.formula)), h("span", { class: "muted" }, names.join(" · ")), materialsProject(answer.row),
        close && button("Close", close, { class: "button small close" })),
      shareButtons(answer, settings),
      ...(before ? [before] : []),
      h("div", { class: "grid" },
        answerCard(answer),
        h("section", { class: "card half", "aria-label": "Structure" }, scene, crystalFacts(shown, answer.facts)),
        whyCard(answer.contributions),
        temperature,
        model.compute && answer.crystal ? computeCard({ answer, structure: shown, compute: model.compute, jobs, renew }) : null,
        amongCard(answer, labels),
        neighbours(answer.nearest)));
    showCrystal(scene, shown, { place, name: answer.row.formula, cif: answer.crystal && (() => saveFrom(`/api/v1/crystals/${answer.crystal}/cif`, `${answer.row.formula}.cif`)) });
    return answer;
  } finally {
    host.classList.remove("busy");
  }
}
