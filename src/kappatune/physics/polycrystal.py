"""The conductivity of a polycrystal whose grains point in all directions.

The effective medium of round grains (Bruggeman; for crystals Stroud, Phys. Rev. B 12, 3368 (1975)): the conductivity k
at which the fields that grains add cancel in the mean,

    sum_i (k_i - k) / (k_i + 2 k) = 0,

with the three principal conductivities k_i of a grain. Written out it is 4 k^3 - s2 k - s3 = 0, where s2 is the sum of
their products in pairs and s3 the product of all three. The boundaries themselves have no resistance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def principal_values(tensor: Sequence[float]) -> NDArray[np.float64]:
    """(3,) eigenvalues of a symmetric tensor in ascending order.

    Args:
        tensor: xx, yy, zz, yz, xz, xy.
    """
    xx, yy, zz, yz, xz, xy = tensor
    return np.asarray(np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]), dtype=np.float64)


def effective_medium(principal: Sequence[float] | NDArray[np.float64]) -> float:
    """The conductivity of a polycrystal, in the unit of the argument.

    Where the grains hardly conduct in one direction, as graphite across its layers, it is half of that along the other
    two; where they conduct in one direction alone, it is zero.

    Args:
        principal: The three principal conductivities, none of them negative.
    """
    first, second, third = (float(value) for value in principal)
    pairs, product = first * second + second * third + third * first, first * second * third
    if pairs <= 0.0:
        return 0.0
    cosine = min(1.0, 1.5 * product / pairs * math.sqrt(12.0 / pairs))
    return math.sqrt(pairs / 3.0) * math.cos(math.acos(cosine) / 3.0)
