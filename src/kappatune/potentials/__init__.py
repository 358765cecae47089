"""Interatomic potentials: by name, or by the import path of a function that makes an ASE calculator."""
