"""Suggestions from a scan: the crystals to compute next, when only a few can be computed.

A first pass over the scan counts kappa in fine bins for the target, a second keeps the `SHORTLIST` crystals
with the highest expected improvement; then rows are fetched by their place. Memory follows the shortlist,
not the scan. As the penalty of `choose` never raises a merit, the choice is that from the whole scan as long
as the shortlist outlasts it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kappatune.screening.acquisition import (
    TARGET_FRACTION,
    Direction,
    choose,
    expected_improvement,
    probability,
    widened,
)
from kappatune.screening.layout import CLAIM
from kappatune.screening.ranking import (
    CONFIG,
    NEEDED,
    ROWS,
    BadScan,
    Filters,
    RankedCrystal,
    RowLocation,
    check_columns,
    columns_at,
    conditions,
    patterns,
    scan_parts,
    whole_rows,
)
from kappatune.structures.crystal import MAX_ATOMIC_NUMBER
from kappatune.structures.table import Fidelity

SHORTLIST = 4096
"""Crystals among which a batch is chosen, at least; eight for every one that is wanted."""

_BINS_PER_UNIT = 200
_ROWS_AT_ONCE = 20_000
_NEAREST = ("id", "formula", "kappa_w_mk", "fidelity", "distance")


class SuggestSettings(Filters):
    """What is sought, and which crystals may be suggested.

    Attributes:
        limit: Most crystals to suggest.
        seek: Low or high conductivity.
        fidelity: Rung at which the crystals will be computed; formulas the model learnt from at this rung
            are left out. None is the rung of the scan.
        in_domain_only: Only crystals that resemble what the model was trained on, as beyond it neither the
            value nor its spread means much.
    """

    limit: int = Field(default=20, ge=1)
    seek: Direction = "low"
    fidelity: Fidelity | None = None
    in_domain_only: bool = True


class Suggestion(RankedCrystal):
    """A crystal to compute, and why.

    Attributes:
        target_w_mk: Conductivity beyond which improvement counts, W/(m K).
        expected_improvement: Mean improvement on the target in ln kappa, before the penalty of `choose`.
        probability: Chance that kappa lies beyond the target.
        sigma: Width of the law of ln kappa.
        nearest_id: Nearest labelled crystal of the scan's table of labels.
        nearest_formula: Its formula.
        nearest_kappa_w_mk: Its value, W/(m K).
        nearest_fidelity: Rung of that value.
        nearest_distance: How far it is, in spreads of the embedding.
    """

    target_w_mk: float
    expected_improvement: float
    probability: float
    sigma: float
    nearest_id: str | None = None
    nearest_formula: str | None = None
    nearest_kappa_w_mk: float | None = None
    nearest_fidelity: str | None = None
    nearest_distance: float | None = None


class _Candidate(NamedTuple):
    """What decides about a row, and where it stands; NaN where the scan does not know."""

    id: str
    structure_hash: str | None
    ln_kappa: float
    spread: float
    distance: float
    place: RowLocation


def suggest(folder: str | Path, settings: SuggestSettings | None = None) -> list[Suggestion]:
    """Crystals of a scan that are worth computing next, in the order of choice.

    The target is the kappa below which (or above, when high values are sought) 5 % of the crystals lie
    that pass the filters. Left out are formulas that the model learnt from at the rung in question,
    crystals at distance 0 from a labelled one, all but the best of equal structures, and, unless settings
    say otherwise, crystals out of domain. `kappatune.screening.acquisition.choose` chooses among the rest.

    Args:
        folder: Folder of a scan, complete or not.
        settings: What is sought; 20 crystals of low conductivity by default.

    Returns:
        At most `settings.limit` crystals; none if no crystal is left.

    Raises:
        BadScan: There is no readable scan in the folder, or it does not say which rung it is for.
    """
    settings = settings or SuggestSettings()
    parts = scan_parts(Path(folder))
    rung = settings.fidelity or _rung(Path(folder))
    with duckdb.connect(config=CONFIG) as connection:
        try:
            check_columns(connection, parts[0], NEEDED | {"nearest"})
            target = _target(connection, parts, settings)
            if target is None:
                return []
            short = _shortlist(_candidates(connection, parts, settings, rung), target, settings)
            return _chosen(connection, short, target, settings)
        except duckdb.Error as error:
            raise BadScan(f"{folder}: the scan cannot be read ({str(error).splitlines()[0]})") from error


def _rung(folder: Path) -> str:
    """The rung a scan says it asked for."""
    try:
        return str(json.loads((folder / CLAIM).read_text(encoding="utf-8"))["fidelity"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadScan(f"{folder}: {CLAIM} does not say for which rung the scan was made: give --fidelity") from error


def _target(connection: duckdb.DuckDBPyConnection, parts: list[str], settings: SuggestSettings) -> float | None:
    """The target as ln kappa, within half a percent; None if no crystal passes."""
    where, values = conditions(settings)
    counted = connection.execute(
        f"SELECT floor(ln(kappa_w_mk) * {_BINS_PER_UNIT}) AS bin, count(*) FROM {ROWS} "
        f"WHERE {where} AND kappa_w_mk > 0 GROUP BY bin ORDER BY bin",
        {"files": patterns(parts), **values},
    ).fetchall()
    if not counted:
        return None
    bins, counts = np.array(counted, dtype=np.float64).T
    fraction = TARGET_FRACTION if settings.seek == "low" else 1.0 - TARGET_FRACTION
    middle = bins[np.searchsorted(np.cumsum(counts), fraction * counts.sum())] + 0.5
    return float(middle) / _BINS_PER_UNIT


def _candidates(
    connection: duckdb.DuckDBPyConnection, parts: list[str], settings: SuggestSettings, rung: str
) -> Iterator[list[_Candidate]]:
    """The rows that may be suggested, many at once, in any order."""
    where, values = conditions(settings, rung=("NOT coalesce(list_contains(known_rungs, $rung), false)", rung))
    answer = connection.execute(
        "SELECT id, structure_hash, ln(kappa_w_mk), "
        "coalesce(list_stddev_samp([ln(m) FOR m IN members_w_mk IF m > 0 AND isfinite(m)]), 'nan'::DOUBLE), "
        "coalesce(nearest[1].distance, 'nan'::DOUBLE), filename, file_row_number "
        f"FROM {ROWS} WHERE {where} AND kappa_w_mk > 0",
        {"files": patterns(parts), **values},
    )
    while rows := answer.fetchmany(_ROWS_AT_ONCE):
        yield [
            _Candidate(id, key, ln_kappa, spread, distance, RowLocation(part, row))
            for id, key, ln_kappa, spread, distance, part, row in rows
        ]


def _shortlist(batches: Iterator[list[_Candidate]], target: float, settings: SuggestSettings) -> list[_Candidate]:
    """Those with the highest expected improvement, each structure once, best first."""
    size = max(SHORTLIST, 8 * settings.limit)
    short: list[_Candidate] = []
    least = 0.0
    for batch in batches:
        rivals = short + batch
        ln_kappa, spread, distance = _numbers(rivals)
        merit = expected_improvement(ln_kappa, widened(spread, distance), target, settings.seek)
        good = [(-float(merit[k]), rivals[k].id, rivals[k].place, rivals[k]) for k in np.flatnonzero(merit >= least)]
        met: set[str] = set()
        short = []
        for negative, *_, rival in sorted(good):
            if rival.distance == 0.0 or rival.structure_hash in met:
                continue
            if rival.structure_hash is not None:
                met.add(rival.structure_hash)
            short.append(rival)
            if len(short) == size:
                least = -negative
                break
    return short


def _chosen(
    connection: duckdb.DuckDBPyConnection, short: list[_Candidate], target: float, settings: SuggestSettings
) -> list[Suggestion]:
    if not short:
        return []
    ln_kappa, spread, distance = _numbers(short)
    fractions = np.zeros((len(short), MAX_ATOMIC_NUMBER + 1))
    for row, (numbers,) in zip(
        fractions, columns_at(connection, "numbers", [candidate.place for candidate in short]), strict=True
    ):
        if numbers:
            np.add.at(row, numbers, 1.0 / len(numbers))
    chosen = choose(ln_kappa, spread, distance, fractions, settings.limit, target=target, seek=settings.seek)
    sigma = widened(spread, distance)[chosen]
    places = [short[k].place for k in chosen]
    columns = {
        "expected_improvement": expected_improvement(ln_kappa[chosen], sigma, target, settings.seek).tolist(),
        "probability": probability(ln_kappa[chosen], sigma, target, settings.seek).tolist(),
        "sigma": sigma.tolist(),
    }
    nearest = columns_at(connection, ", ".join(f"nearest[1].{name}" for name in _NEAREST), places)
    return [
        Suggestion(
            **dict(row),
            target_w_mk=float(np.exp(target)),
            **{name: values[k] for name, values in columns.items()},
            **{f"nearest_{name}": value for name, value in zip(_NEAREST, nearest[k], strict=True)},
        )
        for k, row in enumerate(whole_rows(connection, places))
    ]


def _numbers(candidates: list[_Candidate]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What `choose` takes: ln kappa, spread and distance, (n,) each."""
    ln_kappa, spread, distance = np.array([candidate[2:5] for candidate in candidates], dtype=np.float64).T
    return ln_kappa, spread, distance
