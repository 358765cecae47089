// Requests to the server.

import { $, h } from "./dom.js";

const KEY = "kappatune-token";

const fromAddress = new URLSearchParams(location.hash.slice(1)).get("token");
if (fromAddress) {
  sessionStorage.setItem(KEY, fromAddress);
  history.replaceState(null, "", location.pathname + location.search);
}

function askForToken() {
  const dialog = $("token-dialog");
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEY, $("token-input").value.trim());
      resolve();
    }, { once: true });
    dialog.showModal();
  });
}

async function send(path, options) {
  const token = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server cannot be reached: is it still running?");
  }
  if (answer.status === 401) {
    await askForToken();
    return send(path, options);
  }
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(body.detail || `the server answered with status ${answer.status}`), { status: answer.status });
  }
  return answer;
}

export const get = async (path, signal) => (await send(path, { signal })).json();

export const post = async (path, body, signal) =>
  (await send(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal })).json();

// Save an address of the API, which may need the token, or a picture as a file.
export async function saveFrom(address, name) {
  const url = address.startsWith("data:") ? address : URL.createObjectURL(await (await send(address, {})).blob());
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  if (!address.startsWith("data:")) setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// Send files, and call `online` with each line of the answer as it arrives.
export async function stream(path, form, signal, online) {
  const answer = await send(path, { method: "POST", body: form, headers: { Accept: "application/x-ndjson" }, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value || "")).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) online(JSON.parse(line));
    if (done) return;
  }
}

// Follow server-sent events (the API may need the token, which EventSource cannot send): `onevent` gets the name and the
// data, and returns false to stop. Ends when the server says so, or when it stops.
export async function follow(path, signal, onevent) {
  const answer = await send(path, { headers: { Accept: "text/event-stream" }, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value.replaceAll("\r\n", "\n")).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const field = (name) => block.split("\n").filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim()).join("\n");
      const data = field("data");
      if (onevent(field("event") || "message", data ? JSON.parse(data) : null) === false) { await reader.cancel(); return; }
    }
  }
}

let model, labels;
export const theModel = () => (model ??= get("/api/v1/model").catch((error) => { model = undefined; throw error; }));
export const theLabels = () => (labels ??= get("/api/v1/labels").catch((error) => { labels = undefined; throw error; }));

export function problem(error) {
  const box = $("problem");
  box.hidden = !error || error.name === "AbortError";
  box.textContent = box.hidden ? "" : `${error.message || error}`;
  if (!box.hidden) box.scrollIntoView({ block: "nearest" });
}
