"""The potential of the frozen verification: effective medium theory."""

from ase.calculators.emt import EMT


def copper() -> EMT:
    return EMT()
