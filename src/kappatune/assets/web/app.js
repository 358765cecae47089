// The views, and navigation between them.

import { problem, theModel } from "./client.js";
import { $, h } from "./dom.js";
import { showApi } from "./help.js";
import { showEvidence } from "./evidence.js";
import { showExplore } from "./explore.js";
import { startPredict } from "./predict.js";

const SHOW = { predict: () => {}, explore: showExplore, evidence: showEvidence, api: showApi };
const shown = new Set();

function go(first) {
  const wanted = location.hash.slice(1);
  if (wanted === "main") return;
  const view = wanted in SHOW ? wanted : "predict";
  for (const name of Object.keys(SHOW)) $(name).hidden = name !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const title = $(`${view}-title`);
  document.title = view === "predict" ? "kappatune" : `${title.textContent} · kappatune`;
  problem(null);
  if (!first) {
    title.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  if (!shown.has(view)) {
    shown.add(view);
    Promise.resolve(SHOW[view]()).catch((error) => { shown.delete(view); problem(error); });
  }
}

window.addEventListener("hashchange", () => go(false));
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });
startPredict();
go(true);
theModel()
  .then((model) => $("foot-model").replaceChildren(`model ${model.name}, kappatune ${model.kappatune} · `, h("a", { href: "#evidence" }, "how far to trust it")))
  .catch(problem);
