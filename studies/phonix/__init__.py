"""Phonix: DFT conductivities of all kinds of crystals, and how well they are predicted for unknown formulas."""
