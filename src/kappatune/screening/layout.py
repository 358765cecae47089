"""Names of the files in a scan's folder. Those with an underscore or a dot are passed over as data."""

CLAIM = "_scan.json"
"""Model and sources; written first."""

FETCHED = "_fetched"
"""Folder of what came from remote sources, by which a resumed scan asks for nothing twice."""

PARTS = "part-*.parquet"
MANIFEST = "_manifest.json"
"""Counts and versions; written last, so that its absence means an unfinished scan."""

SIGN = ".sign"
"""A random word by which the nodes of a cluster know that they see the same folder; there while it is written to."""
