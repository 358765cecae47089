"""Candidates of low conductivity, and how well suggestions find them."""
