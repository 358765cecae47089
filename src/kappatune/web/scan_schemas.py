"""Queries of a scan, and what they return."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from kappatune.screening.query import Filters
from kappatune.web.schemas import ApiModel

_MOST_ELEMENTS = 12

Axis = Literal["n_atoms", "mean_mass_u", "volume_per_atom_a3", "debye_temperature_k", "gruneisen"]
Order = Literal["kappa_w_mk", "upper_w_mk", "lower_w_mk", "formula", "id", Axis]
Domain = Literal["any", "inside", "outside"]


class ScanFilters(Filters):
    """Which crystals of the scan to include.

    Attributes:
        elements: Elements that must all be present.
        without: Elements that must not be present.
        kappa_min: Lowest kappa, W/(m K).
        kappa_max: Highest kappa, W/(m K).
        domain: Inside or outside the model's domain, or any.
        find: Part of the id or of the formula.
    """

    elements: tuple[str, ...] = Field(default=(), max_length=_MOST_ELEMENTS)
    without: tuple[str, ...] = Field(default=(), max_length=118)
    kappa_min: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    kappa_max: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    domain: Domain = "any"
    find: str | None = Field(default=None, max_length=80)


class RowsQuery(ScanFilters):
    """Which page of the rows, in which order.

    Attributes:
        order: Column to sort by.
        descending: Highest first.
        limit: Rows of the page.
        offset: Rows before the page.
    """

    order: Order = "kappa_w_mk"
    descending: bool = False
    limit: int = Field(default=50, ge=1, le=500)
    offset: int = Field(default=0, ge=0, le=2**31)


class PointsQuery(ScanFilters):
    """Crystals of the scatter plot and its horizontal axis.

    Attributes:
        x: Quantity of the horizontal axis.
    """

    x: Axis = "mean_mass_u"


class ScanRow(ApiModel):
    """A crystal of the scan; `part` and `row` say where it is stored."""

    part: int
    row: int
    id: str
    formula: str | None
    n_atoms: int | None
    kappa_w_mk: float
    lower_w_mk: float | None
    upper_w_mk: float | None
    debye_temperature_k: float | None
    gruneisen: float | None
    in_domain: bool | None


class ScanPage(ApiModel):
    """A page of rows, and how many rows pass the filters."""

    total: int
    rows: list[ScanRow]


class ScanPoint(ApiModel):
    """A point of the scatter plot."""

    part: int
    row: int
    formula: str | None
    x: float
    kappa_w_mk: float
    in_domain: bool | None


class ScanPoints(ApiModel):
    """Points of the scatter plot: all crystals that pass the filters, or a sample that is the same every time."""

    total: int
    points: list[ScanPoint]


class HistogramBin(ApiModel):
    """Number of crystals between two conductivities, W/(m K)."""

    from_w_mk: float
    to_w_mk: float
    n: int


class ScanSummary(ApiModel):
    """Crystals that pass the filters: their number, their distribution of kappa, and how many contain each element."""

    total: int
    histogram: list[HistogramBin]
    elements: dict[str, int]


class Reason(ApiModel):
    """A reason why rows have no answer, and their number."""

    reason: str
    n: int


class ScanAbout(ApiModel):
    """The scan as a whole."""

    name: str
    complete: bool
    model: str | None
    fidelity: str | None
    created: str | None
    n_rows: int
    n_answered: int
    n_in_domain: int
    kappa_min: float | None
    kappa_max: float | None
    reasons: list[Reason]


class ScanCrystal(ApiModel):
    """A whole row of the scan, with its structure in the columns of kappatune's tables."""

    id: str
    file: str | None
    formula: str | None
    n_atoms: int | None
    kappa_w_mk: float | None
    lower_w_mk: float | None
    upper_w_mk: float | None
    debye_temperature_k: float | None
    gruneisen: float | None
    in_domain: bool | None
    reason: str | None
    remarks: list[str] | None
    interval: str | None
    members_w_mk: list[float] | None
    known_rungs: list[str] | None
    nearest: list[dict[str, Any]] | None
    lattice: list[float] | None
    numbers: list[int] | None
    frac_coords: list[float] | None
