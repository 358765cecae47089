"""Which shipped models a timing is of."""

from __future__ import annotations

from kappatune.model.bundle import SHIPPED, read_card
from studies.shipped_models import MODELS


def shipped_weights() -> dict[str, str]:
    """SHA-256 of the weights of each shipped model."""
    return {name: read_card(SHIPPED / name).weights_sha256 for name in MODELS}
