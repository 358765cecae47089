"""The AGL workflow compared with AFLOW."""
