"""Candidates of low conductivity, and how well `suggest` finds crystals of extreme conductivity."""
