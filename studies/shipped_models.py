"""The models that the package ships, by name."""

from __future__ import annotations

MODELS = ("accurate", "fast")
