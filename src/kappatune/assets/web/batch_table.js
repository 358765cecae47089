// The table of many crystals, and the list of those without an answer.

import { $, button, count, formula, h, number, plural, sign } from "./dom.js";

const SHOWN = [
  ["id", "crystal"], ["formula", "formula"], ["kappa_w_mk", "κ, W/(m K)", true], ["lower_w_mk", "90 % from", true], ["upper_w_mk", "to, W/(m K)", true],
  ["debye_temperature_k", "θ, K", true], ["gruneisen", "γ", true], ["in_domain", "in domain"], ["reason", "remark"],
];
const PAGE = 100;
const MOST_FAILURES = 500;

function sorted({ entries, order: key, descending }) {
  if (!key) return entries;
  const way = descending ? -1 : 1;
  return [...entries].sort((a, b) => {
    const [x, y] = [a.row[key], b.row[key]];
    if (x === null || y === null) return (x === null) - (y === null);
    return way * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y) || a.place - b.place;
  });
}

const wordsOf = (row) => [row.reason, ...row.remarks.map((remark) => remark.split(":")[0])].filter(Boolean).join("; ");

function title({ entries, failed, running, files, filesDone, made }) {
  const rows = entries.length + failed.length;
  if (running) return rows <= files && rows === filesDone ? `${count(rows)} of ${plural(files, "crystal")}` : `${plural(rows, "crystal")} so far`;
  return `${plural(entries.length, "crystal")}${made?.fidelity ? `, ${made.fidelity} at ${number(made.temperature)} K` : ""}`;
}

// `state` has the entries; `choose(entry)`, `sortBy(key)` and `turn(by)` are called on clicks.
export function drawBatch(state, { choose, sortBy, turn }) {
  const many = state.entries.length > 1 || (state.entries.length > 0 && state.failed.length > 0);
  $("batch").hidden = !many;
  if (!many) return;
  $("batch-title").textContent = title(state);
  const rows = sorted(state).slice(state.page * PAGE, (state.page + 1) * PAGE);
  $("batch-table").replaceChildren(
    h("thead", {}, h("tr", {}, SHOWN.map(([key, text, isNumber]) => h("th", {
      scope: "col", class: isNumber ? "number" : null, "aria-sort": state.order === key ? (state.descending ? "descending" : "ascending") : "none",
    }, h("button", { type: "button", "data-sort": key, onclick: () => sortBy(key) }, text, state.order === key ? (state.descending ? " ↓" : " ↑") : ""))))),
    h("tbody", {}, rows.map((entry) => {
      const { row } = entry;
      const chosen = entry === state.chosen;
      return h("tr", { class: chosen ? "chosen" : null },
        h("th", { scope: "row" }, h("button", { type: "button", class: "link", "aria-pressed": String(chosen), onclick: () => choose(entry) }, row.id || "–")),
        h("td", {}, formula(row.formula)),
        ["kappa_w_mk", "lower_w_mk", "upper_w_mk", "debye_temperature_k", "gruneisen"].map((key) => h("td", { class: "number" }, number(row[key]))),
        h("td", { class: "whole" }, sign(row.in_domain)), h("td", { class: "reason" }, wordsOf(row)));
    })));
  const pages = Math.ceil(state.entries.length / PAGE);
  $("batch-pages").replaceChildren(...(pages > 1 ? [
    button("Previous", () => turn(-1), { disabled: state.page === 0 }),
    h("span", { class: "small" }, `page ${state.page + 1} of ${pages}`),
    button("Next", () => turn(1), { disabled: state.page >= pages - 1 })] : []));
}

export function drawFailures({ failed }) {
  $("failures").hidden = !failed.length;
  $("failures-title").textContent = `${plural(failed.length, "crystal")} without an answer`;
  $("failures-rows").replaceChildren(...failed.slice(0, MOST_FAILURES).map(({ row }) =>
    h("tr", {}, h("th", { scope: "row", class: "name" }, row.file || row.id, row.file && row.id && !row.file.includes(row.id) ? ` · ${row.id}` : ""), h("td", { class: "reason" }, row.reason))));
  if (failed.length > MOST_FAILURES) $("failures-rows").append(h("tr", {}, h("td", { colspan: "2" }, `and ${count(failed.length - MOST_FAILURES)} more, in the CSV`)));
}
