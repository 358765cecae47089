"""What several methods compute with a potential: relaxation, elastic constants, the AGL of a relaxed cell."""
