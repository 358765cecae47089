// The model card and the evidence.

import { theModel } from "./client.js";
import { fidelityName } from "./detail.js";
import { count, drawn, h, number, plural } from "./dom.js";
import { calibration } from "./plots.js";

const table = (label, columns, rows) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, h("table", {},
  h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
  h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", { class: kind(cell) }, typeof cell === "number" ? number(cell) : cell ?? "–")))))));

const LONG = 40;
const kind = (cell) => (typeof cell === "number" ? "number" : String(cell).length > LONG ? "reason" : null);

const fact = (name, value, kind = "") => h("div", { class: kind }, h("dt", {}, name), h("dd", {}, value));
const MOST_SOURCES = 4;
const sources = (all) => (all.length ? all.slice(0, MOST_SOURCES).join("; ") + (all.length > MOST_SOURCES ? `; and ${count(all.length - MOST_SOURCES)} more` : "") : "–");

const card = (title, ...children) => h("section", { class: "card", "aria-label": title }, h("h2", {}, title), children);

function measured(evidence) {
  if (!evidence) {
    return [card("Calibration", h("p", {}, "No calibration was stored with this model: its intervals have not been checked against values it was not trained on.")),
      card("Benchmarks", h("p", {}, "No benchmark results were stored with this model (", h("code", {}, "evidence.json"), " in its folder). The training errors above are not a test."))];
  }
  const plots = evidence.calibration.map((one) => h("div", { class: "card w6" }, h("h3", {}, fidelityName(one.fidelity), one.n ? ` (${plural(one.n, "crystal")})` : ""),
    drawn(h("div", { class: "plot" }), (width) => calibration(width, one)),
    table(`Calibration of ${one.fidelity}`, ["promised share", "observed share"], one.nominal.map((v, k) => [v, one.observed[k]]))));
  return [
    h("h2", {}, `Calibration, ${evidence.date}`),
    plots.length ? h("div", { class: "grid" }, plots) : h("p", {}, "No calibration was stored."),
    h("p", { class: "small muted" }, "On the dashed line, intervals hold as many values as they promise; below it, they are too narrow."),
    ...(evidence.tables.length ? evidence.tables.map((one) => card(one.title, table(one.title, one.columns, one.rows), one.note ? h("p", { class: "small muted" }, one.note) : null)) : [h("p", {}, "No benchmark results were stored.")]),
  ];
}

export async function showEvidence() {
  const m = await theModel();
  document.getElementById("evidence-body").replaceChildren(
    h("p", { class: "lead" }, m.description.replaceAll("`", "")),
    card("The model",
      h("dl", { class: "facts" }, fact("name", m.name), fact("made", m.created), fact("members", String(m.n_members)), fact("neighbours within", `${number(m.cutoff_angstrom)} Å`),
        fact("composition", m.composition), fact("recipe", m.recipe), fact("licence", m.licence), fact("host network", m.host, "wide")),
      h("p", { class: "small muted" }, `Host from ${m.host_source}. Weights SHA-256 ${m.weights_sha256}. Made with ${Object.entries(m.versions).map(([k, v]) => `${k} ${v}`).join(", ")}.`)),
    card("What it predicts", table("Rungs", ["value", "formulas in training", "elements in training", "interval"], m.rungs.map((r) => [fidelityName(r.fidelity), count(r.n_formulas), count(r.n_elements), r.interval]))),
    card("What it was trained on", table("Training data", ["stage", "table", "kind", "crystals used", "left out", "source"], m.data.map((d) => [d.stage, d.file, d.fidelity, count(d.n_rows), count(d.n_left_out), sources(d.sources)]))),
    card("Training errors",
      h("p", { class: "small muted" }, "Mean absolute error on the validation part of each stage. It chose the epoch, so it is optimistic and not a test."),
      table("Errors of the stages", ["stage", "error of", "mean over members", "as a factor", "members"], m.stages.map((one) => [one.stage, one.what, one.mean === null ? "no validation part" : one.mean.toFixed(3), one.factor === null ? "–" : `× ${one.factor.toFixed(2)}`, one.errors.map((e) => e.toFixed(3)).join(", ")]))),
    ...measured(m.evidence));
}
