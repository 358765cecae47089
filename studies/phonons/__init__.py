"""Phonon conductivities beside DFT."""
