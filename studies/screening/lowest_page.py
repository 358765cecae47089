"""The page of the lowest crystals without a label, made from the stored result alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.markdown import note, table
from studies.screening.lowest import BELOW_W_MK, N_LISTED
from studies.store import load_result


def lowest_page() -> str:
    """The page as Markdown."""
    result = load_result("lowest")
    rows, showcase = result["lowest"], result["showcase"]
    by_chance = len(rows) * result["share_below_in_pool"]
    parts = [
        f"# The {len(rows)} lowest crystals without a label",
        note("lowest", "lowest.json", "python -m studies.screening.lowest --data FOLDER")
        + f" Computed on {result['date']} with `{result['model']}` (weights `{result['weights_sha256'][:12]}`).",
        f"`{result['model']}` scanned {result['n_crystals']:,} crystals of "
        "[phonondb](https://github.com/atztogo/phonondb) (PBEsol cells, CC BY 4.0): median κ "
        f"{result['median_w_mk']:.1f} W/(m K), a twentieth below {result['lowest_5_percent_w_mk']:.2f}. "
        f"{result['n_in_domain']:,} are in its domain, and {result['n_unlabelled']:,} have a formula that none of its "
        f"DFT or measured values has. By the paper's rule, every member below {BELOW_W_MK:g} W/(m K), "
        f"{result['n_all_members_below']} are candidates.",
        f"The {N_LISTED} lowest in the domain without such a value follow. If their intervals hold, "
        f"**{result['expected_below']:.0f} of {len(rows)}** lie below {BELOW_W_MK:g} W/(m K) by DFT, where "
        f"{by_chance:.0f} would be expected of crystals drawn from the pool by chance, going by its predictions. "
        "Twenty of at most 12 atoms, the lowest of varied chemistry, were [verified by phonons](verified.md). "
        "*Nearest*: the labelled crystals that are most alike to the model.",
        table(
            ("id", "formula", "atoms", "κ, W/(m K)", "interval", "nearest labelled", "remarks"),
            [_shown(row) for row in rows],
        ),
        "## Beside the authors' scan",
        "The authors' stored predictions carry no licence, so only aggregates stand here, with their rows realigned to "
        "their ids. Their models learnt two small sets; today's learnt crystals of all kinds, soft ones among them. "
        "[An earlier comparison](candidates.md#compared-with-the-authors-scan) has the paper's own trainings beside "
        "theirs.",
        table(
            (
                "theirs trained on",
                "crystals in both",
                "median κ, theirs and ours, W/(m K)",
                f"below {BELOW_W_MK:g} W/(m K), theirs and ours",
                f"of the lowest {N_LISTED} in common",
                "Spearman",
            ),
            [
                [
                    name,
                    f"{one['n']:,}",
                    "{:.1f}, {:.1f}".format(*one["median_w_mk"]),
                    "{}, {}".format(*one["n_below"]),
                    str(one["lowest_in_common"]),
                    f"{one['spearman']:.2f}",
                ]
                for name, one in result["beside_published"].items()
            ],
        ),
        f"The paper's showcase {showcase['formula']} ({showcase['id']}), predicted there at 1.23 W/(m K) and computed "
        f"at 7.1: {showcase['kappa_w_mk']:.1f} here, {showcase['lower_w_mk']:.1f} to {showcase['upper_w_mk']:.1f}.",
    ]
    return "\n\n".join(parts) + "\n"


def _shown(row: Mapping[str, Any]) -> list[str]:
    return [
        row["id"],
        row["formula"],
        str(row["n_atoms"]),
        f"{row['kappa_w_mk']:.2f}",
        f"{row['lower_w_mk']:.2f} to {row['upper_w_mk']:.2f}",
        ", ".join(dict.fromkeys(row["nearest"])),
        ", ".join(remark.split(":")[0] for remark in row["remarks"] or ()),
    ]
