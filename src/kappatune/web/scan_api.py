"""`/api/v1/scan/...`: the results of a scan, filtered and paged on the server."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from kappatune.web.explore import (
    PointsQuery,
    RowsQuery,
    Scan,
    ScanAbout,
    ScanCrystal,
    ScanFilters,
    ScanPage,
    ScanPoints,
    ScanSummary,
)
from kappatune.web.limits import Refusal
from kappatune.web.predict_api import PROBLEMS
from kappatune.web.schemas import Problem
from kappatune.web.service import Serving, Turn

_ANSWERS: dict[int | str, dict[str, Any]] = {
    **{status: PROBLEMS[status] for status in (401, 403, 422, 503)},
    404: {"model": Problem, "description": "No scan is served, or it has no such row."},
}

router = APIRouter(prefix="/api/v1/scan", tags=["scan"], responses=_ANSWERS)


def _scan(service: Serving) -> Scan:
    if service.scan is None:
        raise Refusal(404, "no scan is served: start with `kappatune serve --scan DIR`")
    return service.scan


Scanned = Annotated[Scan, Depends(_scan)]


@router.get("", summary="The scan as a whole")
async def about(scan: Scanned) -> ScanAbout:
    """What was scanned, how much was answered, and why the rest was not."""
    return scan.about


@router.get("/rows", summary="A page of rows", dependencies=[Turn])
async def rows(scan: Scanned, service: Serving, query: Annotated[RowsQuery, Query()]) -> ScanPage:
    """Crystals that pass the filters, in order."""
    return await asyncio.to_thread(scan.page, query, service.limits.query_s)


@router.get("/summary", summary="Distribution and elements", dependencies=[Turn])
async def summary(scan: Scanned, service: Serving, query: Annotated[ScanFilters, Query()]) -> ScanSummary:
    """How the conductivity of what passes the filters is distributed, and how many crystals hold each element."""
    return await asyncio.to_thread(scan.summary, query, service.limits.query_s)


@router.get("/points", summary="Points of a scatter plot", dependencies=[Turn])
async def points(scan: Scanned, service: Serving, query: Annotated[PointsQuery, Query()]) -> ScanPoints:
    """Conductivity over another quantity: all crystals that pass the filters, or a steady sample of them."""
    return await asyncio.to_thread(scan.points, query, service.limits.query_s)


@router.get("/crystal", summary="One crystal of the scan", dependencies=[Turn])
async def crystal(
    scan: Scanned,
    service: Serving,
    part: Annotated[int, Query(ge=0, le=2**31 - 1, description="As a row of `/scan/rows` says.")],
    row: Annotated[int, Query(ge=0, le=2**31 - 1, description="As above.")],
) -> ScanCrystal:
    """The whole row, with its structure."""
    found = await asyncio.to_thread(scan.crystal, part, row, service.limits.query_s)
    if found is None:
        raise Refusal(404, "the scan has no such row")
    return found
