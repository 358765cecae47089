"""Benchmarks: `python -m benchmarks --data FOLDER` runs all of them and writes results as data."""
