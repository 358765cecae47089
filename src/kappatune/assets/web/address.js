// Addresses: `/crystal/HASH?fidelity=agl&temperature_k=600` for an answer, `/#explore` and the like for the views.

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

let predicted = "/";

// The address of what the predict view shows; it is written to the bar if that view is shown.
export function predictIsAt(path, { push = false, shown = true } = {}) {
  predicted = path;
  if (shown && `${location.pathname}${location.search}` + location.hash !== path) history[push ? "pushState" : "replaceState"](null, "", path);
}

export const viewAddress = (view) => (view === "predict" ? predicted : `/#${view}`);
