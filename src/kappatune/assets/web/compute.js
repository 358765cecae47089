// AGL and verification of a crystal on the server: what it costs, how far it is, and what came out.

import { follow, get, post } from "./client.js";
import { button, count, h, number, typeset } from "./dom.js";
import { jobResult, resultOf } from "./job_result.js";
import { sentence } from "./words.js";

const KINDS = {
  agl: { title: "AGL with a potential", what: "Relax the cell, strain it and fit E(V): the quasi-harmonic Debye model. Usually seconds.", go: "Compute AGL" },
  verify: { title: "Verify by phonons", what: "Forces of displaced atoms, then the phonon Boltzmann equation: the value to compare the prediction with. Usually minutes.", go: "Verify by phonons" },
};
const QUALITY = { quick: "quick", standard: "standard", converged: "converged (slow)" };
const AGAIN_MS = 2000;

export function duration(seconds) {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${number(seconds / 3600, 2)} h` : `${number(seconds / 86400, 2)} days`;
}

// As `Job.may_be_asked_again`: another try may end otherwise.
const mayAgain = (job) => ["failed", "too large"].includes(job.summary?.outcome);
const isOpen = (job) => job.state === "queued" || job.state === "running";

function whatItCosts(estimate) {
  const wait = estimate.waiting_s > 1 ? ` Jobs before it take about ${duration(estimate.waiting_s)}.` : "";
  return h("p", {}, typeset(sentence(estimate.text)), wait);
}

function state(job) {
  const { progress } = job;
  if (job.state === "queued") return job.position === 1 ? "Waiting: it is next." : `Waiting: ${count(job.position - 1)} before it.`;
  if (job.state === "failed" || job.state === "cancelled") return sentence(job.reason ? `${job.state}: ${job.reason}` : job.state);
  if (!progress) return "Starting.";
  const left = progress.seconds_left === null ? "" : `, about ${duration(progress.seconds_left)} left`;
  return sentence(`${progress.text}${left}`);
}

// A page that nobody sees follows nothing: a browser has six connections to a server for all its pages together.
const whileHidden = () => new Promise((resolve) => {
  const look = () => {
    if (document.hidden) return;
    document.removeEventListener("visibilitychange", look);
    resolve();
  };
  document.addEventListener("visibilitychange", look);
  look();
});

// One kind of calculation of one crystal.
function panel(kind, { structure, answer, compute, potential, renew }, known) {
  const body = h("div");
  const said = h("p", { class: "small", role: "status", "aria-live": "polite" });
  const quality = kind === "verify" && h("select", { "aria-label": "Quality of the verification" },
    compute.qualities.map((name) => h("option", { value: name }, QUALITY[name] ?? name)));
  const request = () => ({ kind, ...(quality ? { quality: quality.value } : {}), ...(answer.crystal ? { crystal: answer.crystal } : { structure }) });
  const attempt = async (work) => {
    try { await work(); } catch (error) { said.textContent = `${error.message || error}`; }
  };

  function offer(after = "") {
    said.textContent = after;
    const ask = button(`${KINDS[kind].go} …`, () => attempt(async () => {
      ask.disabled = true;
      said.textContent = "Estimating what it costs …";
      try { propose(await post("/api/v1/jobs/estimate", request())); } finally { ask.disabled = false; }
    }));
    body.replaceChildren(h("p", { class: "small muted" }, KINDS[kind].what), h("div", { class: "row" }, quality, ask));
  }

  function propose(estimate) {
    said.textContent = "";
    if (estimate.job && (isOpen(estimate.job) || (estimate.job.state === "done" && !mayAgain(estimate.job)))) { show(estimate.job); return; }
    if (!estimate.allowed) { offer(estimate.reason ?? "This server does not take this crystal."); return; }
    const start = button("Start", () => attempt(async () => show(await post("/api/v1/jobs", request()))), { class: "button small primary" });
    body.replaceChildren(h("div", { class: "cost" }, whatItCosts(estimate), h("p", { class: "small muted" }, `With ${potential}. You may close this page: the result stays at this address.`)),
      h("div", { class: "row" }, start, button("Not now", () => offer())));
    start.focus({ preventScroll: true });
  }

  function show(job) {
    if (job.state === "done") { finish(job); return; }
    if (!isOpen(job)) { offer(state(job)); return; }
    const bar = h("progress", { max: "1", "aria-label": "Progress" });
    body.replaceChildren(h("div", { class: "progress" }, bar, button("Cancel", () => attempt(() => post(`/api/v1/jobs/${job.id}/cancel`, {})))));
    const tell = (now) => {
      said.textContent = state(now);
      const { progress } = now;
      if (progress?.total) bar.value = progress.done / progress.total;
      else bar.removeAttribute("value");
    };
    tell(job);
    watch(job, tell).catch((error) => { said.textContent = `${error.message || error}`; });
  }

  async function watch(job, tell) {
    let last = job;
    while (body.isConnected || last === job) {
      await whileHidden();
      const seen = new AbortController();
      const hide = () => { if (document.hidden) seen.abort(); };
      document.addEventListener("visibilitychange", hide);
      try {
        await follow(`/api/v1/jobs/${job.id}/events`, seen.signal, (event, data) => {
          if (event === "job") { last = data; tell(last); }
          return event !== "end" && (body.isConnected || last === job);
        });
      } catch (error) {
        if (error.status && error.status < 500) throw error;
      } finally {
        document.removeEventListener("visibilitychange", hide);
      }
      if (!isOpen(last)) { show(last); if (last.state === "done") await renew(); return; }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      last = { ...(await get(`/api/v1/jobs/${job.id}`).catch(() => last)) };
      tell(last);
    }
  }

  function finish(job) {
    said.textContent = "";
    const host = h("div", {}, h("p", { class: "small muted" }, "Loading the result …"));
    const another = quality && compute.qualities.length > 1 ? button("Another quality …", () => offer()) : null;
    const again = mayAgain(job) ? button("Try again …", () => offer()) : another;
    body.replaceChildren(host, h("div", { class: "row" }, again));
    attempt(async () => host.replaceChildren(...jobResult(await resultOf(job))));
  }

  if (known) show(known);
  else offer();
  return h("section", { class: "job", "aria-label": KINDS[kind].title }, h("h4", {}, KINDS[kind].title), body, said);
}

// What can be computed of a crystal; `jobs` are those that the server knows of it, the newest first. `renew` is called
// when one is done.
export function computeCard({ answer, structure, compute, jobs, renew }) {
  const context = { answer, structure, compute, renew, potential: compute.potential };
  // A job that runs, else the latest that is done: a later one that failed or was cancelled hides no result.
  const shown = (kind) => {
    const ofKind = jobs.filter((job) => job.kind === kind);
    return ofKind.find(isOpen) ?? ofKind.find((job) => job.state === "done") ?? ofKind[0];
  };
  return h("section", { class: "card", "aria-label": "Compute it" }, h("h3", {}, "Compute it"),
    h("div", { class: "jobs" }, compute.kinds.map((kind) => panel(kind, context, shown(kind)))));
}
