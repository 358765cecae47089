// What is drawn of a crystal: atoms, bonds and coordination polyhedra, from its periodic structure.

import { ELECTRONEGATIVITY, RADII } from "./elements.js";

export const MOST_BONDED = 400;
const MOST_WITH_IMAGES = 200;
const MOST_POLYHEDRA = 600;
const BOND = 1.25;
const FEW = 8;
const ON_FACE = 1e-3;

export const cartesian = (f, m) => [0, 1, 2].map((k) => f[0] * m[0][k] + f[1] * m[1][k] + f[2] * m[2][k]);
const minus = (a, b) => a.map((x, k) => x - b[k]);
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const unit = (a) => { const n = Math.hypot(...a); return a.map((x) => x / n); };

const inCell = (f) => f.map((x) => { const y = x - Math.floor(x); return y > 1 - ON_FACE ? 0 : y; });

// For each site, the sites it is bonded to with the cells they are in. A bond is hardly longer than the way to the
// nearest neighbour of either atom, and no longer than two radii allow.
function neighbours(sites, species, lattice) {
  const reach = sites.length <= FEW ? [-2, -1, 0, 1, 2] : [-1, 0, 1];
  const shifts = reach.flatMap((a) => reach.flatMap((b) => reach.map((c) => ({ cell: [a, b, c], at: cartesian([a, b, c], lattice) }))));
  const near = sites.map(() => []);
  const radius = species.map((symbol) => RADII[symbol] || 1.5);
  const at = sites.map((f) => cartesian(f, lattice));
  sites.forEach((_, i) => sites.forEach((__, j) => {
    const longest = 2 * BOND * (radius[i] + radius[j]);
    for (const shift of shifts) {
      const d = Math.hypot(...[0, 1, 2].map((k) => at[j][k] + shift.at[k] - at[i][k]));
      if (d > 0.1 && d < longest) near[i].push({ site: j, cell: shift.cell, d });
    }
  }));
  const nearest = near.map((all) => Math.min(...all.map((one) => one.d)));
  return near.map((all, i) => all.filter(({ site, d }) => d < BOND * Math.min(nearest[i], nearest[site], radius[i] + radius[site])));
}

// The sites of `repeat` cells along each axis, with the images on faces, edges and corners; cells of 200 atoms and
// more without these.
function sitesShown(sites, repeat, images) {
  const shown = [];
  sites.forEach((f, site) => {
    const along = f.map((x) => [...Array(repeat + 1).keys()].filter((cell) => cell < repeat || (images && x < ON_FACE)));
    for (const a of along[0]) for (const b of along[1]) for (const c of along[2]) shown.push({ site, cell: [a, b, c] });
  });
  return shown;
}

// Faces of the convex hull of a few points, each as a loop of their numbers.
export function hull(points) {
  const faces = new Map();
  const n = points.length;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) for (let k = j + 1; k < n; k++) {
    let normal = cross(minus(points[j], points[i]), minus(points[k], points[i]));
    if (Math.hypot(...normal) < 1e-3) continue;
    normal = unit(normal);
    const heights = points.map((p) => dot(minus(p, points[i]), normal));
    if (heights.some((x) => x > 0.05) && heights.some((x) => x < -0.05)) continue;
    const outward = heights.some((x) => x > 0.05) ? normal.map((x) => -x) : normal;
    const on = [...heights.keys()].filter((p) => Math.abs(heights[p]) <= 0.05);
    faces.set(on.join(), { on, normal: outward });
  }
  const flat = faces.size < 4;
  return flat ? [] : [...faces.values()].map(({ on, normal }) => {
    const centre = [0, 1, 2].map((k) => on.reduce((sum, p) => sum + points[p][k], 0) / on.length);
    const first = unit(minus(points[on[0]], centre));
    const second = cross(normal, first);
    const angle = (p) => Math.atan2(dot(minus(points[p], centre), second), dot(minus(points[p], centre), first));
    return { loop: [...on].sort((p, q) => angle(p) - angle(q)), normal };
  });
}

// A polyhedron stands around an atom with four bonds and more, all to more electronegative atoms.
const isCentre = (site, bonded, species) => bonded[site].length >= 4 && bonded[site].length <= 16
  && bonded[site].every((one) => ELECTRONEGATIVITY[species[one.site]] > ELECTRONEGATIVITY[species[site]]);

// Cells along each axis of the first view: a very small cell says more when it is repeated.
export const firstRepeat = (structure) => (structure.species.length <= 4 ? 2 : 1);

export function hasPolyhedra(structure) {
  if (structure.species.length > MOST_BONDED) return false;
  const bonded = neighbours(structure.frac_coords.map(inCell), structure.species, structure.lattice);
  return structure.species.some((_, site) => isCentre(site, bonded, structure.species));
}

// Atoms `{ symbol, at, bonds }`, and the polyhedra `{ symbol, points, faces }` if they are asked for.
export function drawnCrystal(structure, repeat, withPolyhedra) {
  const { species, lattice } = structure;
  const sites = structure.frac_coords.map(inCell);
  const bonded = species.length <= MOST_BONDED ? neighbours(sites, species, lattice) : sites.map(() => []);
  const shown = sitesShown(sites, repeat, species.length <= MOST_WITH_IMAGES);
  const place = new Map();
  const atoms = [];
  const key = (site, cell) => `${site},${cell}`;
  const add = (site, cell) => {
    place.set(key(site, cell), atoms.length);
    atoms.push({ symbol: species[site], site, cell, at: cartesian(sites[site].map((x, k) => x + cell[k]), lattice), bonds: [] });
  };
  for (const { site, cell } of shown) add(site, cell);
  const around = (atom) => bonded[atom.site].map((one) => ({ site: one.site, cell: one.cell.map((x, k) => x + atom.cell[k]) }));
  const centres = withPolyhedra ? atoms.filter((atom) => isCentre(atom.site, bonded, species)).slice(0, MOST_POLYHEDRA) : [];
  const polyhedra = centres.map((atom) => {
    const corners = around(atom);
    for (const { site, cell } of corners) if (!place.has(key(site, cell))) add(site, cell);
    const points = corners.map(({ site, cell }) => atoms[place.get(key(site, cell))].at);
    return { symbol: atom.symbol, points, faces: hull(points) };
  });
  atoms.forEach((atom, k) => {
    for (const { site, cell } of around(atom)) {
      const other = place.get(key(site, cell));
      if (other !== undefined && other < k) { atom.bonds.push(other); atoms[other].bonds.push(k); }
    }
  });
  return { atoms, polyhedra };
}

// Edges of the block of cells, each once, as pairs of fractional coordinates.
export function cellEdges(repeat) {
  const edges = [];
  for (let a = 0; a <= repeat; a++) for (let b = 0; b <= repeat; b++) {
    edges.push([[a, b, 0], [a, b, repeat]], [[a, 0, b], [a, repeat, b]], [[0, a, b], [repeat, a, b]]);
  }
  return edges;
}
