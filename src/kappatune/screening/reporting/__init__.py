"""The report of a scan: one HTML page."""
