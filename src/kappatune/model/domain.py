"""The domain of a rung: where its labelled crystals lie in the embedding, and how far others lie from them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kappatune.model.folds import group_folds

N_CENTRES = 128
"""Most centres of a domain; up to this many labelled crystals, each is a centre."""

INSIDE = 0.9
"""Fraction of the labelled crystals that lies inside when they and a fifth of the formulas count as unlabelled."""

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

        Its limit comes from five folds by formula: nine in ten crystals lie within it, measured from the other folds.

        Args:
            embedding: (n, d) scaled embedding of the labelled crystals.
            formulas: (n,) their reduced formulas.
        """
        if len(set(formulas)) < 2:
            return cls(_centres(embedding), 0.0)
        folds = group_folds(formulas, _FOLDS, seed=0)
        distances = [_nearest(embedding[test], _centres(embedding[train])) for train, test in folds]
        return cls(_centres(embedding), float(np.quantile(np.concatenate(distances), INSIDE)))

    def joined(self, other: Domain) -> Domain:
        """Both domains together, with the larger limit of the two."""
        return Domain(np.concatenate([self.centres, other.centres]), max(self.limit, other.limit))

    def distance(self, embedding: Embedding) -> NDArray[np.float64]:
        """(n,) distances of (n, d) embeddings to the nearest centre, in units of the limit: outside above 1."""
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
