"""Checks of reading against files that others wrote."""
