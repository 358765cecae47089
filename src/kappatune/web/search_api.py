"""`/api/v1/search`: crystals by formula, over tables, kept crystals and the scan."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from kappatune.structures.identity import structure_hash
from kappatune.web.formula_search import LONGEST, FormulaQuery
from kappatune.web.predict_api import ERROR_RESPONSES
from kappatune.web.schemas import ApiModel
from kappatune.web.service import QueueSlot, Service, ServiceDep

_RESPONSES: dict[int | str, dict[str, Any]] = {status: ERROR_RESPONSES[status] for status in (401, 403, 422, 503)}

router = APIRouter(prefix="/api/v1", tags=["search"], responses=_RESPONSES)


class Found(ApiModel):
    """A crystal that was found.

    Attributes:
        where: `table` (labelled), `kept` (answered before) or `scan`.
        table: Name of the table or of the scan.
        id: Name of the crystal.
        formula: Reduced formula.
        kappa_w_mk: Labelled value or prediction at 300 K, W/(m K).
        lower_w_mk: Lower end of the interval of a prediction, W/(m K).
        upper_w_mk: Upper end, W/(m K).
        fidelity: Rung of the value.
        source: Who measured or computed a labelled value.
        crystal: Its hash for `/crystals/HASH`; null in a scan.
        part: Where it is in the scan, for `/scan/crystal`.
        row: The same.
    """

    where: Literal["table", "kept", "scan"]
    table: str | None = None
    id: str
    formula: str | None
    kappa_w_mk: float
    lower_w_mk: float | None = None
    upper_w_mk: float | None = None
    fidelity: str | None = None
    source: str | None = None
    crystal: str | None = None
    part: int | None = None
    row: int | None = None


class SearchAnswer(ApiModel):
    """What was looked for as the field writes it, how many crystals there are, and the first of them."""

    query: str
    total: int
    found: list[Found]


@router.get("/search", summary="Crystals by formula", dependencies=[QueueSlot])
async def search(
    service: ServiceDep,
    formula: Annotated[
        str,
        Query(max_length=LONGEST, description="`PbTe` in any order, or the elements as `Pb-Te`.", examples=["PbTe"]),
    ],
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> SearchAnswer:
    """Labelled crystals first, then others that were answered before, then those of the scan."""
    query = await asyncio.to_thread(FormulaQuery.read, formula)
    return await asyncio.to_thread(_search, service, query, limit)


def _search(service: Service, query: FormulaQuery, limit: int) -> SearchAnswer:
    labelled = service.reference.find(query.key, query.elements)
    hashes = [structure_hash(row.crystal) for _, row in labelled]
    found = [
        Found(
            where="table",
            table=table,
            id=row.crystal.id,
            formula=row.crystal.formula,
            kappa_w_mk=row.kappa,
            fidelity=row.fidelity,
            source=row.source or None,
            crystal=key,
        )
        for (table, row), key in zip(labelled[:limit], hashes, strict=False)
    ]
    elements = None if query.key else "-".join(query.elements)
    n_kept, kept = service.kept.find(query.key, elements, limit, but=hashes)
    found += [
        Found(
            where="kept",
            id=one.name,
            formula=query.shown if query.key else one.formula,
            kappa_w_mk=one.kappa_w_mk,
            lower_w_mk=one.lower_w_mk,
            upper_w_mk=one.upper_w_mk,
            fidelity=one.fidelity,
            crystal=one.hash,
        )
        for one in kept
    ]
    n_scanned = 0
    if service.scan is not None:
        n_scanned, rows = service.scan.find(query, limit, service.limits.query_s)
        found += [
            Found(
                where="scan",
                table=service.scan.about.name,
                **row.model_dump(include={"id", "formula", "kappa_w_mk", "lower_w_mk", "upper_w_mk", "part", "row"}),
            )
            for row in rows
        ]
    return SearchAnswer(query=query.shown, total=len(labelled) + n_kept + n_scanned, found=found[:limit])
