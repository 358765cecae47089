"""The page on fewer force calculations, made from stored results alone."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from kappatune.verification.snapshots import (
    DISPLACEMENT_ALONE,
    MAX_PARAMETERS,
    MOST_WITH_PARTNERS,
    OVERSAMPLING_ALONE,
    OVERSAMPLING_WITH_PARTNERS,
)
from studies.markdown import note, number, table
from studies.phonons.fewer_forces import CUTOFF, REFERENCE_REACH, SETTINGS, Comparison, Fit, crystals

GOAL = (15, 6)
"""Crystals and prototypes that the comparison is to rest on."""

LOW_SYMMETRY = 8
"""Most symmetry operations of a crystal of low symmetry."""

_COLUMNS = (
    "crystal", "prototype", "operations", "atoms", "κ, W/(m K)", "pairs", "snapshots", "share", "Δκ",
    "Δκ, a third more", "Δκ, cutoff", "nearest pairs", "Δκ, nearest pairs",
)  # fmt: skip


def fewer_forces_page(records: Sequence[Comparison]) -> str:
    """The page as Markdown."""
    parts = [
        "# Fewer force calculations",
        note(
            "fewer-forces",
            "fewer_forces.jsonl",
            "python -m studies.phonons.fewer_forces --nequix PATH/nequix-mp-1-pft.nqx",
        ),
        "`kappatune verify --fewer-forces` finds the third-order force constants of some crystals from *snapshots* in "
        "place of displaced pairs of atoms. In a snapshot all atoms move in random directions. Where "
        f"{MOST_WITH_PARTNERS} snapshots are enough, they move by {SETTINGS.displacement:g} Å, and half of the "
        "snapshots have the displacements of the others reversed: in the sum of the two forces on an atom second and "
        f"fourth order cancel. Where more are needed, atoms move by {DISPLACEMENT_ALONE * SETTINGS.displacement:g} Å "
        "and no displacement is reversed, which takes half as many: the noise of the fourth order is small and "
        "averages out. symfc (Seko and Togo, Phys. Rev. B 110, 214302 (2024)) fits all third-order force constants of "
        f"the supercell, without a cutoff, to {OVERSAMPLING_WITH_PARTNERS:g} or {OVERSAMPLING_ALONE:g} times as many "
        "equations as there are of them. Snapshots are used where they take at most half of the force calculations of "
        "pairs and where no more than "
        f"{MAX_PARAMETERS:,} force constants are independent; each row says which way was used, and the estimate "
        "beforehand too.",
        "## Is κ the same?",
        _summary(records),
        table(_COLUMNS, [_cells(record) for record in records]),
        _legend(records),
        "## What follows",
        _consequences(records),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(records: Sequence[Comparison]) -> str:
    changes = [abs(_change(record, _fit(record))) for record in records]
    shares = [_share(record) for record in records]
    kinds = {record.prototype for record in records}
    asked = {prototype for prototype, _ in crystals().values()}
    missing = [name for name in crystals() if name not in {record.crystal for record in records}]
    text = (
        f"On {len(records)} crystals of {len(kinds)} prototypes with Nequix-mp-1-pft, κ from snapshots differs from κ "
        f"of pairs up to next nearest neighbours by {100 * median(changes):.1f} % in the median and "
        f"{100 * max(changes):.1f} % at most, for {median(shares):.2f} of the force calculations in the median "
        f"({min(shares):.2f} to {max(shares):.2f})."
    )
    low = [record for record in records if record.n_operations <= LOW_SYMMETRY]
    if low:
        found = ", ".join(f"{record.crystal} {_share(record):.2f}" for record in low)
        text += f" At low symmetry ({LOW_SYMMETRY} operations or fewer) the share is: {found}; the goal is 0.2."
    if missing:
        text += (
            f" The goal is {GOAL[0]} crystals of {GOAL[1]} prototypes; of the study's {len(crystals())} crystals of "
            f"{len(asked)} prototypes, {', '.join(missing)} are not computed yet."
        )
    return text


def _legend(records: Sequence[Comparison]) -> str:
    dates = sorted({record.date for record in records})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return (
        "*operations*: of symmetry, in the primitive cell; *atoms*: of the supercell; *pairs*, *snapshots*, *nearest "
        "pairs*: force calculations in all, with those of second order and at rest; *share*: snapshots over pairs; "
        f"*pairs* reach {REFERENCE_REACH:g}, *nearest pairs* {SETTINGS.reach:g} times the cube root of the volume per "
        "atom, as in `standard` and `quick`; *Δκ*: relative to κ of *pairs*; *a third more* "
        "snapshots, where they were tried; *cutoff*: the same snapshots, but no triples beyond "
        f"{CUTOFF:g} times that root. κ at 300 K in the relaxation-time approximation, second order by displaced atoms "
        f"in the same supercell, a mesh of length {SETTINGS.mesh_length:g} Å in all columns, coarser than that of "
        f"`quick`; {when}."
    )


def _consequences(records: Sequence[Comparison]) -> str:
    with_cutoff = [abs(_change(record, record.fits[-1])) for record in records]
    nearest = [abs(record.kappa_quick_w_mk / record.kappa_reference_w_mk - 1) for record in records]
    cheaper = [record.crystal for record in records if _fit(record).n_forces <= 0.5 * record.n_quick]
    beside_quick = f"in {', '.join(cheaper)}" if cheaper else "in none of these crystals"
    slowest = max((_fit(record) for record in records), key=lambda fit: fit.seconds)
    return (
        f"- Nearest pairs alone, as in `quick`, are off by {100 * median(nearest):.1f} % in the median and "
        f"{100 * max(nearest):.1f} % at most. Snapshots take half of their force calculations or fewer {beside_quick}; "
        "what they save elsewhere, they save at `standard` and above.\n"
        "- With a cutoff of the triples, as symfc offers it, κ is off by "
        f"{100 * median(with_cutoff):.1f} % in the median and {100 * max(with_cutoff):.1f} % at most. `verify` uses "
        f"none, so that crystals with more than {MAX_PARAMETERS:,} independent force constants (few operations, many "
        "atoms) keep their pairs: for them nothing is saved yet.\n"
        f"- The least squares took up to {slowest.seconds:.0f} s on one thread, for {slowest.n_parameters:,} force "
        "constants. With a fast potential this can be as long as the force calculations that are saved.\n"
        "- The verdict's [calibration](calibration.md) is of displaced pairs."
    )


def _cells(record: Comparison) -> list[str]:
    fit, more = _fit(record), record.fits[1] if len(record.fits) > 2 else None
    return [
        record.crystal,
        record.prototype,
        str(record.n_operations),
        str(record.n_atoms),
        f"{record.kappa_reference_w_mk:.3g}",
        str(record.n_reference),
        str(fit.n_forces),
        number(_share(record)),
        _percent(_change(record, fit)),
        "–" if more is None else _percent(_change(record, more)),
        _percent(_change(record, record.fits[-1])),
        str(record.n_quick),
        _percent(record.kappa_quick_w_mk / record.kappa_reference_w_mk - 1),
    ]


def _fit(record: Comparison) -> Fit:
    """The fit as `verify` makes it."""
    return record.fits[0]


def _share(record: Comparison) -> float:
    return _fit(record).n_forces / record.n_reference


def _change(record: Comparison, fit: Fit) -> float:
    return fit.kappa_w_mk / record.kappa_reference_w_mk - 1


def _percent(change: float) -> str:
    return f"{100 * change:+.1f} %"
