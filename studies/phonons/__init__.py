"""Conductivities from phonons of potentials, compared with DFT."""
