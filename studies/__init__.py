"""Studies: how good and how fast the package is, measured by commands whose results are stored as data."""
