// The crystal in three dimensions, by 3Dmol.js, which is loaded when first needed.

import { h } from "./dom.js";
import { RADII } from "./elements.js";

const MOST_BONDED = 400;
const MOST_WITH_IMAGES = 120;
const BOND = 1.25;
const FEW = 4;

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

const cartesian = (f, m) => [0, 1, 2].map((k) => f[0] * m[0][k] + f[1] * m[1][k] + f[2] * m[2][k]);

// Distance from each site to the nearest, periodic images included.
function nearest(structure) {
  const { species, frac_coords, lattice } = structure;
  const around = [-1, 0, 1];
  return species.map((_, i) => {
    let least = Infinity;
    species.forEach((__, j) => {
      const apart = frac_coords[i].map((x, k) => { const y = x - frac_coords[j][k]; return y - Math.round(y); });
      for (const a of around) for (const b of around) for (const c of around) {
        const d = Math.hypot(...cartesian([apart[0] + a, apart[1] + b, apart[2] + c], lattice));
        if (d > 0.1 && d < least) least = d;
      }
    });
    return least;
  });
}

// Atoms of the cell, and their images on its faces, edges and corners; a very small cell is shown eight times.
function shown(structure) {
  const n = structure.species.length;
  const images = n <= MOST_WITH_IMAGES;
  const reach = n <= FEW ? 2 : 1;
  const bond = n <= MOST_BONDED ? nearest(structure) : [];
  const atoms = [];
  structure.frac_coords.forEach((raw, k) => {
    const f = raw.map((x) => { const y = x - Math.floor(x); return y > 1 - 1e-3 ? 0 : y; });
    const shifts = f.map((x) => [...Array(reach + 1).keys()].filter((shift) => shift < reach || (images && x < 1e-3)));
    for (const a of shifts[0]) for (const b of shifts[1]) for (const c of shifts[2])
      atoms.push({ elem: structure.species[k], reach: bond[k], at: cartesian([f[0] + a, f[1] + b, f[2] + c], structure.lattice) });
  });
  return atoms;
}

// A bond is hardly longer than the way to the nearest neighbour of either atom, and no longer than two radii allow.
function bonded(atoms) {
  const bonds = atoms.map(() => []);
  if (atoms.length > 4 * MOST_BONDED || !atoms[0].reach) return bonds;
  for (let i = 0; i < atoms.length; i++)
    for (let j = 0; j < i; j++) {
      const d = Math.hypot(...atoms[i].at.map((x, k) => x - atoms[j].at[k]));
      const longest = BOND * Math.min(atoms[i].reach, atoms[j].reach, (RADII[atoms[i].elem] || 1.5) + (RADII[atoms[j].elem] || 1.5));
      if (d < longest) { bonds[i].push(j); bonds[j].push(i); }
    }
  return bonds;
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const vector = (p) => ({ x: p[0], y: p[1], z: p[2] });

function legend(structure, colours) {
  return h("div", { class: "legend" }, [...new Set(structure.species)].sort().map((symbol) => {
    const dot = h("i", { "aria-hidden": "true" });
    dot.style.background = `#${(colours[symbol] ?? 0x808080).toString(16).padStart(6, "0")}`;
    return h("span", {}, dot, symbol);
  }));
}

export async function showCrystal(host, structure) {
  const box = h("div", { class: "viewer", role: "img", "aria-label": `the unit cell with ${structure.species.length} atoms in three dimensions; drag to turn it` });
  host.replaceChildren(box);
  try {
    const mol = await load();
    const viewer = mol.createViewer(box, { backgroundColor: css("--soft"), antialias: true, disableFog: false });
    if (!viewer) throw new Error("this browser has no WebGL");
    const atoms = shown(structure);
    const bonds = bonded(atoms);
    const model = viewer.addModel();
    model.addAtoms(atoms.map((atom, k) => ({ elem: atom.elem, ...vector(atom.at), serial: k, bonds: bonds[k], bondOrder: bonds[k].map(() => 1), hetflag: true })));
    viewer.setStyle({}, { sphere: { scale: 0.28, colorscheme: "Jmol" }, stick: { radius: 0.11, colorscheme: "Jmol" } });
    const corner = (a, b, c) => vector(cartesian([a, b, c], structure.lattice));
    for (const [p, q] of [[0, 1], [0, 2], [0, 4], [1, 3], [1, 5], [2, 3], [2, 6], [3, 7], [4, 5], [4, 6], [5, 7], [6, 7]])
      viewer.addLine({ start: corner(p & 1, (p >> 1) & 1, p >> 2), end: corner(q & 1, (q >> 1) & 1, q >> 2), color: css("--muted"), linewidth: 1.5 });
    viewer.zoomTo();
    viewer.rotate(-72, "x");
    viewer.rotate(18, "y");
    viewer.zoom(0.95);
    viewer.render();
    box.querySelector("canvas")?.setAttribute("tabindex", "-1");
    host.append(legend(structure, mol.elementColors.Jmol));
  } catch (error) {
    box.replaceChildren(h("p", { class: "muted small" }, `No 3D view: ${error.message || error}.`));
  }
}
