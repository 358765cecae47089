"""`/api/v1/scan/...`: the results of a scan, filtered and paged on the server."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from kappatune.web.limits import RequestError
from kappatune.web.predict_api import ERROR_RESPONSES
from kappatune.web.scan_schemas import (
    PointsQuery,
    RowsQuery,
    ScanAbout,
    ScanCrystal,
    ScanFilters,
    ScanPage,
    ScanPoints,
    ScanSummary,
)
from kappatune.web.scan_store import ScanStore
from kappatune.web.schemas import Problem
from kappatune.web.service import QueueSlot, ServiceDep

_ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    **{status: ERROR_RESPONSES[status] for status in (401, 403, 422, 503)},
    404: {"model": Problem, "description": "No scan is served, or it has no such row."},
}

router = APIRouter(prefix="/api/v1/scan", tags=["scan"], responses=_ERROR_RESPONSES)


def _scan(service: ServiceDep) -> ScanStore:
    if service.scan is None:
        raise RequestError(404, "no scan is served: start the server with `kappatune serve --scan DIR`")
    return service.scan


ScanDep = Annotated[ScanStore, Depends(_scan)]


@router.get("", summary="The scan as a whole")
async def about(scan: ScanDep) -> ScanAbout:
    """What was scanned, how many crystals were answered, and why the others were not."""
    return scan.about


@router.get("/rows", summary="A page of rows", dependencies=[QueueSlot])
async def rows(scan: ScanDep, service: ServiceDep, query: Annotated[RowsQuery, Query()]) -> ScanPage:
    """Crystals that pass the filters, in the order asked for."""
    return await asyncio.to_thread(scan.page, query, service.limits.query_s)


@router.get("/summary", summary="Distribution and elements", dependencies=[QueueSlot])
async def summary(scan: ScanDep, service: ServiceDep, query: Annotated[ScanFilters, Query()]) -> ScanSummary:
    """Distribution of kappa over the crystals that pass the filters, and how many of them contain each element."""
    return await asyncio.to_thread(scan.summary, query, service.limits.query_s)


@router.get("/points", summary="Points of a scatter plot", dependencies=[QueueSlot])
async def points(scan: ScanDep, service: ServiceDep, query: Annotated[PointsQuery, Query()]) -> ScanPoints:
    """Kappa against another quantity, for all crystals that pass the filters or for a fixed sample of them."""
    return await asyncio.to_thread(scan.points, query, service.limits.query_s)


@router.get("/crystal", summary="One crystal of the scan", dependencies=[QueueSlot])
async def crystal(
    scan: ScanDep,
    service: ServiceDep,
    part: Annotated[int, Query(ge=0, le=2**31 - 1, description="As given by a row of `/scan/rows`.")],
    row: Annotated[int, Query(ge=0, le=2**31 - 1, description="As above.")],
) -> ScanCrystal:
    """The whole row, with its structure."""
    found = await asyncio.to_thread(scan.crystal, part, row, service.limits.query_s)
    if found is None:
        raise RequestError(404, "the scan has no such row")
    return found
