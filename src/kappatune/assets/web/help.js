// How to use the API.

import { theModel } from "./client.js";
import { $, code, count, h } from "./dom.js";

export async function showApi() {
  const { limits } = await theModel();
  const here = location.origin;
  const mib = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;
  $("api-body").replaceChildren(
    h("p", { class: "lead" }, "Everything on this page uses an HTTP API. ", h("a", { href: "/openapi.json" }, "openapi.json"), " describes all of it, with examples."),
    h("h2", {}, "Files"),
    code(`curl -F files=@mgo.cif -F files=@POSCAR '${here}/api/v1/predict'\ncurl -F files=@structures.zip '${here}/api/v1/predict?fidelity=agl&temperature_k=500'`),
    h("p", {}, "One row per crystal, in order, as ", h("code", {}, "kappatune predict --json"), " prints them. A file that cannot be read is a row with a reason. With ", h("code", {}, "Accept: application/x-ndjson"), " rows arrive line by line as they are ready."),
    h("h2", {}, "From Python"),
    code(`import requests\n\nbody = {"structures": [{\n    "id": "MgO",\n    "lattice": [[0, 2.106, 2.106], [2.106, 0, 2.106], [2.106, 2.106, 0]],  # Å, row vectors\n    "species": ["Mg", "O"],\n    "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]],\n}]}\nrows = requests.post("${here}/api/v1/predict", json=body).json()["rows"]\nrows[0]["kappa_w_mk"], rows[0]["lower_w_mk"], rows[0]["upper_w_mk"]`),
    h("h2", {}, "More"),
    h("ul", {}, [
      ["POST /api/v1/explain", "one structure: curve against temperature, nearest labelled crystals, contributions"],
      ["GET /api/v1/model", "the model card and the evidence"], ["GET /api/v1/labels", "the labelled crystals"],
      ["GET /api/v1/scan/rows", "crystals of the scan: elements, without, kappa_min, kappa_max, domain, find, order, descending, limit, offset"],
      ["GET /api/v1/crystals/HASH", "the same for a crystal that is known here, with its jobs"],
      ["GET /api/v1/search?formula=PbTe", "crystals by formula or chemical system"],
      ["POST /api/v1/jobs/estimate, POST /api/v1/jobs", "cost of AGL or of a verification; ask for it (with kappatune serve --compute)"],
      ["GET /healthz", "state of the server"]].map(([path, text]) => h("li", {}, h("code", {}, path), `: ${text}`))),
    h("h2", {}, "Limits"),
    h("p", {}, `One request may hold ${count(limits.files)} files (those inside ZIP archives count), ${count(limits.crystals)} crystals and ${mib(limits.body_bytes)}; one file ${mib(limits.file_bytes)}, one cell ${count(limits.atoms_per_crystal)} atoms. Larger requests are answered with 413, a busy server answers 503 and says when to try again. For whole databases, use `, h("code", {}, "kappatune screen"), "."));
}
