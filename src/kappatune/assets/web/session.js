// The last batch, kept by the browser for this tab, so that a reload loses nothing.

const KEY = "kappatune-batch";

export function keepBatch({ entries, failed, made }) {
  const bare = (all) => all.map(({ row, crystal, place }) => ({ row, crystal, place }));
  try {
    if (entries.length + failed.length > 1) sessionStorage.setItem(KEY, JSON.stringify({ entries: bare(entries), failed: bare(failed), made }));
    else sessionStorage.removeItem(KEY);
  } catch {
    sessionStorage.removeItem(KEY); // more than the browser keeps
  }
}

export function keptBatch() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}
