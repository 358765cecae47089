"""The section of the page on accuracy that tells how kappa follows small changes of the structure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.markdown import note, table


def continuity_section(result: Mapping[str, Any]) -> list[str]:
    """Heading, tables and explanation.

    Args:
        result: What `studies.phonix.continuity` stored.
    """
    models = result["models"]
    small, large = ([found["moved"][k] for found in models.values()] for k in (0, 1))
    rows = [
        [
            f"{part[0]['n_supercells']} supercells, atoms moved by {part[0]['distance_angstrom']} Å: largest change",
            goal,
            *(_percent(one["largest_change"]) for one in part),
        ]
        for part, goal in ((small, "≤ 5 %"), (large, "≤ 20 %"))
    ]
    rounded = [found["rounded"] for found in models.values()]
    rows.append(
        [
            f"{rounded[0]['n']} crystals written with {rounded[0]['decimals']} decimals: changed by at most 5 %",
            "all",
            *(f"{_percent(one['within_5_percent'])} (largest {_percent(one['largest_change'])})" for one in rounded),
        ]
    )
    for of in next(iter(models.values()))["volume"]:
        found = [model["volume"][of] for model in models.values()]
        differences = (_percent(one["median_gruneisen_difference"]) for one in found)
        rows += [
            [f"{of}: κ falls with the volume", "≥ 97 %", *(_percent(one["falling"]) for one in found)],
            [f"{of}: median d ln κ/d ln V", "-8 to -3", *(f"{one['median_slope']:.1f}" for one in found)],
            [
                f"{of}: no step above 2 % for 0.1 % of volume",
                "≥ 99 %",
                *(_percent(one["without_step"]) for one in found),
            ],
            [f"{of}: median difference of -d ln θ/d ln V from the reported γ", "≤ 25 %", *differences],
        ]
    return [
        "## Small changes of the structure",
        note("accuracy", "continuity.json", "python -m studies.phonix.continuity --data FOLDER")
        + " Of the shipped weights, without any label. Supercells have 40 to 96 atoms, each in five random directions.",
        table(("what", "goal", *(f"`{name}`" for name in models)), rows),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
