"""Pure functions of numbers: what physics knows about lattice thermal conductivity."""
