// Files in, rows out.

import { problem, stream, theModel } from "./client.js";
import { fidelityName, showDetail } from "./detail.js";
import { $, button, count, download, formula, h, number, plural, sign } from "./dom.js";

const COLUMNS = ["id", "file", "formula", "temperature_k", "kappa_w_mk", "lower_w_mk", "upper_w_mk", "debye_temperature_k", "gruneisen", "in_domain", "reason", "remarks", "interval"];
const SHOWN = [
  ["id", "crystal"], ["formula", "formula"], ["kappa_w_mk", "κ, W/(m K)", true], ["lower_w_mk", "90 % from", true], ["upper_w_mk", "to, W/(m K)", true],
  ["debye_temperature_k", "θ, K", true], ["gruneisen", "γ", true], ["in_domain", "in domain"], ["reason", "remark"],
];
const PAGE = 100;
const MOST_FAILURES = 500;
const REDRAW_MS = 250;

const state = { files: [], entries: [], failed: [], order: null, descending: false, page: 0, chosen: null, running: null, explaining: null, drawnAt: 0 };

const settings = () => ({ fidelity: $("fidelity").value, temperature: Number($("temperature").value) || 300 });

// --- requests ---------------------------------------------------------------------------------------------------------

function portions(files, limits) {
  const groups = [[]];
  let bytes = 0;
  for (const file of files) {
    if (groups.at(-1).length && (groups.at(-1).length >= limits.files || bytes + file.size > limits.body_bytes * 0.95)) { groups.push([]); bytes = 0; }
    groups.at(-1).push(file);
    bytes += file.size + 300;
  }
  return groups;
}

async function run(files) {
  if (!files.length) return;
  state.running?.abort();
  state.explaining?.abort();
  const mine = new AbortController();
  Object.assign(state, { files, entries: [], failed: [], order: null, descending: false, page: 0, chosen: null, running: mine });
  problem(null);
  $("detail").replaceChildren();
  redraw(true);
  progress(0, files.length);
  $("status").textContent = `Working on ${plural(files.length, "file")} …`;
  let ended = null;
  try {
    const { limits } = await theModel();
    let done = 0;
    const groups = portions(files, limits);
    for (const group of groups) {
      const form = new FormData();
      for (const file of group) form.append("files", file, file.path || file.webkitRelativePath || file.name);
      const { fidelity, temperature } = settings();
      const query = new URLSearchParams({ temperature_k: temperature, ...(fidelity ? { fidelity } : {}) });
      let within = 0;
      await stream(`/api/v1/predict?${query}`, form, mine.signal, (line) => {
        within = line.files;
        if (line.error) throw new Error(line.error);
        if (line.row) take(line);
        progress(done + line.files_done, Math.max(files.length - group.length + line.files, done + line.files));
      });
      done += within;
    }
  } catch (error) {
    ended = error;
  }
  if (state.running !== mine) return;
  state.running = null;
  $("progress").hidden = true;
  redraw(true);
  const n = state.entries.length + state.failed.length;
  const summary = state.failed.length ? `${plural(n, "crystal")}: ${count(state.entries.length)} answered, ${count(state.failed.length)} without an answer.` : `${plural(n, "crystal")} answered.`;
  $("status").textContent = ended?.name === "AbortError" ? `Cancelled. ${summary}` : summary;
  problem(ended);
  if (state.chosen === null && state.entries.length) choose(state.entries[0]);
}

function take(line) {
  const entry = { row: line.row, structure: line.structure, place: state.entries.length + state.failed.length };
  (line.row.kappa_w_mk === null ? state.failed : state.entries).push(entry);
  if (state.entries.length === 1 && state.chosen === null && line.row.kappa_w_mk !== null) choose(entry);
  redraw(false);
}

function progress(done, total) {
  $("progress").hidden = false;
  $("progress-bar").max = Math.max(total, 1);
  $("progress-bar").value = done;
  $("progress-word").textContent = `${count(done)} of ${plural(total, "file")}`;
}

// --- display --------------------------------------------------------------------------------------------------------

function redraw(now) {
  if (!now && performance.now() - state.drawnAt < REDRAW_MS) return;
  state.drawnAt = performance.now();
  drawBatch();
  drawFailures();
}

function sorted() {
  if (!state.order) return state.entries;
  const key = state.order;
  const way = state.descending ? -1 : 1;
  return [...state.entries].sort((a, b) => {
    const [x, y] = [a.row[key], b.row[key]];
    if (x === null || y === null) return (x === null) - (y === null);
    return way * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y) || a.place - b.place;
  });
}

function drawBatch() {
  const many = state.entries.length > 1 || (state.entries.length && state.failed.length);
  $("batch").hidden = !many;
  if (!many) return;
  $("batch-title").textContent = plural(state.entries.length, "crystal");
  const rows = sorted().slice(state.page * PAGE, (state.page + 1) * PAGE);
  $("batch-table").replaceChildren(
    h("thead", {}, h("tr", {}, SHOWN.map(([key, title, isNumber]) => h("th", {
      scope: "col", class: isNumber ? "number" : null, "aria-sort": state.order === key ? (state.descending ? "descending" : "ascending") : "none",
    }, h("button", { type: "button", "data-sort": key, onclick: () => sortBy(key) }, title, state.order === key ? (state.descending ? " ↓" : " ↑") : ""))))),
    h("tbody", {}, rows.map((entry) => {
      const { row } = entry;
      return h("tr", { class: entry === state.chosen ? "chosen" : null },
        h("td", { class: "name" }, h("button", { type: "button", class: "link", "aria-pressed": entry === state.chosen ? "true" : "false", onclick: () => choose(entry, true) }, row.id || "–")),
        h("td", {}, formula(row.formula)),
        ["kappa_w_mk", "lower_w_mk", "upper_w_mk", "debye_temperature_k", "gruneisen"].map((key) => h("td", { class: "number" }, number(row[key]))),
        h("td", {}, sign(row.in_domain)), h("td", { class: "reason" }, [row.reason, ...row.remarks.map((remark) => remark.split(":")[0])].filter(Boolean).join("; ")));
    })));
  const pages = Math.ceil(state.entries.length / PAGE);
  $("batch-pages").replaceChildren(...(pages > 1 ? [
    button("Previous", () => { state.page -= 1; redraw(true); }, { disabled: state.page === 0 }),
    h("span", { class: "small" }, `page ${state.page + 1} of ${pages}`),
    button("Next", () => { state.page += 1; redraw(true); }, { disabled: state.page >= pages - 1 })] : []));
}

function sortBy(key) {
  if (state.order === key) state.descending = !state.descending;
  else Object.assign(state, { order: key, descending: false });
  state.page = 0;
  redraw(true);
  document.querySelector(`[data-sort="${key}"]`)?.focus();
}

function drawFailures() {
  $("failures").hidden = !state.failed.length;
  $("failures-title").textContent = `${plural(state.failed.length, "crystal")} without an answer`;
  $("failures-rows").replaceChildren(...state.failed.slice(0, MOST_FAILURES).map(({ row }) =>
    h("tr", {}, h("td", { class: "name" }, row.file || row.id, row.file && row.id && !row.file.includes(row.id) ? ` · ${row.id}` : ""), h("td", { class: "reason" }, row.reason))));
  if (state.failed.length > MOST_FAILURES) $("failures-rows").append(h("tr", {}, h("td", { colspan: "2" }, `and ${count(state.failed.length - MOST_FAILURES)} more, in the CSV`)));
}

async function choose(entry, byHand = false) {
  state.explaining?.abort();
  state.explaining = new AbortController();
  state.chosen = entry;
  drawBatch();
  try {
    await showDetail($("detail"), { structure: entry.structure, title: entry.row.id, subtitle: entry.row.file !== entry.row.id ? entry.row.file : "" }, settings(), state.explaining.signal);
    if (byHand) {
      $("detail").scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
      $("detail").querySelector("h2")?.focus({ preventScroll: true });
    }
  } catch (error) {
    problem(error);
  }
}

// Text that a spreadsheet would take for a formula gets an apostrophe in front.
function cell(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return cell(value.join("; "));
  if (typeof value === "boolean") return value ? "True" : "False";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csv() {
  const rows = [...state.entries, ...state.failed].sort((a, b) => a.place - b.place);
  const lines = [COLUMNS.join(","), ...rows.map(({ row }) => COLUMNS.map((key) => cell(row[key])).join(","))];
  download("kappa.csv", `${lines.join("\n")}\n`, "text/csv");
}

// --- dropping and pasting -------------------------------------------------------------------------------------------

async function filesOf(entry, path = "") {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    file.path = path + file.name;
    return [file];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    for (const one of some) if (!one.name.startsWith(".")) found.push(...await filesOf(one, `${path}${entry.name}/`));
  }
  return found;
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) {
    const text = transfer.getData("text/plain");
    return transfer.files.length ? [...transfer.files] : text ? [new File([text], "dropped")] : [];
  }
  return (await Promise.all(entries.map((entry) => filesOf(entry)))).flat();
}

const pasted = (text) => (text.trim() ? [new File([text], "pasted")] : []);

export function startPredict() {
  const drop = $("drop");
  for (const kind of ["dragover", "dragenter"]) document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const files = dropped(event.dataTransfer);
    location.hash = "#predict";
    run(await files).catch(problem);
  });
  document.addEventListener("paste", (event) => {
    if (/^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName) || $("predict").hidden) return;
    const files = event.clipboardData.files.length ? [...event.clipboardData.files] : pasted(event.clipboardData.getData("text/plain"));
    run(files).catch(problem);
  });
  $("files").addEventListener("change", (event) => { const files = [...event.target.files]; run(files).catch(problem); event.target.value = ""; });
  $("paste-open").addEventListener("click", () => {
    $("paste").hidden = !$("paste").hidden;
    $("paste-open").setAttribute("aria-expanded", String(!$("paste").hidden));
    if (!$("paste").hidden) $("paste-text").focus();
  });
  $("paste-go").addEventListener("click", () => run(pasted($("paste-text").value)).catch(problem));
  $("cancel").addEventListener("click", () => state.running?.abort());
  $("csv").addEventListener("click", csv);
  for (const one of document.querySelectorAll("[data-example]"))
    one.addEventListener("click", async () => {
      const name = `${one.dataset.example}.cif`;
      try { await run([new File([await (await fetch(`/examples/${name}`)).text()], name)]); } catch (error) { problem(error); }
    });
  $("settings").addEventListener("submit", (event) => event.preventDefault());
  $("settings").addEventListener("change", again);
  theModel().then((model) => $("fidelity").replaceChildren(...model.rungs.map((rung) => h("option", { value: rung.fidelity, selected: rung.fidelity === model.default_fidelity }, fidelityName(rung.fidelity))))).catch(problem);
}

// Another rung or temperature: predict the same files again.
function again() {
  if (state.files.length) run(state.files).catch(problem);
}
