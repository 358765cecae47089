// The last batch and the filters of the scan, kept by the browser for this tab, so that a reload loses nothing.

const KEY = "kappatune-batch";
const FILTERS = "kappatune-filters";

const kept = (key) => {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
};

export function keepBatch({ entries, failed, made }) {
  const bare = (all) => all.map(({ row, crystal, place }) => ({ row, crystal, place }));
  try {
    if (entries.length + failed.length > 1) sessionStorage.setItem(KEY, JSON.stringify({ entries: bare(entries), failed: bare(failed), made }));
    else sessionStorage.removeItem(KEY);
  } catch {
    sessionStorage.removeItem(KEY); // more than the browser keeps
  }
}

export const keptBatch = () => kept(KEY);

export const keepFilters = (filters) => sessionStorage.setItem(FILTERS, JSON.stringify(filters));
export const keptFilters = () => kept(FILTERS);
