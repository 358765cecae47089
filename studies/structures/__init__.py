"""Structures: what is read from them before any model sees them."""
