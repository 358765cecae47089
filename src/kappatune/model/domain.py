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

NEIGHBOURS = 3
"""Labelled crystals of other formulas that a crystal needs around it to extend a domain."""

_FOLDS = 5
_ROWS_AT_ONCE = 512

Embedding = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Domain:
    """Where a rung has labels.

    Attributes:
        centres: (k, d) means of groups of labelled crystals (k-means) in the scaled embedding, and the labelled
            crystals that are farther than the limit from these.
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
        centres = _centres(embedding)
        if len(set(formulas)) < 2:
            return cls(centres, 0.0)
        limit = float(np.quantile(distances_of_unseen(embedding, formulas), INSIDE))
        alone = np.unique(embedding[_nearest(embedding, centres) > limit], axis=0)
        return cls(np.concatenate([centres, alone]).astype(centres.dtype), limit)

    def extended(self, embedding: Embedding, formulas: Sequence[str]) -> Domain:
        """The domain with further labelled crystals, as far as they lie close together; its limit stays.

        A crystal counts if at least three others, of other formulas, lie within the limit around it. So a family of
        crystals extends the domain, and scattered ones do not.

        Args:
            embedding: (n, d) scaled embedding of the labelled crystals.
            formulas: (n,) their reduced formulas.
        """
        names, group = np.unique(np.asarray(formulas), return_inverse=True)
        is_of = np.eye(len(names), dtype=np.float32)[group]
        counts = [
            ((_distances(part, embedding) <= self.limit) @ is_of > 0).sum(axis=1)
            for part in np.split(embedding, range(_ROWS_AT_ONCE, len(embedding), _ROWS_AT_ONCE))
        ]
        dense = embedding[np.concatenate(counts) > NEIGHBOURS]  # a crystal's own formula is among them
        if not len(dense):
            return self
        return Domain(np.concatenate([_centres(dense), self.centres]).astype(self.centres.dtype), self.limit)

    def distance(self, embedding: Embedding) -> NDArray[np.float64]:
        """(n,) distances of (n, d) embeddings to the nearest centre, in units of the limit: outside above 1."""
        nearest: NDArray[np.float64] = _nearest(embedding, self.centres) / max(self.limit, 1e-6)
        return nearest


def distances_of_unseen(
    embedding: Embedding, formulas: Sequence[str], before: Domain | None = None
) -> NDArray[np.float64]:
    """(n,) root mean square distances of labelled crystals to a domain that knows neither them nor their formulas.

    Args:
        embedding: (n, d) scaled embedding of the labelled crystals.
        formulas: (n,) their reduced formulas, two or more.
        before: Domain that they may extend; without one, they make up a domain of their own.
    """
    distance = np.empty(len(embedding))
    for train, test in group_folds(formulas, _FOLDS, seed=0):
        known = [formulas[k] for k in train]
        centres = before.extended(embedding[train], known).centres if before else _centres(embedding[train])
        distance[test] = _nearest(embedding[test], centres)
    return distance


def _nearest(embedding: Embedding, centres: Embedding) -> NDArray[np.float64]:
    nearest: NDArray[np.float64] = _distances(embedding, centres).min(axis=1)
    return nearest


def _distances(embedding: Embedding, centres: Embedding) -> NDArray[np.float64]:
    """(n, k) root mean square distances."""
    x, c = embedding.astype(np.float64), centres.astype(np.float64)
    squares = np.square(x).sum(axis=1)[:, None] - 2.0 * x @ c.T + np.square(c).sum(axis=1)
    distance: NDArray[np.float64] = np.sqrt(squares.clip(min=0.0) / x.shape[1])
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
