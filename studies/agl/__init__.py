"""The AGL workflow beside AFLOW."""
