"""What to know about a crystal or its value although a number is given."""

from __future__ import annotations

from enum import StrEnum


class Remark(StrEnum):
    """Kinds of remarks. A remark in a row is a sentence that begins with its kind, and the kinds do not change.

    Sentences hold no semicolon, which separates them in CSV.

    >>> Remark.of("layered: the bonds run along layers, ...")
    <Remark.LAYERED: 'layered'>
    """

    FORMULA = "formula differs"
    METALLIC = "metallic elements only"
    MOLECULAR = "molecular"
    CHAINS = "chains"
    LAYERED = "layered"
    GLASS_LIKE = "glass-like"
    COHERENCES = "coherences"
    FOUR_PHONONS = "four-phonon scattering"

    def sentence(self, text: str) -> str:
        """The remark as rows carry it."""
        return f"{self}: {text}"

    @classmethod
    def of(cls, sentence: str) -> Remark:
        """The kind of a remark in a row.

        Raises:
            ValueError: The sentence begins with no kind.
        """
        return cls(sentence.partition(":")[0])
