// Addresses: `/crystal/HASH?fidelity=agl&temperature_k=600` for an answer, `/#explore` and the like for the views. The
// address of a crystal that was opened in the scan is the same as that of any other; that it stands beside the scan is
// in the history's state, which a reload keeps.

const CRYSTAL = /^\/crystal\/([0-9a-f]{16})$/;
const USUAL_K = 300;

export const crystalHere = () => CRYSTAL.exec(location.pathname)?.[1] ?? null;

// The rung and temperature of this address; without a rung it is the model's usual one.
export function settingsHere() {
  const query = new URLSearchParams(location.search);
  return { fidelity: query.get("fidelity") ?? "", temperature: Number(query.get("temperature_k")) || USUAL_K };
}

export function crystalPath(hash, { fidelity = "", temperature = USUAL_K } = {}) {
  const query = new URLSearchParams();
  if (fidelity) query.set("fidelity", fidelity);
  if (temperature !== USUAL_K) query.set("temperature_k", temperature);
  return `/crystal/${hash}${query.size ? `?${query}` : ""}`;
}

// Where in the scan the crystal of this address was opened, `{ part, row }`, if it was.
export const scannedHere = () => (crystalHere() && history.state?.scanned) || null;

let predicted = "/";
let explored = { path: "/#explore", scanned: null };

const here = () => `${location.pathname}${location.search}${location.hash}`;

// The address of what the predict view shows; it is written to the bar if that view is shown.
export function predictIsAt(path, { push = false, shown = true } = {}) {
  predicted = path;
  if (shown && here() !== path) history[push ? "pushState" : "replaceState"](null, "", path);
}

// The same of the view of a scan, without arguments where it shows no crystal.
export function exploreIsAt({ hash = null, scanned = null, push = false, shown = true } = {}) {
  explored = hash ? { path: crystalPath(hash), scanned } : { path: "/#explore", scanned: null };
  if (shown && here() !== explored.path) history[push ? "pushState" : "replaceState"](hash ? { scanned } : null, "", explored.path);
}

// Go to the address of a view, if this is another one; `push` keeps the present one in the history.
export function goToView(view, push) {
  const { path, scanned } = view === "explore" ? explored : { path: view === "predict" ? predicted : `/#${view}`, scanned: null };
  if (here() !== path) history[push ? "pushState" : "replaceState"](scanned && { scanned }, "", path);
}
