// The views, and navigation between them.

import { crystalHere, goToView, scannedHere } from "./address.js";
import { problem, theModel } from "./client.js";
import { $, h } from "./dom.js";
import { showEvidence } from "./evidence.js";
import { exploreTitle, showExplore, showScanned } from "./explore.js";
import { startFind } from "./find.js";
import { showApi } from "./help.js";
import { predictTitle, showAddressed, startPredict } from "./predict.js";

const SHOW = { predict: () => {}, explore: showExplore, evidence: showEvidence, api: showApi };
const filled = new Set();
let current = null;

function viewHere() {
  const wanted = location.hash.slice(1);
  return wanted in SHOW ? wanted : scannedHere() ? "explore" : "predict";
}

const title = (view) => ({ predict: predictTitle, explore: exploreTitle })[view]?.() ?? `${$(`${view}-title`).textContent} · kappatune`;

function go(first) {
  if (location.hash === "#main") return;
  const view = viewHere();
  if (location.hash === "#predict") goToView("predict", false);
  if (location.hash && crystalHere()) history.replaceState(null, "", `/${location.hash}`);
  for (const name of Object.keys(SHOW)) $(name).hidden = name !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = title(view);
  problem(null);
  const moved = current !== null && current !== view;
  current = view;
  if (!first && view === "predict") showAddressed();
  if (view === "explore" && filled.has(view)) showScanned();
  if (!first && moved) {
    $(`${view}-title`).focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  if (!filled.has(view)) {
    filled.add(view);
    Promise.resolve(SHOW[view]()).catch((error) => { filled.delete(view); problem(error); });
  }
}

for (const link of document.querySelectorAll("a[data-view]"))
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goToView(link.dataset.view, true);
    go(false);
  });
window.addEventListener("popstate", () => go(false));
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });
go(true);
startFind();
startPredict().catch(problem);
theModel()
  .then((model) => $("foot-model").replaceChildren(`model ${model.name}, kappatune ${model.kappatune} · `, h("a", { href: "/#evidence" }, "how far to trust it")))
  .catch(problem);
