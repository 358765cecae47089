"""Scans of whole databases: run, rank, report."""
