// The crystal in three dimensions, by 3Dmol.js, which is loaded when first needed.

import { saveFrom } from "./client.js";
import { button, h, painted, plural } from "./dom.js";
import { cartesian, cellEdges, drawnCrystal, firstRepeat, hasPolyhedra, MOST_BONDED } from "./scene.js";

const MOST_DRAWN = 3000;
const REPEATS = { 1: "unit cell", 2: "2 × 2 × 2 cells", 3: "3 × 3 × 3 cells" };
const TURN = 12;
const KEYS = { ArrowLeft: ["y", -TURN], ArrowRight: ["y", TURN], ArrowUp: ["x", -TURN], ArrowDown: ["x", TURN] };
const AXES = [["a", "#d1495b"], ["b", "#3c8d40"], ["c", "#3a6fd8"]];
const HINT = "Click to zoom with the wheel; arrow keys turn, + and − zoom, 0 resets.";

let library;
function load() {
  library ??= new Promise((resolve, reject) => {
    const script = h("script", { src: "/vendor/3Dmol-min.js" });
    script.addEventListener("load", () => resolve(window.$3Dmol));
    script.addEventListener("error", () => reject(new Error("the 3D viewer cannot be loaded")));
    document.head.append(script);
  });
  return library;
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const vector = (p) => ({ x: p[0], y: p[1], z: p[2] });
const colour = (symbol, colours) => `#${(colours[symbol] ?? 0x808080).toString(16).padStart(6, "0")}`;

function legend(structure, colours) {
  const count = (symbol) => structure.species.filter((one) => one === symbol).length;
  return h("ul", { class: "legend", "aria-label": "Elements" }, [...new Set(structure.species)].sort().map((symbol) => {
    const dot = h("i", { "aria-hidden": "true" });
    dot.style.background = colour(symbol, colours);
    return h("li", {}, dot, symbol, h("span", { class: "muted" }, ` ${count(symbol)} in the cell`));
  }));
}

// One WebGL context for each place on the page: browsers keep few of them.
const views = new Map();
function viewOf(place) {
  if (!views.has(place)) views.set(place, newView().catch((error) => { views.delete(place); throw error; }));
  return views.get(place);
}

async function newView() {
  const mol = await load();
  await painted(); // the answer is read while a slow machine prepares the view
  const box = h("div", { class: "viewer", tabindex: "0", role: "application", "aria-roledescription": "crystal in three dimensions" });
  document.body.append(box); // the viewer measures its box
  const viewer = mol.createViewer(box, { backgroundColor: css("--soft"), antialias: true, disableFog: false });
  if (!viewer) { box.remove(); throw new Error("this browser has no WebGL"); }
  const view = { mol, box, viewer, state: null };
  listen(view);
  return view;
}

// The wheel and the finger scroll the page until the view is clicked.
function listen(view) {
  const { box, viewer } = view;
  const calm = (event) => { if (document.activeElement !== box) event.stopPropagation(); };
  for (const kind of ["wheel", "touchstart", "touchmove"]) box.addEventListener(kind, calm, { capture: true });
  box.addEventListener("mousedown", () => box.focus({ preventScroll: true }));
  box.addEventListener("click", () => box.focus({ preventScroll: true }));
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (KEYS[event.key]) viewer.rotate(KEYS[event.key][1], KEYS[event.key][0]);
    else if (event.key === "+" || event.key === "=") viewer.zoom(1.15);
    else if (event.key === "-") viewer.zoom(1 / 1.15);
    else if (event.key === "0") reset(view);
    else if (event.key === "Escape") box.blur();
    else return;
    event.preventDefault();
    viewer.render();
  });
  for (const element of box.querySelectorAll("canvas")) element.removeAttribute("tabindex");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (view.state) draw(view); });
  document.addEventListener("fullscreenchange", () => { if (view.state && box.isConnected) refit(view); });
}

function reset({ viewer, state }) {
  viewer.setView(state.home);
  viewer.render();
}

// All of the crystal in the view, turned as it is: the camera fits a crystal by the height of the view alone.
function fit({ viewer, box }) {
  viewer.zoomTo();
  viewer.zoom(0.95 * Math.min(1, box.clientWidth / Math.max(box.clientHeight, 1)));
}

// After the view got another size.
function refit(view) {
  const { viewer, state } = view;
  const turned = viewer.getView();
  viewer.resize();
  homeward(view);
  viewer.setView([...state.home.slice(0, 4), ...turned.slice(4)]);
  viewer.render();
}

function homeward(view) {
  const { viewer, state } = view;
  viewer.setView([0, 0, 0, 0, 0, 0, 0, 1]);
  fit(view);
  viewer.rotate(-72, "x");
  viewer.rotate(18, "y");
  state.home = viewer.getView();
}

function addPolyhedra({ viewer, mol }, polyhedra) {
  const bySymbol = Map.groupBy ? Map.groupBy(polyhedra, (one) => one.symbol) : new Map();
  if (!Map.groupBy) for (const one of polyhedra) bySymbol.set(one.symbol, [...(bySymbol.get(one.symbol) ?? []), one]);
  for (const [symbol, some] of bySymbol) {
    const [vertexArr, normalArr, faceArr] = [[], [], []];
    for (const { points, faces } of some) for (const { loop, normal } of faces) {
      const first = vertexArr.length;
      for (const p of loop) { vertexArr.push(vector(points[p])); normalArr.push(vector(normal)); }
      for (let k = 1; k + 1 < loop.length; k++) faceArr.push(first, first + k, first + k + 1);
    }
    viewer.addCustom({ vertexArr, normalArr, faceArr, color: colour(symbol, mol.elementColors.Jmol), opacity: 0.55 });
  }
}

function addAxes({ viewer }, lattice) {
  const shortest = Math.min(...lattice.map((v) => Math.hypot(...v)));
  lattice.forEach((v, k) => {
    const [name, color] = AXES[k];
    const end = v.map((x) => (x / Math.hypot(...v)) * Math.min(shortest * 0.5, 2.5));
    viewer.addArrow({ start: vector([0, 0, 0]), end: vector(end), radius: 0.06, radiusRatio: 2.4, mid: 0.75, color });
    viewer.addLabel(name, { position: vector(end.map((x) => x * 1.2)), fontColor: color, fontSize: 15, backgroundOpacity: 0, showBackground: false, alignment: "center", inFront: true });
  });
}

function draw(view, keepCamera = true) {
  const { viewer, state } = view;
  const camera = keepCamera && state.home ? viewer.getView() : null;
  const { structure, repeat, bonds, polyhedra, axes } = state;
  viewer.clear();
  viewer.setBackgroundColor(css("--soft"));
  const crystal = drawnCrystal(structure, repeat, polyhedra);
  const model = viewer.addModel();
  model.addAtoms(crystal.atoms.map((atom, k) => ({ elem: atom.symbol, ...vector(atom.at), serial: k, bonds: bonds ? atom.bonds : [], bondOrder: bonds ? atom.bonds.map(() => 1) : [], hetflag: true })));
  viewer.setStyle({}, { sphere: { scale: 0.28, colorscheme: "Jmol" }, ...(bonds ? { stick: { radius: 0.1, colorscheme: "Jmol" } } : {}) });
  for (const [start, end] of cellEdges(repeat))
    viewer.addLine({ start: vector(cartesian(start, structure.lattice)), end: vector(cartesian(end, structure.lattice)), color: css("--muted"), linewidth: 1.5 });
  if (axes) addAxes(view, structure.lattice);
  if (polyhedra) addPolyhedra(view, crystal.polyhedra);
  if (camera) viewer.setView(camera);
  else homeward(view);
  viewer.render();
  view.box.setAttribute("aria-label", `${plural(crystal.atoms.length, "atom")} in ${REPEATS[repeat]}. ${HINT}`);
}

function toggle(view, name, text, attributes = {}) {
  const one = button(text, () => {
    view.state[name] = !view.state[name];
    one.setAttribute("aria-pressed", String(view.state[name]));
    draw(view);
  }, { "aria-pressed": String(view.state[name]), ...attributes });
  return one;
}

function fullScreen(host) {
  const one = button("Full screen", () => (document.fullscreenElement ? document.exitFullscreen() : host.requestFullscreen()));
  host.onfullscreenchange = () => { one.textContent = document.fullscreenElement === host ? "Leave full screen" : "Full screen"; };
  return one;
}

function controls(view, host, { name, cif }) {
  const { structure } = view.state;
  const choices = Object.entries(REPEATS).filter(([n]) => n === "1" || structure.species.length * n ** 3 <= MOST_DRAWN);
  const select = h("select", { "aria-label": "Cells shown", onchange: () => { view.state.repeat = Number(select.value); draw(view, false); } },
    choices.map(([n, text]) => h("option", { value: n, selected: Number(n) === view.state.repeat }, text)));
  const small = structure.species.length <= MOST_BONDED;
  return h("div", { class: "row tools", role: "group", "aria-label": "The view" }, select,
    small && toggle(view, "bonds", "Bonds"), hasPolyhedra(structure) && toggle(view, "polyhedra", "Polyhedra"), toggle(view, "axes", "Axes"),
    button("Reset", () => reset(view)),
    host.requestFullscreen && fullScreen(host),
    button("Picture", () => saveFrom(view.viewer.pngURI(), `${name}.png`)), cif && button("CIF", cif));
}

// Show a structure at a `place` of the page; `cif`, if given, downloads it.
export async function showCrystal(host, structure, { place, name, cif }) {
  const failed = (error) => h("div", { class: "viewer" }, h("p", { class: "muted small" }, `No 3D view: ${error.message || error}.`));
  try {
    const view = await viewOf(place);
    if (!host.isConnected) return; // another crystal was opened meanwhile
    view.state = { structure, repeat: firstRepeat(structure), bonds: true, polyhedra: false, axes: true, home: null };
    const hint = h("p", { class: "hint small", "aria-hidden": "true" }, HINT);
    host.replaceChildren(h("div", { class: "stage" }, view.box, hint), controls(view, host, { name, cif }), legend(structure, view.mol.elementColors.Jmol));
    view.viewer.resize();
    draw(view, false);
  } catch (error) {
    host.replaceChildren(failed(error), h("div", { class: "row tools" }, cif && button("CIF", cif)));
  }
}
