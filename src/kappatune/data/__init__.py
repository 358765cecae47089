"""Crystals and their values from databases elsewhere, and the tables made of them."""
