// The results of a scan, filtered and paged on the server.

import { crystalHere, exploreIsAt, scannedHere } from "./address.js";
import { get, problem, theModel } from "./client.js";
import { explained, showDetail } from "./detail.js";
import { $, bringUp, button, code, count, drawn, formula, h, inPlace, number, plural, sign } from "./dom.js";
import { ELEMENTS } from "./elements.js";
import { histogram, scatter } from "./plots.js";
import { keepFilters, keptFilters } from "./session.js";

const PAGE = 50;
const PAUSE_MS = 200;
const AXES = { mean_mass_u: "mean atomic mass, u", n_atoms: "atoms in the cell", volume_per_atom_a3: "volume per atom, Å³", debye_temperature_k: "Debye temperature θ, K", gruneisen: "Grüneisen parameter γ" };
const COLUMNS = [
  ["formula", "formula"], ["kappa_w_mk", "κ, W/(m K)", true], ["lower_w_mk", "90 % from", true], ["upper_w_mk", "to, W/(m K)", true],
  ["debye_temperature_k", "θ, K", true], ["gruneisen", "γ", true], ["n_atoms", "atoms", true], [null, "in domain"], ["id", "crystal"],
];

const state = { elements: new Map(), order: "kappa_w_mk", descending: false, offset: 0, chosen: null, shown: null, formula: null, points: [], rows: null, asked: null, opened: null };
const part = {};
const FIELDS = ["kappa_min", "kappa_max", "find", "domain", "x"];

// The crystal that is shown, for the tab and for bookmarks.
export const exploreTitle = () => (state.formula ? `${state.formula} · kappatune` : null);

function filters() {
  const query = new URLSearchParams();
  for (const [symbol, kind] of state.elements) query.append(kind === "with" ? "elements" : "without", symbol);
  for (const name of ["kappa_min", "kappa_max", "find"]) if (part[name].value.trim()) query.set(name, part[name].value.trim());
  if (part.domain.value !== "any") query.set("domain", part.domain.value);
  return query;
}

let timer;
function changed() {
  state.offset = 0;
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(problem), PAUSE_MS);
}

const rowsOf = (signal) => {
  const query = filters();
  for (const key of ["order", "descending", "offset"]) query.set(key, state[key]);
  query.set("limit", PAGE);
  return get(`/api/v1/scan/rows?${query}`, signal);
};

async function refresh(pageOnly = false) {
  state.asked?.abort();
  const mine = (state.asked = new AbortController());
  part.results.classList.add("busy");
  try {
    const points = filters();
    points.set("x", part.x.value);
    keepFilters({ elements: [...state.elements], order: state.order, descending: state.descending, offset: state.offset, fields: FIELDS.map((name) => part[name].value) });
    const [rows, summary, cloud] = await Promise.all([
      rowsOf(mine.signal), ...(pageOnly ? [] : [get(`/api/v1/scan/summary?${filters()}`, mine.signal), get(`/api/v1/scan/points?${points}`, mine.signal)])]);
    problem(null);
    drawRows(rows);
    if (!pageOnly) {
      part.status.textContent = `${plural(rows.total, "crystal")} of ${count(part.about.n_answered)} pass the filters.`;
      part.histogram.replaceChildren(drawn(h("div", { class: "plot" }), (width) => histogram(width, summary.histogram)));
      state.points = cloud;
      drawScatter();
      markElements(summary.elements);
    }
  } finally {
    if (state.asked === mine) part.results.classList.remove("busy");
  }
}

function drawScatter() {
  const { points, total } = state.points;
  part.scatter.replaceChildren(drawn(h("div", { class: "plot" }), (width) => scatter(width, points, AXES[part.x.value], state.chosen, (point) => open(point, part.scatter))));
  part.sample.textContent = `${points.length < total ? `A fixed sample of ${count(points.length)} of ${count(total)} crystals. ` : ""}● in domain, ▲ out of domain. Click a point to open the crystal.`;
}

function drawRows({ rows, total }) {
  state.rows = { rows, total };
  part.table.replaceChildren(
    h("thead", {}, h("tr", {}, COLUMNS.map(([key, title, isNumber]) => h("th", { scope: "col", class: isNumber ? "number" : null, "aria-sort": key && state.order === key ? (state.descending ? "descending" : "ascending") : null },
      key ? h("button", { type: "button", "data-order": key, onclick: () => orderBy(key) }, title, state.order === key ? (state.descending ? " ↓" : " ↑") : "") : title)))),
    h("tbody", {}, rows.map((row) => h("tr", { class: state.chosen === `${row.part}/${row.row}` ? "chosen" : null },
      h("th", { scope: "row" }, h("button", { type: "button", class: "link", onclick: () => open(row, part.rows) }, formula(row.formula))),
      ["kappa_w_mk", "lower_w_mk", "upper_w_mk", "debye_temperature_k", "gruneisen"].map((key) => h("td", { class: "number" }, number(row[key]))),
      h("td", { class: "number" }, row.n_atoms ?? "–"), h("td", { class: "whole" }, sign(row.in_domain)), h("td", { class: "whole" }, row.id)))));
  const last = Math.min(state.offset + PAGE, total);
  part.pages.replaceChildren(
    button("Previous", () => turn(-PAGE), { disabled: state.offset === 0 }),
    h("span", { class: "small" }, total ? `${count(state.offset + 1)} to ${count(last)} of ${count(total)}` : "no crystal passes the filters"),
    button("Next", () => turn(PAGE), { disabled: last >= total }));
}

function turn(by) {
  state.offset += by;
  refresh(true).catch(problem);
}

async function orderBy(key) {
  if (state.order === key) state.descending = !state.descending;
  else Object.assign(state, { order: key, descending: false });
  state.offset = 0;
  await refresh(true).catch(problem);
  part.table.querySelector(`[data-order="${key}"]`)?.focus();
}

function mark(row, anchor = part.rows) {
  state.chosen = row && `${row.part}/${row.row}`;
  for (const one of part.scatter.querySelectorAll("[data-at]")) one.classList.toggle("chosen", one.dataset.at === state.chosen);
  inPlace(anchor, () => {
    if (!row) part.detail.replaceChildren();
    part.work.classList.toggle("beside", row !== null);
  });
  drawRows(state.rows);
}

function callIt(text) {
  state.formula = text;
  if (!$("explore").hidden) document.title = exploreTitle() ?? `${$("explore-title").textContent} · kappatune`;
}

function close() {
  const row = [...part.table.querySelectorAll("tbody tr")].findIndex((one) => one.classList.contains("chosen"));
  state.opened?.abort();
  state.shown = null;
  mark(null);
  callIt(null);
  exploreIsAt({ shown: !$("explore").hidden });
  part.table.querySelectorAll("tbody tr")[row]?.querySelector("button").focus({ preventScroll: true });
}

// Open a crystal of the scan beside its table; `anchor`, which was clicked, stays where it is. `push` keeps the present
// address in the history.
async function open(row, anchor, push = true) {
  state.opened?.abort();
  const mine = (state.opened = new AbortController());
  mark(row, anchor);
  try {
    const crystal = await get(`/api/v1/scan/crystal?part=${row.part}&row=${row.row}`, mine.signal);
    if (!crystal.lattice) throw new Error(`the scan has no structure for ${crystal.id}`);
    const structure = {
      id: crystal.id, lattice: [0, 3, 6].map((k) => crystal.lattice.slice(k, k + 3)), species: crystal.numbers.map((z) => ELEMENTS[z - 1]?.symbol ?? "X"),
      frac_coords: crystal.numbers.map((_, k) => crystal.frac_coords.slice(3 * k, 3 * k + 3)),
      remarks: (crystal.remarks ?? []).filter((remark) => remark.startsWith("formula differs:")),
    };
    const known = crystal.known_rungs?.length ? `; its formula is among the ${crystal.known_rungs.join(" and ")} training data` : "";
    const interval = crystal.lower_w_mk === null ? "" : ` (90 % interval ${number(crystal.lower_w_mk)} to ${number(crystal.upper_w_mk)}${crystal.interval && crystal.interval !== "calibrated" ? `, ${crystal.interval}` : ""})`;
    const before = h("p", { class: "small muted" }, `In the scan, by ${part.about.model ?? "its model"}: κ ${number(crystal.kappa_w_mk)} W/(m K)${interval}${known}. Below, by the model of this page:`);
    const settings = { temperature: 300, fidelity: "" };
    const ask = (signal) => explained(structure, settings, signal);
    const answer = await showDetail(part.detail, { ask, settings, structure, title: crystal.id, file: crystal.file, before, place: "explore", close }, mine.signal);
    if (state.opened !== mine) return;
    state.shown = answer.crystal;
    exploreIsAt({ hash: answer.crystal, scanned: { part: row.part, row: row.row }, push, shown: !$("explore").hidden });
    callIt(answer.row.formula);
    bringUp(part.detail);
  } catch (error) {
    problem(error);
  }
}

// Open a crystal of the scan by its part and row.
export async function openScanned(row) {
  await ready;
  await open(row);
}

// Show what the address names: a crystal of the scan, or none.
export async function showScanned() {
  const row = scannedHere();
  await ready;
  if (!part.work) return;
  if (!row) { if (state.chosen !== null) close(); } else if (crystalHere() !== state.shown) await open(row, undefined, false);
}

// --- the periodic table ---------------------------------------------------------------------------------------------

const NEXT = { undefined: "with", with: "without", without: undefined };
const SAID = { undefined: "", with: ", required", without: ", excluded" };

function markElements(counts) {
  for (const { symbol, name } of ELEMENTS) {
    const one = part.elements.get(symbol);
    const kind = state.elements.get(symbol);
    one.className = kind ?? (counts[symbol] ? "" : "absent");
    one.setAttribute("aria-label", `${name}, ${plural(counts[symbol] ?? 0, "crystal")}${SAID[kind]}`);
    one.title = one.getAttribute("aria-label");
  }
}

function periodicTable() {
  part.elements = new Map();
  const cells = ELEMENTS.map(({ symbol, name, row, column }) => {
    const one = h("button", { type: "button", "aria-label": name, onclick: () => {
      const kind = NEXT[state.elements.get(symbol)];
      if (kind) state.elements.set(symbol, kind);
      else state.elements.delete(symbol);
      one.className = kind ?? "";
      one.setAttribute("aria-label", `${name}${SAID[kind]}`);
      changed();
    } }, symbol);
    one.style.gridRow = row > 7 ? row - 1 : row;
    one.style.gridColumn = column;
    part.elements.set(symbol, one);
    return one;
  });
  return h("div", { class: "elements", role: "group", "aria-label": "Elements; press once to require one, twice to exclude it" }, h("div", {}, cells));
}

function field(name, label, attributes) {
  part[name] = h("input", { oninput: changed, ...attributes });
  return h("label", {}, label, part[name]);
}

function choice(name, label, options, onchange) {
  part[name] = h("select", { onchange }, Object.entries(options).map(([value, text]) => h("option", { value }, text)));
  return h("label", {}, label, part[name]);
}

function clear() {
  state.elements.clear();
  for (const name of ["kappa_min", "kappa_max", "find"]) part[name].value = "";
  part.domain.value = "any";
  changed();
}

function restore() {
  const kept = keptFilters();
  if (!kept) return;
  const { elements, order, descending, offset, fields } = kept;
  Object.assign(state, { elements: new Map(elements), order, descending, offset });
  FIELDS.forEach((name, k) => { part[name].value = fields[k]; });
}

function reasons(about) {
  if (!about.reasons.length) return [];
  return [h("details", { class: "small" }, h("summary", {}, `Why ${plural(about.n_rows - about.n_answered, "row")} have no answer`),
    h("ul", {}, about.reasons.map((one) => h("li", {}, `${count(one.n)}: ${one.reason}`))))];
}

let ready;
export const showExplore = () => (ready = fill().catch((error) => { ready = undefined; throw error; }));

async function fill() {
  const body = document.getElementById("explore-body");
  if (!(await theModel()).has_scan) {
    body.replaceChildren(h("p", { class: "lead" }, "This server was started without a scan. To make one and serve it:"),
      code("kappatune screen structures/ --out my-scan\nkappatune serve --scan my-scan"));
    return;
  }
  const about = (part.about = await get("/api/v1/scan"));
  for (const name of ["histogram", "scatter", "pages", "results"]) part[name] = h("div");
  part.table = h("table");
  part.rows = h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Table of the crystals" }, part.table);
  part.detail = h("section", { class: "detail", "aria-label": "The crystal" });
  part.work = h("div", { class: "work" }, h("div", { class: "list" }, part.results), part.detail);
  part.pages.className = "row pages";
  part.status = h("p", { class: "small muted", role: "status", "aria-live": "polite" });
  part.sample = h("p", { class: "small muted" });
  part.results.append(
    part.status,
    h("div", { class: "grid" },
      h("section", { class: "card half", "aria-label": "Distribution" }, h("h2", {}, "Distribution"), part.histogram),
      h("section", { class: "card half", "aria-label": "Scatter plot" },
        h("div", { class: "row spread" }, h("h2", {}, "Scatter plot"), h("span", { class: "small" }, choice("x", "κ against ", AXES, () => refresh().catch(problem)))), part.scatter, part.sample)),
    h("section", { class: "card", "aria-label": "Crystals of the scan" }, part.rows, part.pages));
  body.replaceChildren(
    h("p", { class: "lead" }, `${about.name}: ${plural(about.n_rows, "crystal")}, ${count(about.n_answered)} answered, ${count(about.n_in_domain)} of them in domain`,
      about.model ? `, by ${about.model} (${about.fidelity})` : "", about.complete ? "." : "; the scan is unfinished: this is what was done when the server started."),
    ...reasons(about),
    h("section", { class: "card", "aria-label": "Filters" },
      h("div", { class: "row spread" }, h("h2", {}, "Elements"), button("Clear filters", clear)),
      h("p", { class: "small muted" }, "Press an element once to require it, twice to exclude it."),
      periodicTable(),
      h("div", { class: "filters" },
        field("kappa_min", "κ from, W/(m K)", { type: "number", min: "0", step: "any", inputmode: "decimal" }),
        field("kappa_max", "κ to, W/(m K)", { type: "number", min: "0", step: "any", inputmode: "decimal" }),
        choice("domain", "Domain", { any: "all crystals", inside: "in domain", outside: "out of domain" }, changed),
        field("find", "Name or formula contains", { type: "search", maxlength: "80" }))),
    part.work);
  restore();
  await refresh();
  const row = scannedHere();
  if (row) await open(row, undefined, false);
}
