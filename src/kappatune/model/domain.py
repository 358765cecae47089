"""The domain of a rung: the crystals it was learnt from, as the host sees them, and how far others lie from these."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kappatune.model.folds import group_folds

N_CENTRES = 128
"""Centres a domain is made of at most; as many labelled crystals or fewer are kept as they are."""

INSIDE = 0.9
"""Part of the labelled crystals that lies inside when a fifth of the formulas, theirs among them, has no label."""

_FOLDS = 5

Embedding = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Domain:
    """Where a rung has labels.

    Attributes:
        centres: (k, d) means of groups of labelled crystals (k-means) in the scaled embedding.
        limit: Distance at which the domain ends: root mean square over the d columns.
    """

    centres: Embedding
    limit: float

    @classmethod
    def of(cls, embedding: Embedding, formulas: Sequence[str]) -> Domain:
        """The domain of labelled crystals.

        Its limit comes from five folds by formula: how far nine in ten of the crystals lie from those of other folds.

        Args:
            embedding: (n, d) scaled embedding of the labelled crystals.
            formulas: (n,) their reduced formulas.
        """
        if len(set(formulas)) < 2:
            return cls(_centres(embedding), 0.0)
        folds = group_folds(formulas, _FOLDS, seed=0)
        afar = [_nearest(embedding[asked], _centres(embedding[known])) for known, asked in folds]
        return cls(_centres(embedding), float(np.quantile(np.concatenate(afar), INSIDE)))

    def joined(self, other: Domain) -> Domain:
        """Both domains together, as far-reaching as the wider of them."""
        return Domain(np.concatenate([self.centres, other.centres]), max(self.limit, other.limit))

    def distance(self, embedding: Embedding) -> NDArray[np.float64]:
        """(n,) distances of (n, d) crystals to the nearest centre in units of the limit: above 1 they lie outside."""
        nearest: NDArray[np.float64] = _nearest(embedding, self.centres) / max(self.limit, 1e-6)
        return nearest


def _nearest(embedding: Embedding, centres: Embedding) -> NDArray[np.float64]:
    x, c = embedding.astype(np.float64), centres.astype(np.float64)
    squares = np.square(x).sum(axis=1)[:, None] - 2.0 * x @ c.T + np.square(c).sum(axis=1)
    distance: NDArray[np.float64] = np.sqrt(squares.min(axis=1).clip(min=0.0) / x.shape[1])
    return distance


def _centres(embedding: Embedding) -> Embedding:
    distinct = np.unique(embedding, axis=0)
    if len(distinct) <= N_CENTRES:
        return distinct
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        groups = KMeans(N_CENTRES, n_init=1, random_state=0).fit(distinct)
    centres: Embedding = groups.cluster_centers_.astype(np.float32)
    return centres
