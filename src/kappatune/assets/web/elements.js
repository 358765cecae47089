// Symbol, name, row and column of the periodic table, covalent radius (Å; Cordero et al., Dalton Trans. 2008, 2832,
// as in ASE; 0.2 where unknown), electronegativity (Pauling, as in pymatgen).

const TABLE = [
  ["H", "Hydrogen", 1, 1, 0.31, 2.2], ["He", "Helium", 1, 18, 0.28, null], ["Li", "Lithium", 2, 1, 1.28, 0.98],
  ["Be", "Beryllium", 2, 2, 0.96, 1.57], ["B", "Boron", 2, 13, 0.84, 2.04], ["C", "Carbon", 2, 14, 0.76, 2.55],
  ["N", "Nitrogen", 2, 15, 0.71, 3.04], ["O", "Oxygen", 2, 16, 0.66, 3.44], ["F", "Fluorine", 2, 17, 0.57, 3.98],
  ["Ne", "Neon", 2, 18, 0.58, null], ["Na", "Sodium", 3, 1, 1.66, 0.93], ["Mg", "Magnesium", 3, 2, 1.41, 1.31],
  ["Al", "Aluminium", 3, 13, 1.21, 1.61], ["Si", "Silicon", 3, 14, 1.11, 1.9], ["P", "Phosphorus", 3, 15, 1.07, 2.19],
  ["S", "Sulfur", 3, 16, 1.05, 2.58], ["Cl", "Chlorine", 3, 17, 1.02, 3.16], ["Ar", "Argon", 3, 18, 1.06, null],
  ["K", "Potassium", 4, 1, 2.03, 0.82], ["Ca", "Calcium", 4, 2, 1.76, 1], ["Sc", "Scandium", 4, 3, 1.7, 1.36],
  ["Ti", "Titanium", 4, 4, 1.6, 1.54], ["V", "Vanadium", 4, 5, 1.53, 1.63], ["Cr", "Chromium", 4, 6, 1.39, 1.66],
  ["Mn", "Manganese", 4, 7, 1.39, 1.55], ["Fe", "Iron", 4, 8, 1.32, 1.83], ["Co", "Cobalt", 4, 9, 1.26, 1.88],
  ["Ni", "Nickel", 4, 10, 1.24, 1.91], ["Cu", "Copper", 4, 11, 1.32, 1.9], ["Zn", "Zinc", 4, 12, 1.22, 1.65],
  ["Ga", "Gallium", 4, 13, 1.22, 1.81], ["Ge", "Germanium", 4, 14, 1.2, 2.01], ["As", "Arsenic", 4, 15, 1.19, 2.18],
  ["Se", "Selenium", 4, 16, 1.2, 2.55], ["Br", "Bromine", 4, 17, 1.2, 2.96], ["Kr", "Krypton", 4, 18, 1.16, 3],
  ["Rb", "Rubidium", 5, 1, 2.2, 0.82], ["Sr", "Strontium", 5, 2, 1.95, 0.95], ["Y", "Yttrium", 5, 3, 1.9, 1.22],
  ["Zr", "Zirconium", 5, 4, 1.75, 1.33], ["Nb", "Niobium", 5, 5, 1.64, 1.6], ["Mo", "Molybdenum", 5, 6, 1.54, 2.16],
  ["Tc", "Technetium", 5, 7, 1.47, 1.9], ["Ru", "Ruthenium", 5, 8, 1.46, 2.2], ["Rh", "Rhodium", 5, 9, 1.42, 2.28],
  ["Pd", "Palladium", 5, 10, 1.39, 2.2], ["Ag", "Silver", 5, 11, 1.45, 1.93], ["Cd", "Cadmium", 5, 12, 1.44, 1.69],
  ["In", "Indium", 5, 13, 1.42, 1.78], ["Sn", "Tin", 5, 14, 1.39, 1.96], ["Sb", "Antimony", 5, 15, 1.39, 2.05],
  ["Te", "Tellurium", 5, 16, 1.38, 2.1], ["I", "Iodine", 5, 17, 1.39, 2.66], ["Xe", "Xenon", 5, 18, 1.4, 2.6],
  ["Cs", "Caesium", 6, 1, 2.44, 0.79], ["Ba", "Barium", 6, 2, 2.15, 0.89], ["La", "Lanthanum", 9, 3, 2.07, 1.1],
  ["Ce", "Cerium", 9, 4, 2.04, 1.12], ["Pr", "Praseodymium", 9, 5, 2.03, 1.13], ["Nd", "Neodymium", 9, 6, 2.01, 1.14],
  ["Pm", "Promethium", 9, 7, 1.99, 1.13], ["Sm", "Samarium", 9, 8, 1.98, 1.17], ["Eu", "Europium", 9, 9, 1.98, 1.2],
  ["Gd", "Gadolinium", 9, 10, 1.96, 1.2], ["Tb", "Terbium", 9, 11, 1.94, 1.1],
  ["Dy", "Dysprosium", 9, 12, 1.92, 1.22], ["Ho", "Holmium", 9, 13, 1.92, 1.23], ["Er", "Erbium", 9, 14, 1.89, 1.24],
  ["Tm", "Thulium", 9, 15, 1.9, 1.25], ["Yb", "Ytterbium", 9, 16, 1.87, 1.1], ["Lu", "Lutetium", 9, 17, 1.87, 1.27],
  ["Hf", "Hafnium", 6, 4, 1.75, 1.3], ["Ta", "Tantalum", 6, 5, 1.7, 1.5], ["W", "Tungsten", 6, 6, 1.62, 2.36],
  ["Re", "Rhenium", 6, 7, 1.51, 1.9], ["Os", "Osmium", 6, 8, 1.44, 2.2], ["Ir", "Iridium", 6, 9, 1.41, 2.2],
  ["Pt", "Platinum", 6, 10, 1.36, 2.28], ["Au", "Gold", 6, 11, 1.36, 2.54], ["Hg", "Mercury", 6, 12, 1.32, 2],
  ["Tl", "Thallium", 6, 13, 1.45, 1.62], ["Pb", "Lead", 6, 14, 1.46, 2.33], ["Bi", "Bismuth", 6, 15, 1.48, 2.02],
  ["Po", "Polonium", 6, 16, 1.4, 2], ["At", "Astatine", 6, 17, 1.5, 2.2], ["Rn", "Radon", 6, 18, 1.5, 2.2],
  ["Fr", "Francium", 7, 1, 2.6, 0.7], ["Ra", "Radium", 7, 2, 2.21, 0.9], ["Ac", "Actinium", 10, 3, 2.15, 1.1],
  ["Th", "Thorium", 10, 4, 2.06, 1.3], ["Pa", "Protactinium", 10, 5, 2, 1.5], ["U", "Uranium", 10, 6, 1.96, 1.38],
  ["Np", "Neptunium", 10, 7, 1.9, 1.36], ["Pu", "Plutonium", 10, 8, 1.87, 1.28], ["Am", "Americium", 10, 9, 1.8, 1.3],
  ["Cm", "Curium", 10, 10, 1.69, 1.3], ["Bk", "Berkelium", 10, 11, 2, 1.3], ["Cf", "Californium", 10, 12, 2, 1.3],
  ["Es", "Einsteinium", 10, 13, 2, 1.3], ["Fm", "Fermium", 10, 14, 2, 1.3], ["Md", "Mendelevium", 10, 15, 2, 1.3],
  ["No", "Nobelium", 10, 16, 2, 1.3], ["Lr", "Lawrencium", 10, 17, 2, 1.3],
];

export const ELEMENTS = TABLE.map(([symbol, name, row, column, radius, electronegativity]) => ({ symbol, name, row, column, radius, electronegativity }));
const by = (key) => Object.fromEntries(ELEMENTS.map((element) => [element.symbol, element[key]]));
export const RADII = by("radius");
export const ELECTRONEGATIVITY = by("electronegativity");
