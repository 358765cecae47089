"""The page on crystals of other kinds: errors, intervals and domain of the shipped models on Phonix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.markdown import note, table
from studies.transfer.out_of_sample import SOFT, STIFF


def out_of_sample_page(result: Mapping[str, Any], labels: Mapping[str, Any]) -> str:
    """The page as Markdown.

    Args:
        result: Stored result of `studies.transfer.out_of_sample`.
        labels: Stored result of `studies.transfer.labels`.
    """
    errors = result["errors"]
    one = errors["accurate"]["dft"]["all"]
    hashes = ", ".join(f"`{name}` `{sha[:12]}`" for name, sha in result["weights_sha256"].items())
    parts = [
        "# Other kinds of crystals",
        note("out-of-sample", "out_of_sample.json", "python -m studies.transfer.out_of_sample --data FOLDER")
        + f" Computed {result['date']} with the shipped models (weights {hashes}).",
        "The [benchmark](benchmark.md) tests on rocksalts, zincblendes, wurtzites and half-Heuslers, the families the "
        "models were trained on. Here are DFT conductivities of crystals of all kinds, of which the shipped models "
        "learnt none: Phonix (Ohnishi et al., npj Comput. Mater. 12, 150 (2026); PBEsol, particle part and "
        f"coherences). {result['n_left_out']} of {result['n_rows']} rows, whose formulas are in L96, HH143 or the "
        f"textbook table, are left out; {one['n']} remain, mostly ternaries. For "
        f"{one['n'] - errors['accurate']['dft']['no AGL value known either']['n']} of them a model knows an AGL value "
        "of the formula; without these the errors are the same (last rows). Values by DFT differ among themselves: "
        f"Phonix and L96 by {labels['agreement']['L96, Phonix']['mean_abs_log10']:.3f} in mean |log10|, Phonix and "
        f"HH143 by {labels['agreement']['HH143']['mean_abs_log10']:.3f}.",
        _findings(result),
        *(_section(model, rung, groups) for model, rungs in errors.items() for rung, groups in rungs.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _findings(result: Mapping[str, Any]) -> str:
    errors, compared = result["errors"], result["compared"]
    dft, agl, fast = errors["accurate"]["dft"], errors["accurate"]["agl"], errors["fast"]["dft"]
    own, own_agl = (rung["families that `dft` learnt"] for rung in (dft, agl))
    inside, outside = dft["inside the domain"], dft["outside the domain"]
    to_agl, to_fast = compared["accurate dft to accurate agl"], compared["accurate dft to fast dft"]
    return (
        f"- **The rung `dft` is biased high** on them: by {dft['all']['mean_signed_log10']:+.2f} in log10 in the mean "
        f"(a factor of {10 ** dft['all']['mean_signed_log10']:.1f}), and more for soft crystals, whose predicted "
        f"acoustic Debye temperature is below {SOFT:.0f} K: a factor of {dft['soft']['median_ratio']:.1f} in the "
        f"median. The rung `agl` is not: {agl['all']['mean_signed_log10']:+.2f}, and a factor of "
        f"{agl['soft']['median_ratio']:.1f} for soft ones.\n"
        f"- **`agl` is nearer to DFT values of other kinds of crystals than `dft`**: mean |log10| error "
        f"{agl['all']['mean_abs_log10']:.3f} and rank correlation {agl['all']['spearman']:.2f}, against "
        f"{dft['all']['mean_abs_log10']:.3f} and {dft['all']['spearman']:.2f} (gain {_gain(to_agl)}). Only "
        f"stiff crystals (above {STIFF:.0f} K) are about as good by either: {agl['stiff']['mean_abs_log10']:.3f} and "
        f"{dft['stiff']['mean_abs_log10']:.3f}. On formulas not seen of the families that `dft` learnt "
        f"({own['n']} crystals), `dft` is better: {own['mean_abs_log10']:.3f} against "
        f"{own_agl['mean_abs_log10']:.3f}.\n"
        f"- **`fast` is better than `accurate` on `dft`**, by a little: {fast['all']['mean_abs_log10']:.3f} against "
        f"{dft['all']['mean_abs_log10']:.3f} (gain {_gain(to_fast)}).\n"
        f"- **`in_domain` tells less than its name says.** {dft['all']['in_domain']:.0%} of these crystals are inside "
        f"for `accurate` (`fast`: {fast['all']['in_domain']:.0%}), though all but {own['n']} are of other families "
        f"than it learnt. Their error is {inside['mean_abs_log10']:.2f}, that of the others "
        f"{outside['mean_abs_log10']:.2f}: a factor of "
        f"{outside['mean_abs_log10'] / inside['mean_abs_log10']:.1f}. What the domain does is to widen intervals: "
        f"upper over lower end is {inside['interval_ratio']:.0f} inside and {outside['interval_ratio']:.0f} outside, "
        "in the median, which says little about κ.\n"
        f"- **90 % intervals of `dft` hold {dft['all']['coverage']:.0%}** (inside {inside['coverage']:.0%}, outside "
        f"{outside['coverage']:.0%}; `fast` {fast['all']['coverage']:.0%}), {dft['κ, low third']['coverage']:.0%} in "
        "the lowest third of κ. Intervals of `agl` are those of AGL values: they hold "
        f"{agl['all']['coverage']:.0%} of these DFT values.\n\n"
        "**What to choose.** For a rocksalt, zincblende, wurtzite or half-Heusler: `dft`, the default. For another "
        "kind of crystal, above all a soft one, and to rank a database of all kinds: `--fidelity agl`, whose value is "
        "nearer to DFT; its interval is too narrow for that, and that of `dft` is the least uncertainty to reckon "
        "with. Between the models: `accurate` is nearer to AGL values, `fast` nearer to the DFT values here on either "
        "rung.\n\n"
        "The models are not corrected for what is found here: another training set is the remedy."
    )


def _gain(paired: Mapping[str, Any]) -> str:
    low, high = paired["gain_interval"]
    return f"{paired['gain']:+.3f}, 95 % {low:+.3f} to {high:+.3f}, p {paired['p_value']:.0g}"


def _section(model: str, rung: str, groups: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [
            _named(name),
            str(g["n"]),
            f"{g['mean_abs_log10']:.3f}",
            "{:.3f} to {:.3f}".format(*g["mean_abs_log10_interval"]),
            f"{g['mean_signed_log10']:+.3f}",
            f"{g['median_ratio']:.2f}",
            f"{g['spearman']:.2f}",
            f"{g['coverage']:.2f}",
            f"{g['in_domain']:.2f}",
            f"{g['interval_ratio']:.1f}",
        ]
        for name, g in groups.items()
    ]
    columns = (
        "crystals",
        "n",
        "mean abs log10",
        "95 %",
        "bias (log10)",
        "median ratio",
        "rho",
        "coverage",
        "in domain",
        "upper / lower",
    )
    return f"## `{model}`, `{rung}`\n\n" + table(columns, rows)


def _named(name: str) -> str:
    limits = {
        "soft": f"soft (acoustic Debye temperature below {SOFT:.0f} K)",
        "neither": f"{SOFT:.0f} to {STIFF:.0f} K",
        "stiff": f"stiff ({STIFF:.0f} K or more)",
    }
    return limits.get(name, name)
