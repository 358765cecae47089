// The result of a calculation: its answer in words, figures, and files.

import { get, saveFrom } from "./client.js";
import { cumulative, dispersion, energyVolume, states } from "./curves.js";
import { button, drawn, fact, h, number, typeset } from "./dom.js";
import { sentence } from "./words.js";

const REMEMBERED = 8;
const results = new Map();

// The result of a job that is done, asked for once: figures and the curve of κ(T) are drawn of the same one.
export function resultOf(job) {
  const key = `${job.id} ${job.ended}`;
  if (!results.has(key)) {
    if (results.size >= REMEMBERED) results.delete(results.keys().next().value);
    results.set(key, get(`/api/v1/jobs/${job.id}/result`).catch((error) => { results.delete(key); throw error; }));
  }
  return results.get(key);
}

const VERDICTS = {
  agrees: ["inside", "✓", "The prediction agrees"], "prediction too low": ["outside", "▲", "The prediction is too low"],
  "prediction too high": ["outside", "▲", "The prediction is too high"], "not judged": ["unknown", "○", "Not judged"],
};
const present = (value, digits, unit) => (value === null || value === undefined ? null : `${number(value, digits)} ${unit}`.trim());

// To a hundredth of a THz: what is less is noise of the forces.
const frequency = (thz) => (thz === null || thz === undefined ? null : `${thz.toFixed(2).replace(/^-(0\.00)$/, "$1").replace("-", "−")} THz`);
const times = (text) => text?.replace(/(\d)x(?=\d)/g, "$1 × ");

function headline(kappa, unit) {
  return kappa === null || kappa === undefined ? null : h("p", { class: "kappa second" }, number(kappa), " ", h("small", {}, unit));
}

function verdict(row) {
  const [kind, sign, words] = VERDICTS[row.verdict] ?? VERDICTS["not judged"];
  return h("div", { class: `light ${kind}` }, h("span", { "aria-hidden": "true" }, sign), h("span", {}, h("b", {}, words), row.because ? [": ", typeset(row.because), "."] : "."));
}

function verification(row, quality) {
  const best = row.kappa_best_w_mk ?? null;
  const predicted = present(row.predicted_w_mk, 3, "W/(m K)");
  return [
    headline(row.kappa_bte_w_mk, "W/(m K) at 300 K from phonons"),
    row.kappa_bte_w_mk === null ? null : verdict(row),
    h("dl", { class: "facts" }, [
      ["best estimate of both", best === null ? null : `${number(best)} W/(m K)${row.best_lower_w_mk ? `, ${number(row.best_lower_w_mk)} to ${number(row.best_upper_w_mk)}` : ""}`],
      ["compared with the prediction", predicted && `${predicted}, ${row.model}`], ["quality", quality],
      ["AGL with the same potential", present(row.agl_w_mk, 3, "W/(m K)")], ["lowest frequency", frequency(row.lowest_frequency_thz)],
      ["repeated cell", times(row.supercell)], ["mesh", times(row.mesh)], ["force calculations", row.n_forces === null ? null : String(row.n_forces)], ["potential", row.potential],
    ].filter(([, value]) => value).map(([name, value]) => fact(name, value)))];
}

function agl(row) {
  return [
    headline(row.kappa_w_mk, "W/(m K) at 300 K by AGL"),
    h("dl", { class: "facts" }, [
      ["Debye temperature θ of the cell", present(row.debye_temperature_k, 3, "K")], ["Grüneisen parameter γ", present(row.gruneisen, 3, "")],
      ["bulk modulus", present(row.bulk_modulus_gpa, 3, "GPa")], ["shear modulus", present(row.shear_modulus_gpa, 3, "GPa")],
      ["thermal expansion", present(row.thermal_expansion_per_k, 3, "K⁻¹")], ["potential", row.potential],
    ].filter(([, value]) => value).map(([name, value]) => fact(name, value)))];
}

const figure = (title, draw) => h("section", { class: "figure" }, h("h5", {}, title), drawn(h("div", { class: "plot" }), draw));

function figures(curves) {
  const { energy_volume: ev, dispersion: bands, dos, cumulative: byFrequency, cumulative_mean_free_path: byPath } = curves;
  const all = [
    ev && figure("Energy and volume", (width) => energyVolume(width, ev)),
    bands && figure("Phonon dispersion", (width) => dispersion(width, bands)),
    dos && figure("Density of states", (width) => states(width, dos)),
    byFrequency && figure("Which phonons carry the heat", (width) => cumulative(width, byFrequency.frequency_thz, byFrequency.kappa_w_mk, { title: "frequency", unit: "THz" })),
    byPath && figure("Mean free paths", (width) => cumulative(width, byPath.mean_free_path_nm, byPath.kappa_w_mk, { title: "mean free path", unit: "nm", log: true }))];
  return h("div", { class: "figures" }, all);
}

const size = (bytes) => (bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${number(bytes / 1e6, 2)} MB`);

function downloads(job, files) {
  return h("details", { class: "small" }, h("summary", {}, `Files (${files.length})`), h("ul", { class: "files" }, files.map((file) => h("li", {},
    button(file.name, () => saveFrom(`/api/v1/jobs/${job.id}/files/${encodeURIComponent(file.name)}`, file.name), { class: "link" }), h("span", { class: "muted" }, ` ${size(file.bytes)}, ${file.about}`)))));
}

// The elements of a result.
export function jobResult({ job, row, curves, files }) {
  const reason = row.reason ?? job.reason;
  return [
    ...(job.kind === "verify" ? verification(row, job.quality) : agl(row)),
    reason && h("div", { class: "light outside" }, h("span", { "aria-hidden": "true" }, "▲"), h("span", {}, h("b", {}, "No value"), ": ", typeset(reason), ".")),
    row.warnings?.length ? h("ul", { class: "remarks" }, row.warnings.map((text) => h("li", {}, typeset(sentence(text))))) : null,
    figures(curves), downloads(job, files),
  ].filter(Boolean);
}
