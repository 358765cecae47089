"""The learning curves with a family left out: a sentence, two tables of errors and one of gains, from stored cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studies.markdown import listed, table
from studies.phonix.curve_arms import ARMS, CHIEF_ARMS
from studies.phonix.curve_pairs import PAIRS
from studies.phonix.curve_worth import mean_and_half_width
from studies.phonix.family_curves import FEW, N_DRAWS, FamilyCell

_ROUNDING = 1e-9
_TITLES = {False: f"{FEW} labels", True: "all labels"}
"""Of cells that learn few labels, and of those that learn all."""


class FamilyCurves:
    """The stored cells, as far as an arm has all draws of all families that any arm has.

    Attributes:
        families: Tested families, the largest first.
        n_tested: Tested rows, by family.
        n_known: All labels of other families, by family.
        arms: Arms with all cells.
    """

    def __init__(self, cells: Sequence[FamilyCell]) -> None:
        self.n_tested = {cell.family: cell.n_tested for cell in cells}
        self.n_known = {cell.family: cell.n_known for cell in cells}
        self.families = sorted(self.n_tested, key=lambda name: (-self.n_tested[name], name))
        self._errors: dict[tuple[str, bool, str], dict[int, float]] = defaultdict(dict)
        for cell in cells:
            self._errors[cell.arm, cell.n == cell.n_known, cell.family][cell.draw] = cell.mean_abs_log10
        self.arms = [arm for arm in CHIEF_ARMS if self.families and self._is_complete(arm)]

    def _is_complete(self, arm: str) -> bool:
        keys = [(arm, is_all, family) for is_all in _TITLES for family in self.families]
        return all(len(self._errors[key]) == N_DRAWS for key in keys)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Those of `PAIRS` both of whose arms are complete."""
        return [pair for pair in PAIRS if set(pair) <= set(self.arms)]

    def errors(self, arm: str, *, is_all: bool) -> NDArray[np.float64]:
        """(families, draws) mean |log10| errors after a hundred labels or all."""
        found = [self._errors[arm, is_all, family] for family in self.families]
        return np.array([[draws[draw] for draw in sorted(draws)] for draws in found])

    def gains(self, pair: tuple[str, str], *, is_all: bool) -> NDArray[np.float64]:
        """(families, draws) errors of the first arm less those of the second."""
        return self.errors(pair[0], is_all=is_all) - self.errors(pair[1], is_all=is_all)


def family_sentence(curves: FamilyCurves) -> list[str]:
    """Which gains are seen with a family left out, if they are computed."""
    if not curves.pairs:
        return []
    gains, losses = (
        "; ".join(f"with {title} for {_seen(curves, is_all, sign)}" for is_all, title in _TITLES.items())
        for sign in (1, -1)
    )
    return [
        f"With the formulas of a whole family left out of every stage ({len(curves.families)} families, "
        f"[below](#a-family-left-out)), a mean gain over families is seen {gains}; a mean loss {losses}."
    ]


def _seen(curves: FamilyCurves, is_all: bool, sign: int) -> str:
    """Pairs whose interval over families lies above zero, or below it with a negative sign."""
    seen = []
    for pair in curves.pairs:
        gain, half = mean_and_half_width(sign * curves.gains(pair, is_all=is_all).mean(axis=1))
        if gain - half > _ROUNDING:
            seen.append(f"*{ARMS[pair[1]].title}* over *{ARMS[pair[0]].title}* ({gain:.3f})")
    return listed(seen) if seen else "no pair"


def family_section(curves: FamilyCurves) -> list[str]:
    """The section as Markdown; nothing without cells."""
    if not curves.arms:
        return []
    missing = [f"*{ARMS[arm].title}*" for arm in CHIEF_ARMS if arm not in curves.arms]
    return [
        "### A family left out",
        f"The {len(curves.families)} largest families of Phonix (anion, anonymous formula, space group, sites), "
        f"each tested by models that learn {FEW} labels of other families, or all of them; the mean of {N_DRAWS} "
        "draws (`python -m studies.phonix.family_curves --data FOLDER`). No formula of the family is in a table of "
        "AGL or DFT values that is learnt (published networks may know their formation energies or bulk moduli). "
        "One AGL stage of each kind serves all families: the formulas of all of them are left out of it together. "
        "AGL values of other crystals with the prototype of a family stay in. Intervals are of the mean over "
        "families, by Student's t, as if families were drawn at random; single families are small, and their "
        "numbers uncertain." + (f" Not computed yet: {', '.join(missing)}." if missing else ""),
        *(_errors_table(curves, is_all) for is_all in _TITLES),
        *([_gains_table(curves)] if curves.pairs else []),
    ]


def _errors_table(curves: FamilyCurves, is_all: bool) -> str:
    errors = {arm: curves.errors(arm, is_all=is_all) for arm in curves.arms}
    rows = [
        [name, f"{curves.n_tested[name]}", f"{curves.n_known[name] if is_all else FEW:,}"]
        + [f"{errors[arm][k].mean():.3f}" for arm in curves.arms]
        for k, name in enumerate(curves.families)
    ]
    spread = [mean_and_half_width(errors[arm].mean(axis=1)) for arm in curves.arms]
    rows.append(["mean of families", "", "", *(f"{mean:.3f} ± {half:.3f}" for mean, half in spread)])
    columns = ["family", "tested", "learnt", *(ARMS[arm].title for arm in curves.arms)]
    return f"Mean |log10 error| with {_TITLES[is_all]}:\n\n" + table(columns, rows)


def _gains_table(curves: FamilyCurves) -> str:
    rows = [
        [f"{ARMS[pair[1]].title}, over {ARMS[pair[0]].title}"]
        + [_gain(curves.gains(pair, is_all=is_all)) for is_all in _TITLES]
        for pair in curves.pairs
    ]
    return (
        "Gain on new families: error of the second-named model less that of the first, mean over families, with its "
        "95 % interval over families, the families in which it is above zero, and half the width of its 95 % interval "
        "over draws alone (not corrected for the number of pairs):\n\n" + table(["models", *_TITLES.values()], rows)
    )


def _gain(gains: NDArray[np.float64]) -> str:
    of_families = gains.mean(axis=1)
    mean, half = mean_and_half_width(of_families)
    _, of_draws = mean_and_half_width(gains.mean(axis=0))
    count = f"{np.sum(of_families > _ROUNDING)} of {len(of_families)}"
    return f"{mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f}), {count}, ± {of_draws:.3f}"
