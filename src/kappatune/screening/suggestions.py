"""Suggestions from a scan: the crystals to compute next, when only a few can be computed.

A first pass over the scan counts kappa in fine bins to find the target, a second finds the `SHORTLIST_SIZE` crystals
with the highest expected improvement; then whole rows are fetched for the chosen ones. Memory grows with the shortlist,
not with the scan. As the penalty of `choose` never raises a merit, the choice equals that from the whole scan unless
the shortlist is exhausted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kappatune.model.intervals import NOT_CALIBRATED
from kappatune.results import Results
from kappatune.screening.acquisition import (
    TARGET_FRACTION,
    Direction,
    choose,
    expected_improvement,
    probability,
    standard_deviation,
)
from kappatune.screening.layout import SCAN_INFO
from kappatune.screening.query import (
    ROWS,
    WHOLE_ROWS,
    BadScan,
    Filters,
    RowLocation,
    as_words,
    columns_at,
    conditions,
    opened,
    patterns,
)
from kappatune.screening.ranked_crystal import NEEDED, RankedCrystal, crystals_at
from kappatune.structures.crystal import MAX_ATOMIC_NUMBER
from kappatune.structures.table import Fidelity

SHORTLIST_SIZE = 4096
"""Crystals among which a batch is chosen, at least; eight for every one that is wanted if that is more."""

_BINS_PER_UNIT = 200
_ROWS_AT_ONCE = 20_000
_NEAREST = ("id", "formula", "kappa_w_mk", "fidelity", "distance")


class SuggestSettings(Filters):
    """Arguments of `suggest`, which documents them."""

    n: int = Field(default=20, ge=1)
    seek: Direction = "low"
    fidelity: Fidelity | None = None
    in_domain_only: bool = True


class Suggestion(RankedCrystal):
    """A crystal to compute, and why.

    Attributes:
        target_w_mk: Conductivity beyond which improvement counts, W/(m K).
        expected_improvement: Mean improvement on the target in ln kappa, before the penalty of `choose`.
        probability: Probability that kappa lies beyond the target.
        sigma: Standard deviation of ln kappa, from the calibrated interval where there is one.
        nearest_id: Nearest labelled crystal of the scan's table of labels.
        nearest_formula: Its formula.
        nearest_kappa_w_mk: Its value, W/(m K).
        nearest_fidelity: Rung of that value.
        nearest_distance: Its distance, in units of the embedding's scale.
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


class _ScoredRow(NamedTuple):
    """The values that decide whether a row is suggested, and its location; NaN where the scan has no value."""

    id: str
    structure_hash: str | None
    ln_kappa: float
    half_width: float
    spread: float
    distance: float
    location: RowLocation


def suggest(
    scan: str | os.PathLike[str],
    *,
    n: int = 20,
    seek: Direction = "low",
    fidelity: Fidelity | None = None,
    in_domain_only: bool = True,
    elements: str | Iterable[str] = (),
    without: str | Iterable[str] = (),
    min_atoms: int | None = None,
    max_atoms: int | None = None,
    prototypes: str | Iterable[str] = (),
    novel: bool = False,
) -> Results[Suggestion]:
    """Crystals of a scan that are worth computing next, in the order of choice: a varied batch with the most to gain.

    The target is the kappa below which (or above, when high values are sought) 5 % of the crystals lie that pass the
    filters. Left out are formulas that the model was trained on at the rung in question, crystals at distance 0 from a
    labelled one, all but the best of equal structures, and, by default, crystals out of domain.
    `kappatune.screening.acquisition.choose` chooses among the rest.

    Args:
        scan: Folder of a scan, complete or not, or the result of `screen`.
        n: Most crystals to suggest.
        seek: Whether low or high conductivity is sought.
        fidelity: Rung at which the crystals will be computed; formulas that the model was trained on at this rung are
            left out. By default the rung of the scan.
        in_domain_only: Only crystals similar to those the model was trained on: for others neither the value nor its
            spread means much.
        elements: Elements that must all be present, such as `"Pb,Te"` or `["Pb", "Te"]`.
        without: Elements that must not be present.
        min_atoms: Fewest atoms in the cell.
        max_atoms: Most atoms in the cell.
        prototypes: Allowed anonymous formulas; `AB2`, `B2A` and `CaF2` all mean `AB2`. Empty allows all.
        novel: Only crystals whose formula is in no rung's training data.

    Returns:
        At most `n` crystals; none if no crystal remains.

    Raises:
        kappatune.screening.query.BadScan: There is no readable scan in the folder, or it does not state its rung.
        kappatune.settings.BadSettings: The filters are invalid or contradict each other.

    Examples:
        >>> from kappatune import suggest
        >>> for crystal in suggest("my-scan", n=20, max_atoms=20):
        ...     print(crystal.id, crystal.expected_improvement, crystal.nearest_formula)
    """
    settings = SuggestSettings(
        n=n,
        seek=seek,
        fidelity=fidelity,
        in_domain_only=in_domain_only,
        elements=as_words(elements),
        without=as_words(without),
        min_atoms=min_atoms,
        max_atoms=max_atoms,
        prototypes=as_words(prototypes),
        novel=novel,
    )
    with opened(scan, NEEDED | {"nearest"}) as (connection, parts):
        rung = settings.fidelity or _rung(Path(scan))
        target = _target(connection, parts, settings)
        if target is None:
            return Results()
        shortlist = _shortlist(_scored_rows(connection, parts, settings, rung), target, settings)
        return Results(_chosen(connection, shortlist, target, settings))


def _rung(folder: Path) -> str:
    """The rung that a scan predicts."""
    try:
        return str(json.loads((folder / SCAN_INFO).read_text(encoding="utf-8"))["fidelity"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadScan(f"{folder}: {SCAN_INFO} does not state which rung the scan predicts: give --fidelity") from error


def _target(connection: duckdb.DuckDBPyConnection, parts: list[str], settings: SuggestSettings) -> float | None:
    """The target as ln kappa, within half a percent; None if no crystal passes."""
    where, values = conditions(settings)
    histogram = connection.execute(
        f"SELECT floor(ln(kappa_w_mk) * {_BINS_PER_UNIT}) AS bin, count(*) FROM {ROWS} "
        f"WHERE {where} AND kappa_w_mk > 0 GROUP BY bin ORDER BY bin",
        {"files": patterns(parts), **values},
    ).fetchall()
    if not histogram:
        return None
    bins, counts = np.array(histogram, dtype=np.float64).T
    fraction = TARGET_FRACTION if settings.seek == "low" else 1.0 - TARGET_FRACTION
    middle = bins[np.searchsorted(np.cumsum(counts), fraction * counts.sum())] + 0.5
    return float(middle) / _BINS_PER_UNIT


def _scored_rows(
    connection: duckdb.DuckDBPyConnection, parts: list[str], settings: SuggestSettings, rung: str
) -> Iterator[list[_ScoredRow]]:
    """The rows that may be suggested, in batches, in any order."""
    where, values = conditions(settings, rung=("NOT coalesce(list_contains(known_rungs, $rung), false)", rung))
    result = connection.execute(
        "SELECT id, structure_hash, ln(kappa_w_mk), "
        f"CASE WHEN interval <> '{NOT_CALIBRATED}' THEN coalesce(ln(upper_w_mk / lower_w_mk) / 2, 'nan'::DOUBLE) "
        "ELSE 'nan'::DOUBLE END, "
        "coalesce(list_stddev_samp([ln(m) FOR m IN members_w_mk IF m > 0 AND isfinite(m)]), 'nan'::DOUBLE), "
        "coalesce(nearest[1].distance, 'nan'::DOUBLE), filename, file_row_number "
        f"FROM {WHOLE_ROWS} WHERE {where} AND kappa_w_mk > 0",
        {"files": patterns(parts), **values},
    )
    while rows := result.fetchmany(_ROWS_AT_ONCE):
        yield [
            _ScoredRow(id, key, ln_kappa, half_width, spread, distance, RowLocation(part, row))
            for id, key, ln_kappa, half_width, spread, distance, part, row in rows
        ]


def _shortlist(batches: Iterator[list[_ScoredRow]], target: float, settings: SuggestSettings) -> list[_ScoredRow]:
    """Those with the highest expected improvement, each structure once, best first."""
    size = max(SHORTLIST_SIZE, 8 * settings.n)
    shortlist: list[_ScoredRow] = []
    least = 0.0
    for batch in batches:
        rows = shortlist + batch
        ln_kappa, sigma, _ = _numbers(rows)
        merit = expected_improvement(ln_kappa, sigma, target, settings.seek)
        good = [(-float(merit[k]), rows[k].id, rows[k].location, rows[k]) for k in np.flatnonzero(merit >= least)]
        met: set[str] = set()
        shortlist = []
        for negative, *_, row in sorted(good):
            if row.distance == 0.0 or row.structure_hash in met:
                continue
            if row.structure_hash is not None:
                met.add(row.structure_hash)
            shortlist.append(row)
            if len(shortlist) == size:
                least = -negative
                break
    return shortlist


def _chosen(
    connection: duckdb.DuckDBPyConnection, shortlist: list[_ScoredRow], target: float, settings: SuggestSettings
) -> list[Suggestion]:
    if not shortlist:
        return []
    ln_kappa, sigma, distance = _numbers(shortlist)
    fractions = np.zeros((len(shortlist), MAX_ATOMIC_NUMBER + 1))
    for fraction, (numbers,) in zip(
        fractions, columns_at(connection, "numbers", [row.location for row in shortlist]), strict=True
    ):
        if numbers:
            np.add.at(fraction, numbers, 1.0 / len(numbers))
    chosen = choose(ln_kappa, sigma, distance, fractions, settings.n, target=target, seek=settings.seek)
    sigma = sigma[chosen]
    locations = [shortlist[k].location for k in chosen]
    columns = {
        "expected_improvement": expected_improvement(ln_kappa[chosen], sigma, target, settings.seek).tolist(),
        "probability": probability(ln_kappa[chosen], sigma, target, settings.seek).tolist(),
        "sigma": sigma.tolist(),
    }
    nearest = columns_at(connection, ", ".join(f"nearest[1].{name}" for name in _NEAREST), locations)
    return [
        Suggestion(
            **dict(row),
            target_w_mk=float(np.exp(target)),
            **{name: values[k] for name, values in columns.items()},
            **{f"nearest_{name}": value for name, value in zip(_NEAREST, nearest[k], strict=True)},
        )
        for k, row in enumerate(crystals_at(connection, locations))
    ]


def _numbers(rows: list[_ScoredRow]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What `choose` takes: ln kappa, its standard deviation and the distance, (n,) each."""
    ln_kappa, half_width, spread, distance = np.array([row[2:6] for row in rows], dtype=np.float64).T
    return ln_kappa, standard_deviation(half_width, spread, distance), distance
