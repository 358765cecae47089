// How good the model is and for which crystals; then the model card.

import { theModel } from "./client.js";
import { calibration } from "./curves.js";
import { count, drawn, fact, h, number, plural, typeset } from "./dom.js";
import { dotRows } from "./plots.js";
import { fidelityName } from "./words.js";

const LONG = 40;
const cellClass = (cell) => (typeof cell === "number" ? "number" : String(cell).length > LONG ? "reason" : null);
const table = (label, columns, rows) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, h("table", {},
  h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, typeset(name))))),
  h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", { class: cellClass(cell) }, typeof cell === "number" ? number(cell) : typeset(cell ?? "–"))))))));

const MOST_SOURCES = 4;
const sources = (all) => (all.length ? all.slice(0, MOST_SOURCES).join("; ") + (all.length > MOST_SOURCES ? `; and ${count(all.length - MOST_SOURCES)} more` : "") : "–");
const folded = (title, ...children) => h("details", { class: "card" }, h("summary", {}, title), children);

// --- the measured errors as rows: one for each kind of crystals ------------------------------------------------------

const ERROR = "mean abs log10 error";
const MEASURES = [
  ["typical error", "The mean of |log₁₀ κ/κ′| as a factor: 2 means that a value is typically off by a factor of 2, up or down. Two DFT calculations of one crystal differ by 1.2 to 1.5."],
  ["bias", "By how much values are too high (above 1) or too low in the mean."],
  ["held by 90 % intervals", "The share of values inside the interval that is meant to hold 90 % of them."],
];
const NAMES = [
  ["new formulas", "None of the formulas tested had been learnt, by any stage of the model."],
  ["new prototypes", "Nor any crystal with the same anonymous formula, space group and number of sites."],
  ["a new anion", "Nor any crystal with the same most electronegative element."],
  ["a new family", "Nor any crystal of the same family."],
  ["textbook crystals", "Measured values, their formulas left out."],
  ["measured Heuslers", "Half- and full-Heuslers, measured, their formulas left out."],
];

// Rows of a table as objects by column.
const records = ({ columns, rows }) => rows.map((row) => Object.fromEntries(columns.map((name, k) => [name, row[k]])));

function kindsOfCrystals(model) {
  const found = model.evidence.tables.flatMap(records);
  const rows = new Map();
  for (const r of found.filter((one) => one.rung && one.crystals && one[ERROR] !== undefined))
    rows.set(r.crystals, { ...rows.get(r.crystals), [r.rung]: { error: r[ERROR], bias: r["bias (log10)"], held: r["held by 90 %"], n: r.n } });
  return [...rows].map(([name, values]) => ({ name, values }));
}

function figures(rows) {
  if (!rows.length) return [];
  const pick = (key, change) => rows.map(({ name, values }) => ({ name, values: Object.fromEntries(Object.entries(values).filter(([, v]) => Number.isFinite(v[key])).map(([rung, v]) => [rung, change(v[key])])) }));
  const factor = (x) => 10 ** x;
  const times = (v) => `× ${number(v, 3)}`;
  const figure = (title, text, options) => h("section", { class: "card third", "aria-label": title }, h("h2", {}, title), h("p", { class: "small muted" }, text), drawn(h("div", { class: "plot" }), (width) => dotRows(width, { title, ...options })));
  return [h("div", { class: "grid" },
    figure("Typical error", "As a factor up or down; nearer to 1 is better.", { rows: pick("error", factor), from: 1, to: 3.5, log: true, ticks: [1, 1.5, 2, 3], format: times }),
    figure("Bias", "Above 1: predicted too high in the mean.", { rows: pick("bias", factor), from: 0.6, to: 3, log: true, ticks: [0.7, 1, 1.5, 2, 3], reference: 1, format: times }),
    figure("Held by 90 % intervals", "On the dashed line they hold what they promise.", { rows: pick("held", (x) => 100 * x), from: 30, to: 100, ticks: [40, 60, 80, 100], reference: 90, format: (v) => `${number(v, 2)} %` }))];
}

function measured(model) {
  if (!model.evidence)
    return [h("section", { class: "card" }, h("h2", {}, "Not measured"), h("p", {}, "No benchmark and no calibration was stored with this model (", h("code", {}, "evidence.json"), " in its folder): its intervals have not been checked against values it was not trained on, and its training errors are not a test."))];
  const { evidence } = model;
  const rows = kindsOfCrystals(model);
  const drawnRows = figures(rows);
  const names = drawnRows.length ? [...MEASURES, ...NAMES.filter(([name]) => rows.some((row) => row.name.includes(name)))] : [];
  return [
    ...drawnRows,
    h("section", { class: "card", "aria-label": "Names" }, h("h2", {}, "Names"),
      h("dl", { class: "names" }, [...model.rungs.map((rung) => [rung.fidelity, `${fidelityName(rung.fidelity).split(": ").at(-1)}. Learnt from ${count(rung.n_formulas)} formulas with ${count(rung.n_elements)} elements.`]), ...names]
        .map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))))),
    evidence.calibration.length > 0 && h("details", { class: "card", open: !drawnRows.length }, h("summary", {}, `Calibration at all levels, ${evidence.date}`),
      h("p", { class: "small muted" }, "Formulas the model had not learnt. On the dashed line, intervals hold as many values as they promise; below it, they are too narrow."),
      h("div", { class: "narrow" }, drawn(h("div", { class: "plot" }), (width) => calibration(width, evidence.calibration))),
      evidence.calibration.map((one) => [h("h3", {}, `Calibration of ${one.fidelity}`, one.n ? ` (${plural(one.n, "value")})` : ""), table(`Calibration of ${one.fidelity}`, ["promised share", ...one.nominal.map((v) => String(v))], [["observed share", ...one.observed.map((v) => v.toFixed(2))]])])),
    evidence.tables.length > 0 && folded(`All measured numbers, ${evidence.date}`, evidence.tables.map((one) => [h("h3", {}, one.title), table(one.title, one.columns, one.rows), one.note ? h("p", { class: "small muted" }, one.note.replaceAll("`", "")) : null])),
  ].filter(Boolean);
}

function card(m) {
  return [
    folded("What it was trained on", table("Training data", ["stage", "table", "kind", "crystals used", "left out", "source"], m.data.map((d) => [d.stage, d.file, d.fidelity, count(d.n_rows), count(d.n_left_out), sources(d.sources)])),
      h("h3", {}, "Training errors"),
      h("p", { class: "small muted" }, "Mean absolute error of each stage: on its validation part, which chose the epoch, or, where trees or a Gaussian process learn, in five folds by formula. Both are optimistic and not a test."),
      table("Errors of the stages", ["stage", "error of", "mean over members", "as a factor", "members"], m.stages.map((one) => [one.stage, one.what, one.mean === null ? "no validation part" : one.mean.toFixed(3), one.factor === null ? "–" : `× ${one.factor.toFixed(2)}`, one.errors.map((e) => e.toFixed(3)).join(", ")]))),
    folded("The model",
      h("dl", { class: "facts" }, fact("name", m.name), fact("made", m.created), fact("members", String(m.n_members)), fact("neighbours within", `${number(m.cutoff_angstrom)} Å`),
        fact("composition", m.composition), fact("recipe", m.recipe), fact("licence", m.licence), fact("host network", m.host, "wide")),
      table("Rungs", ["value", "formulas in training", "elements in training", "interval"], m.rungs.map((r) => [fidelityName(r.fidelity), count(r.n_formulas), count(r.n_elements), r.interval])),
      h("p", { class: "small muted" }, `Host from ${m.host_source}. Weights SHA-256 ${m.weights_sha256}. Made with ${Object.entries(m.versions).map(([k, v]) => `${k} ${v}`).join(", ")}.`)),
  ];
}

export async function showEvidence() {
  const model = await theModel();
  document.getElementById("evidence-body").replaceChildren(
    h("p", { class: "lead" }, typeset(model.description.replaceAll("`", ""))),
    ...measured(model), ...card(model));
}
