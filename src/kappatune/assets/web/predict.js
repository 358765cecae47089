// Files in, rows out, and the crystal that is looked at.

import { crystalHere, crystalPath, predictIsAt, settingsHere } from "./address.js";
import { drawBatch, drawFailures } from "./batch_table.js";
import { problem, stream, theModel } from "./client.js";
import { explained, recalled, showDetail } from "./detail.js";
import { $, bringUp, count, download, h, plural } from "./dom.js";
import { dropped, pasted } from "./dropping.js";
import { keepBatch, keptBatch } from "./session.js";
import { csvOf } from "./share.js";
import { fidelityName } from "./words.js";

const REDRAW_MS = 250;
const EMPTY = { entries: [], failed: [], order: null, descending: false, page: 0, chosen: null, filesDone: 0, files: 0, made: null };

const state = { ...EMPTY, sent: [], shown: null, formula: null, running: null, explaining: null, drawnAt: 0 };

let usual = "";
const settings = () => ({ fidelity: $("fidelity").value === usual ? "" : $("fidelity").value, temperature: Number($("temperature").value) || 300 });
const isShown = () => !$("predict").hidden;

// The crystal that is shown, for the tab and for bookmarks.
export const predictTitle = () => (state.formula ? `${state.formula} · kappatune` : "kappatune");

function callIt(formula) {
  state.formula = formula;
  if (isShown()) document.title = predictTitle();
}

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

async function send(group, before, mine) {
  const form = new FormData();
  for (const file of group) form.append("files", file, file.path || file.webkitRelativePath || file.name);
  const { fidelity, temperature } = settings();
  const query = new URLSearchParams({ temperature_k: temperature, ...(fidelity ? { fidelity } : {}) });
  let [files, begun, last] = [group.length, 0, undefined];
  await stream(`/api/v1/predict?${query}`, form, mine.signal, (line) => {
    files = line.files;
    if (line.error) throw new Error(line.error);
    state.files = Math.max(state.sent.length - group.length + files, before + files);
    if (!line.row) return;
    if (line.row.file !== last) begun += 1;
    last = line.row.file;
    state.filesDone = before + Math.min(begun, files);
    take(line);
  });
  return files;
}

async function run(files) {
  if (!files.length) return;
  state.running?.abort();
  state.explaining?.abort();
  const mine = new AbortController();
  Object.assign(state, EMPTY, { entries: [], failed: [], sent: files, files: files.length, running: mine, made: { ...settings(), fidelity: $("fidelity").value } });
  problem(null);
  close();
  redraw(true);
  $("status").textContent = `Working on ${plural(files.length, "file")} …`;
  let ended = null;
  try {
    const { limits } = await theModel();
    let done = 0;
    for (const group of portions(files, limits)) done += await send(group, done, mine);
  } catch (error) {
    ended = error;
  }
  if (state.running !== mine) return;
  state.running = null;
  redraw(true);
  keepBatch(state);
  const n = state.entries.length + state.failed.length;
  const summary = state.failed.length ? `${plural(n, "crystal")}: ${count(state.entries.length)} answered, ${count(state.failed.length)} without an answer.` : `${plural(n, "crystal")} answered.`;
  $("status").textContent = ended?.name === "AbortError" ? `Cancelled. ${summary}` : summary;
  problem(ended);
  if (state.shown === null && state.entries.length === 1) look(state.entries[0]);
}

function take(line) {
  const entry = { row: line.row, structure: line.structure, crystal: line.crystal ?? null, place: state.entries.length + state.failed.length };
  (line.row.kappa_w_mk === null ? state.failed : state.entries).push(entry);
  redraw(false);
}

// --- display ----------------------------------------------------------------------------------------------------------

function redraw(now) {
  if (!now && performance.now() - state.drawnAt < REDRAW_MS) return;
  state.drawnAt = performance.now();
  $("progress").hidden = !state.running;
  $("progress-bar").max = Math.max(state.files, 1);
  $("progress-bar").value = state.filesDone;
  $("progress-word").textContent = `${count(state.filesDone)} of ${plural(state.files, "file")}`;
  drawBatch(state, { choose: (entry) => look(entry, true), sortBy, turn: (by) => { state.page += by; redraw(true); } });
  drawFailures(state);
  layOut();
}

// A crystal stands beside the table where there is room, above it where there is not. The page's head is small from the
// first question on, so that nothing moves under the pointer when the first answer comes.
function layOut() {
  const isAsked = state.running || state.shown !== null || state.entries.length + state.failed.length > 0;
  $("predict").classList.toggle("answered", Boolean(isAsked));
  $("work").classList.toggle("beside", state.shown !== null && !$("batch").hidden);
}

function sortBy(key) {
  if (state.order === key) state.descending = !state.descending;
  else Object.assign(state, { order: key, descending: false });
  state.page = 0;
  redraw(true);
  document.querySelector(`[data-sort="${key}"]`)?.focus();
}

function close() {
  state.explaining?.abort();
  Object.assign(state, { chosen: null, shown: null });
  callIt(null);
  $("detail").replaceChildren();
  predictIsAt("/", { shown: isShown() });
}

function closeByHand() {
  const row = $("batch-table").querySelector(".chosen");
  const back = row ? [...$("batch-table").querySelectorAll("tbody tr")].indexOf(row) : -1;
  close();
  redraw(true);
  ($("batch-table").querySelectorAll("tbody tr")[back]?.querySelector("button") ?? $("files")).focus();
}

// Look at a crystal of the batch.
function look(entry, byHand = false) {
  const ask = entry.structure ? (signal) => explained(entry.structure, settings(), signal) : (signal) => recalled(entry.crystal, settings(), signal);
  state.chosen = entry;
  return show({ ask, structure: entry.structure, title: entry.row.id, file: entry.row.file }, entry.crystal, byHand);
}

async function show(what, hash, byHand) {
  state.explaining?.abort();
  const mine = (state.explaining = new AbortController());
  state.shown = hash ?? "";
  if (hash) predictIsAt(crystalPath(hash, settings()), { push: byHand, shown: isShown() });
  redraw(true);
  try {
    const answer = await showDetail($("detail"), { ...what, settings: settings(), place: "predict", close: closeByHand }, mine.signal);
    if (state.explaining === mine) callIt(answer.row.formula);
    if (byHand) {
      bringUp($("detail"));
    }
  } catch (error) {
    if (state.explaining === mine && error.name !== "AbortError") { close(); redraw(true); }
    problem(error);
  }
}

// Show what the address names: a crystal of the batch, one that the server remembers, or none.
export function showAddressed() {
  const hash = crystalHere();
  if (!hash) { if (state.shown !== null) { close(); redraw(true); } return; }
  const given = settingsHere();
  if (given.fidelity) $("fidelity").value = given.fidelity;
  $("temperature").value = given.temperature;
  if (hash === state.shown) return;
  const entry = state.entries.find((one) => one.crystal === hash);
  if (entry) look(entry);
  else { state.chosen = null; show({ ask: (signal) => recalled(hash, settings(), signal) }, hash, false); }
}

// Open a crystal that the server knows, as found by a search.
export function openCrystal(hash) {
  state.chosen = state.entries.find((one) => one.crystal === hash) ?? null;
  predictIsAt(crystalPath(hash, settings()), { push: true });
  return show({ ask: (signal) => recalled(hash, settings(), signal) }, hash, true);
}

function restore() {
  const kept = keptBatch();
  const hash = isShown() ? crystalHere() : null;
  if (!kept || (hash && !kept.entries.some((entry) => entry.crystal === hash))) return;
  Object.assign(state, kept);
  $("status").textContent = `${plural(kept.entries.length + kept.failed.length, "crystal")} of before the reload.`;
  redraw(true);
}

// Another rung or temperature: predict the same files again, or the crystal that is shown.
function again() {
  if (state.sent.length) { run(state.sent).catch(problem); return; }
  if (!state.shown) return;
  const hash = state.shown;
  show({ ask: (signal) => recalled(hash, settings(), signal) }, hash, false);
}

function csv() {
  const rows = [...state.entries, ...state.failed].sort((a, b) => a.place - b.place).map((entry) => entry.row);
  download("kappa.csv", csvOf(rows), "text/csv");
}

function takeFiles() {
  const drop = $("drop");
  for (const kind of ["dragover", "dragenter"]) document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const files = dropped(event.dataTransfer);
    document.querySelector('[data-view="predict"]').click();
    run(await files).catch(problem);
  });
  document.addEventListener("paste", (event) => {
    if (/^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName) || !isShown()) return;
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
  for (const one of document.querySelectorAll("[data-example]"))
    one.addEventListener("click", async () => {
      const name = `${one.dataset.example}.cif`;
      try { await run([new File([await (await fetch(`/examples/${name}`)).text()], name)]); } catch (error) { problem(error); }
    });
}

export async function startPredict() {
  takeFiles();
  $("cancel").addEventListener("click", () => state.running?.abort());
  $("csv").addEventListener("click", csv);
  $("settings").addEventListener("submit", (event) => event.preventDefault());
  $("settings").addEventListener("change", again);
  restore();
  const model = await theModel();
  usual = model.default_fidelity;
  $("fidelity").replaceChildren(...model.rungs.map((rung) => h("option", { value: rung.fidelity, selected: rung.fidelity === usual }, fidelityName(rung.fidelity))));
  if (isShown()) showAddressed();
}
