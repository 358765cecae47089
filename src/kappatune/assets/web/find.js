// Search by formula over the shipped tables, the user's table, the scan and what was asked before.

import { get, problem } from "./client.js";
import { openScanned } from "./explore.js";
import { $, button, formula, h, number, plural } from "./dom.js";
import { openCrystal } from "./predict.js";
import { kindOfValue } from "./words.js";

const MOST = 50;
const WHERE = { table: "labelled", scan: "scan", kept: "asked before" };

let asked = null;

function close() {
  asked?.abort();
  $("found").hidden = true;
  $("found").replaceChildren();
}

function open(one) {
  close();
  document.querySelector(`[data-view="${one.where === "scan" ? "explore" : "predict"}"]`).click();
  (one.where === "scan" ? openScanned(one) : openCrystal(one.crystal)).catch(problem);
}

function show({ query, total, found }) {
  const rows = found.map((one) => h("tr", {},
    h("th", { scope: "row" }, one.crystal || one.where === "scan" ? h("button", { type: "button", class: "link", onclick: () => open(one) }, formula(one.formula)) : formula(one.formula)),
    h("td", { class: "number" }, number(one.kappa_w_mk)),
    h("td", {}, one.where === "table" ? kindOfValue(one.fidelity) : "predicted"),
    h("td", {}, one.table ?? WHERE[one.where]), h("td", { class: "name" }, one.id), h("td", { class: "reason" }, one.source || "–")));
  const more = total > found.length ? `, the first ${found.length} are listed` : "";
  $("found").replaceChildren(
    h("div", { class: "row spread" }, h("h2", { id: "found-title", tabindex: "-1" }, total ? [`${plural(total, "crystal")} of `, formula(query), more] : ["No crystal of ", formula(query)]), button("Close", close)),
    ...(rows.length ? [h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-labelledby": "found-title" }, h("table", {},
      h("thead", {}, h("tr", {}, ["formula", "κ, W/(m K)", "value", "where", "crystal", "source"].map((text, k) => h("th", { scope: "col", class: k === 1 ? "number" : null }, text)))),
      h("tbody", {}, rows)))] : [h("p", { class: "muted" }, "Neither the labelled crystals, nor the scan, nor what was asked before has it. Drop a structure file to predict it.")]));
  $("found").hidden = false;
  $("found-title").focus({ preventScroll: true });
  $("found").scrollIntoView({ block: "nearest" });
}

export function startFind() {
  $("find").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = $("find-formula").value.trim();
    if (!text) { close(); return; }
    asked?.abort();
    const mine = (asked = new AbortController());
    problem(null);
    try {
      show(await get(`/api/v1/search?${new URLSearchParams({ formula: text, limit: MOST })}`, mine.signal));
    } catch (error) {
      close();
      problem(error);
    }
  });
  $("found").addEventListener("keydown", (event) => { if (event.key === "Escape") { close(); $("find-formula").focus(); } });
}
