// An answer to take along: its address, its row as JSON or CSV, and what to cite as BibTeX.

import { crystalPath } from "./address.js";
import { theModel } from "./client.js";
import { button, h } from "./dom.js";

export const COLUMNS = ["id", "file", "formula", "temperature_k", "kappa_w_mk", "lower_w_mk", "upper_w_mk", "debye_temperature_k", "gruneisen", "in_domain", "reason", "remarks", "interval"];

// Text that a spreadsheet would take for a formula gets an apostrophe in front.
function cell(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return cell(value.join("; "));
  if (typeof value === "boolean") return value ? "True" : "False";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csvOf = (rows) => `${[COLUMNS.join(","), ...rows.map((row) => COLUMNS.map((key) => cell(row[key])).join(","))].join("\n")}\n`;

const WORKS = {
  megnet: `@article{chen2019graph,
  author = {Chen, Chi and Ye, Weike and Zuo, Yunxing and Zheng, Chen and Ong, Shyue Ping},
  title = {Graph Networks as a Universal Machine Learning Framework for Molecules and Crystals},
  journal = {Chemistry of Materials}, volume = {31}, pages = {3564}, year = {2019}
}`,
  agl: `@article{toher2014highthroughput,
  author = {Toher, Cormac and Plata, Jose J. and Levy, Ohad and de Jong, Maarten and Asta, Mark and Buongiorno Nardelli, Marco and Curtarolo, Stefano},
  title = {High-throughput computational screening of thermal conductivity, {Debye} temperature, and {Gr\\"uneisen} parameter using a quasiharmonic {Debye} model},
  journal = {Physical Review B}, volume = {90}, pages = {174107}, year = {2014}
}`,
  dft: `@misc{klochko2024transfer,
  author = {Klochko, Liudmyla and d'Aquin, Mathieu and Togo, Atsushi and Chaput, Laurent},
  title = {Transfer Learning for Deep Learning-based Prediction of Lattice Thermal Conductivity},
  year = {2024}, eprint = {2411.18259}, archivePrefix = {arXiv}
}`,
  phonons: `@article{togo2023implementation,
  author = {Togo, Atsushi and Chaput, Laurent and Tadano, Terumasa and Tanaka, Isao},
  title = {Implementation strategies in phonopy and phono3py},
  journal = {Journal of Physics: Condensed Matter}, volume = {35}, pages = {353001}, year = {2023}
}`,
};

const braced = (text) => text.replace(/[{}\\]/g, "").replace(/[&%#_]/g, "\\$&");

// The model, what it grew from, and where the nearest labelled crystals have their values from.
export function bibtexOf(model, answer) {
  const sources = model.data.flatMap((table) => table.sources).join(" ");
  const own = `@software{kappatune,
  title = {kappatune: lattice thermal conductivity of crystals from very little data},
  author = {{The kappatune developers}},
  version = {${model.kappatune}}, year = {${model.created.slice(0, 4)}},
  note = {Model ${braced(model.name)} of ${model.created}, weights SHA-256 ${model.weights_sha256.slice(0, 16)}}
}`;
  const nearest = answer.nearest.map((one) => `% nearest: ${one.formula}, ${one.fidelity}, ${one.source.replaceAll("\n", " ") || "no source given"}`);
  return [own, /megnet/i.test(model.host_source) && WORKS.megnet, /AFLOW/i.test(sources) && WORKS.agl, /ParAIsite/i.test(sources) && WORKS.dft,
    answer.jobs?.some((job) => job.kind === "verify" && job.state === "done") && WORKS.phonons, nearest.join("\n")].filter(Boolean).join("\n\n") + "\n";
}

// Also where the clipboard is closed, as on a server without TLS.
async function toClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "unseen" });
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("this browser does not let the page copy");
  return undefined;
}

// Buttons that copy an answer, given with these settings.
export function shareButtons(answer, settings) {
  const said = h("span", { class: "small muted", role: "status" });
  const copy = (name, text) => button(name, async () => {
    try {
      await toClipboard(await text());
      said.textContent = `${name} copied.`;
    } catch (error) {
      said.textContent = `Not copied: ${error.message || error}.`;
    }
  }, { title: `Copy as ${name}` });
  return h("div", { class: "row share", role: "group", "aria-label": "Copy" },
    h("span", { class: "small muted", "aria-hidden": "true" }, "Copy"),
    answer.crystal && copy("Link", () => location.origin + crystalPath(answer.crystal, settings)),
    copy("JSON", () => JSON.stringify(answer.row, null, 2)), copy("CSV", () => csvOf([answer.row])),
    copy("BibTeX", async () => bibtexOf(await theModel(), answer)), said);
}

// The entry of the Materials Project that a name or file names.
export function materialsProject(row) {
  const id = /(?:^|[^A-Za-z0-9])(mp-\d{1,9})(?!\d)/.exec(`${row.id ?? ""} ${row.file ?? ""}`)?.[1];
  return id ? h("a", { href: `https://materialsproject.org/materials/${id}`, target: "_blank", rel: "noopener noreferrer" }, `${id} in the Materials Project`) : null;
}
