"""How many crystals of extreme kappa `suggest` finds if AFLOW's AGL values are computed in the order it suggests.

    python -m studies.screening.suggest_aflow --data FOLDER

A campaign starts from 100 random labels and adds 20 in each of ten rounds. Before every round five heads are trained
from scratch, on labelled crystals alone, over the frozen embeddings of the three shipped hosts, which were trained on
formation energies and moduli but on no kappa. The acquisition is the shipped
`kappatune.screening.acquisition.choose`, with standard deviations from intervals that are calibrated on the labels
known so far (three heads for each of five folds by formula); formulas with a label are not candidates, as in
`suggest`. The values of the other crystals are used to score the campaign, and for nothing else.

The constants of the acquisition and of the heads were chosen on the campaigns of seeds 100 to 104
(`--first-seed 100 --n-seeds 5 --name suggest_aflow_dev`); seeds 0 to 9 are reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor, nn

from kappatune.model.folds import group_folds
from kappatune.model.graphs import build_graphs
from kappatune.model.heads import PROPERTIES, Head, TargetScaler, descriptors, transform_properties
from kappatune.model.hosts import load_host
from kappatune.physics.slack import GRUNEISEN_RANGE, ln_slack_kappa
from kappatune.screening.acquisition import TARGET_FRACTION, Direction, choose, standard_deviation, widened
from kappatune.structures import read_table
from kappatune.structures.crystal import MAX_ATOMIC_NUMBER
from kappatune.training.calibration import LEVEL
from kappatune.training.conformal import Errors, fit_widths
from studies.figures import FIGURES
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import save_result
from studies.transfer.recipes import ACCURATE, recipe_0_1

HOSTS = ("megnet-mp-2019.4.1-formation-energy", "megnet-mp-2018.6.1-log10K", "megnet-mp-2018.6.1-log10G")
"""Frozen hosts; the distance to labelled crystals is measured in the embedding of the first."""

N_START, N_ROUNDS, N_PER_ROUND = 100, 10, 20
EXTREME = 0.05
N_MEMBERS = 5
WIDTHS = (128, 128)
EPOCHS = 80
LEARNING_RATE = 5e-3
STAGE = recipe_0_1(ACCURATE).stages[0]
"""The AGL stage of a recipe of version 0.1: its property columns and loss weights are used."""

N_FOLDS, N_PER_FOLD = 5, 3
"""Heads that calibrate the intervals: so many for each fold by formula."""

Strategy = Literal["suggest", "uncalibrated", "without_penalty", "greedy", "random"]
Indices = NDArray[np.int64]
Floats = NDArray[np.float64]


class Pool(NamedTuple):
    """The crystals, all rows in the same order.

    Attributes:
        ln_kappa: (n,) the values, kappa in W/(m K).
        properties: (n, 4) transformed properties, NaN where unknown.
        features: (n, d) frozen embeddings and descriptors.
        n_distance: The distance is measured in this many of the first features.
        formula: (n,) index of the reduced formula.
        fractions: (n, n_elements) atomic fractions.
    """

    ln_kappa: Floats
    properties: Floats
    features: Tensor
    n_distance: int
    formula: Indices
    fractions: Floats


@dataclass(frozen=True)
class Campaign:
    """Outcome of one campaign.

    Attributes:
        found: (11,) fraction of the extreme crystals that is labelled, before and after every round.
        enrichment: Extreme crystals among the chosen, over their mean number in a random draw.
        enrichment_by_formula: The same over distinct formulas, each counted once.
        chemistries: Mean number of distinct sets of elements in a batch.
        error: Mean |ln kappa| error of the last model on unlabelled crystals.
        error_of_extreme: The same on the unlabelled extreme crystals.
        error_over_spread: Root mean square of that error over the members' spread.
        error_over_sigma: Root mean square of that error over the standard deviation of the calibrated interval.
        held: Fraction of those values that the calibrated interval holds, which is meant to be 0.9.
    """

    found: Floats
    enrichment: float
    enrichment_by_formula: float
    chemistries: float
    error: float
    error_of_extreme: float
    error_over_spread: float
    error_over_sigma: float
    held: float


def main(
    data: DataOption = None,
    first_seed: int = 0,
    n_seeds: int = 10,
    name: Annotated[str, typer.Option(help="Name of the result and of the figure.")] = "suggest_aflow",
) -> None:
    """Run campaigns of `suggest` on AFLOW: half an hour."""
    torch.set_num_threads(1)
    started = perf_counter()
    pool = read_pool(research_folder(data) / AFLOW)
    seeds = range(first_seed, first_seed + n_seeds)
    variants: dict[str, tuple[Strategy, Direction]] = {
        "low": ("suggest", "low"),
        "low_uncalibrated": ("uncalibrated", "low"),
        "low_without_penalty": ("without_penalty", "low"),
        "low_greedy": ("greedy", "low"),
        "low_random": ("random", "low"),
        "high": ("suggest", "high"),
        "high_random": ("random", "high"),
    }
    campaigns = {key: [campaign(pool, *variant, seed) for seed in seeds] for key, variant in variants.items()}
    draw(campaigns, FIGURES / f"{name}.png")
    save_result(
        name,
        {
            "seeds": [*seeds],
            "n_crystals": len(pool.ln_kappa),
            "n_formulas": len(np.unique(pool.formula)),
            "n_start": N_START,
            "n_chosen": N_ROUNDS * N_PER_ROUND,
            "extreme_fraction": EXTREME,
            **{key: _summary(runs) for key, runs in campaigns.items()},
            "seconds": round(perf_counter() - started),
        },
    )


def read_pool(path: Path) -> Pool:
    """AFLOW's crystals with their frozen embeddings, without those that have no bonds within a host's cutoff."""
    rows = read_table(path).rows
    hosts = [load_host(name) for name in HOSTS]
    crystals = [row.crystal for row in rows]
    graphs = {cutoff: build_graphs(crystals, cutoff) for cutoff in {host.cutoff_angstrom for host in hosts}}
    bonded = np.all([g.n_bonds > 0 for g in graphs.values()], axis=0)
    usable = [k for k, row in enumerate(rows) if bonded[k] and _known_to(hosts, row.crystal.numbers)]
    with torch.inference_mode():
        embeddings = [
            torch.cat(
                [
                    host.embed(graphs[host.cutoff_angstrom].batch(usable[i : i + 128]))
                    for i in range(0, len(usable), 128)
                ]
            )
            for host in hosts
        ]
        of_crystal = descriptors(graphs[hosts[0].cutoff_angstrom].batch(usable))
    properties = [[rows[k].properties.get(STAGE.properties[name], np.nan) for name in PROPERTIES] for k in usable]
    fractions = np.zeros((len(usable), MAX_ATOMIC_NUMBER + 1))
    for fraction, k in zip(fractions, usable, strict=True):
        np.add.at(fraction, crystals[k].numbers, 1.0 / crystals[k].n_atoms)
    return Pool(
        ln_kappa=np.log([rows[k].kappa for k in usable]),
        properties=transform_properties(torch.tensor(properties), of_crystal).double().numpy(),
        features=torch.cat([*embeddings, of_crystal], dim=1).clone(),
        n_distance=embeddings[0].shape[1],
        formula=np.unique([crystals[k].formula_key for k in usable], return_inverse=True)[1],
        fractions=fractions,
    )


def campaign(pool: Pool, strategy: Strategy, seek: Direction, seed: int) -> Campaign:
    """Draw the first labels, run ten rounds, and train a last model."""
    rng = np.random.default_rng(seed)
    everything = np.arange(len(pool.ln_kappa))
    start = labelled = rng.choice(everything, N_START, replace=False)
    extreme = _extreme(pool.ln_kappa, seek)
    found = [extreme[labelled].sum()]
    chemistries = []
    for _ in range(N_ROUNDS):
        if strategy == "random":
            picked = rng.choice(np.setdiff1d(everything, labelled), N_PER_ROUND, replace=False)
        else:
            picked = pick(pool, labelled, strategy, seek)
        labelled = np.concatenate([labelled, picked])
        found.append(extreme[labelled].sum())
        chemistries.append(len(np.unique(pool.fractions[picked] > 0, axis=0)))
    rest = np.setdiff1d(everything, labelled)
    ln_kappa = ensemble(pool, labelled)[:, rest]
    error = np.abs(ln_kappa.mean(axis=0) - pool.ln_kappa[rest])
    spread = ln_kappa.std(axis=0, ddof=1)
    half_width = half_widths(pool, labelled, spread)
    sigma = standard_deviation(half_width, spread, distance(pool, rest, labelled))
    new = labelled[N_START:]
    return Campaign(
        found=np.array(found) / extreme.sum(),
        enrichment=_enrichment(extreme, start, new),
        enrichment_by_formula=_enrichment_by_formula(pool, seek, start, new),
        chemistries=float(np.mean(chemistries)),
        error=float(error.mean()),
        error_of_extreme=float(error[extreme[rest]].mean()),
        error_over_spread=float(np.sqrt(np.mean((error / spread) ** 2))),
        error_over_sigma=float(np.sqrt(np.mean((error / sigma) ** 2))),
        held=float((error <= half_width).mean()),
    )


def pick(pool: Pool, labelled: Indices, strategy: Strategy, seek: Direction) -> Indices:
    """The crystals of the next round, chosen by heads trained on the labelled ones."""
    ln_kappa = ensemble(pool, labelled)
    centre = ln_kappa.mean(axis=0)
    open_ = np.flatnonzero(~np.isin(pool.formula, pool.formula[labelled]))
    if strategy == "greedy":
        order = open_[np.argsort(centre[open_] if seek == "low" else -centre[open_], kind="stable")]
        first_of_formula = np.sort(np.unique(pool.formula[order], return_index=True)[1])
        return order[first_of_formula[:N_PER_ROUND]]
    spread, far = ln_kappa[:, open_].std(axis=0, ddof=1), distance(pool, open_, labelled)
    sigma = widened(spread, far)
    if strategy != "uncalibrated":
        sigma = standard_deviation(half_widths(pool, labelled, spread), spread, far)
    chosen = choose(
        centre[open_],
        sigma,
        far,
        np.zeros((len(open_), 1)) if strategy == "without_penalty" else pool.fractions[open_],
        N_PER_ROUND,
        target=float(np.quantile(centre, TARGET_FRACTION if seek == "low" else 1.0 - TARGET_FRACTION)),
        seek=seek,
    )
    return open_[chosen]


def ensemble(pool: Pool, labelled: Indices) -> Floats:
    """(5, n) ln kappa that heads trained on the labelled crystals give for all."""
    return np.stack([train_head(pool, labelled, seed) for seed in range(N_MEMBERS)])


def half_widths(pool: Pool, labelled: Indices, spread: Floats) -> Floats:
    """(n,) half-widths of 90 % intervals, calibrated on labelled crystals whose formula the heads have not seen.

    Args:
        pool: The crystals.
        labelled: Those with a label.
        spread: (n,) spreads of the ensemble at the crystals that are asked about.
    """
    error, spread_of_unseen = np.empty(len(labelled)), np.empty(len(labelled))
    for train, test in group_folds(pool.formula[labelled].astype(str).tolist(), N_FOLDS, seed=0):
        each = np.stack([train_head(pool, labelled[train], seed) for seed in range(N_PER_FOLD)])[:, labelled[test]]
        error[test] = each.mean(axis=0) - pool.ln_kappa[labelled[test]]
        spread_of_unseen[test] = each.std(axis=0, ddof=1)
    widths = fit_widths(Errors(error, spread_of_unseen, np.zeros(len(labelled), dtype=bool)), [], LEVEL)
    return widths.half_width(Errors(np.zeros_like(spread), spread, np.zeros(len(spread), dtype=bool)))


def train_head(pool: Pool, labelled: Indices, seed: int) -> Floats:
    """(n,) ln kappa by the Slack formula from one head's properties; loss as in the AGL stage of the recipe."""
    torch.manual_seed(seed)
    scaler = TargetScaler.fit(np.exp(pool.ln_kappa[labelled]), "ln", pool.properties[labelled])
    inputs = pool.features[labelled]
    head = Head(inputs.shape[1], WIDTHS, len(PROPERTIES))
    head.standardise(inputs)
    kappa = scaler.encode(torch.from_numpy(np.exp(pool.ln_kappa[labelled])).float())
    properties = torch.from_numpy(pool.properties[labelled]).float()
    weight = torch.tensor([STAGE.loss_weights[name] for name in PROPERTIES]) * torch.isfinite(properties)
    target = scaler.encode_properties(properties).nan_to_num()
    optimiser = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    smooth = nn.SmoothL1Loss(reduction="none")
    for _ in range(EPOCHS):
        outputs = head(inputs)
        scaled = (_ln_kappa(scaler, outputs, inputs) - scaler.mean) / scaler.std
        loss = STAGE.loss_weights["kappa"] * smooth(scaled, kappa).mean()
        loss = loss + (weight * smooth(outputs, target)).sum() / len(kappa)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.inference_mode():
        return _ln_kappa(scaler, head(pool.features), pool.features).double().numpy()


def _ln_kappa(scaler: TargetScaler, outputs: Tensor, features: Tensor) -> Tensor:
    """(n,) ln kappa of the standardised properties that a head predicts."""
    ln_mass, ln_volume, ln_n = features[:, -3:].unbind(dim=1)
    properties = scaler.decode_properties(outputs)
    ln_theta = properties[:, 0] - 0.5 * ln_mass + ln_volume / 6.0
    return ln_slack_kappa(ln_theta, properties[:, 1].clamp(*GRUNEISEN_RANGE), ln_mass, ln_volume, ln_n)


def distance(pool: Pool, of: Indices, labelled: Indices) -> Floats:
    """(n,) distance to the nearest labelled crystal, in units of the embedding's spread as in a scan."""
    embedding = pool.features[:, : pool.n_distance]
    scaled = embedding / embedding[labelled].std(dim=0).clamp(min=1e-3)
    nearest = torch.cdist(scaled[of], scaled[labelled]).min(dim=1).values
    distances: Floats = nearest.double().numpy() / np.sqrt(pool.n_distance)
    return distances


def draw(campaigns: dict[str, list[Campaign]], path: Path) -> None:
    """Draw the fraction of extreme crystals that is labelled over the number of labels."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = {
        "Lowest 5 % of κ": {"low": "suggest", "low_greedy": "lowest predicted κ", "low_random": "random"},
        "Highest 5 % of κ": {"high": "suggest --seek high", "high_random": "random"},
    }
    styles = {"low": "C0-", "high": "C0-", "low_greedy": "C1--", "low_random": "C7:", "high_random": "C7:"}
    labels = N_START + N_PER_ROUND * np.arange(N_ROUNDS + 1)
    figure, axes = plt.subplots(1, len(panels), figsize=(9, 3.6), sharey=True, layout="constrained")
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for key, label in lines.items():
            found = 100 * np.stack([run.found for run in campaigns[key]])
            axis.plot(labels, np.median(found, axis=0), styles[key], label=label)
            axis.fill_between(labels, found.min(axis=0), found.max(axis=0), color=styles[key][:2], alpha=0.15, lw=0)
        axis.set(title=title, xlabel="crystals with a label", xlim=(labels[0], labels[-1]), ylim=(0, None))
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, loc="upper left")
    axes[0].set_ylabel("of them labelled, %")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _summary(runs: list[Campaign]) -> dict[str, Any]:
    """Medians over the seeds, and the enrichment of each."""
    names = ("enrichment", "enrichment_by_formula", "chemistries", "error", "error_of_extreme")
    return {
        **{name: round(float(np.median([getattr(run, name) for run in runs])), 3) for name in names},
        **{
            name: round(float(np.median([getattr(run, name) for run in runs])), 2)
            for name in ("error_over_spread", "error_over_sigma", "held")
        },
        "enrichment_by_seed": [round(run.enrichment, 2) for run in runs],
        "found": np.median([run.found for run in runs], axis=0).round(4).tolist(),
    }


def _extreme(values: Floats, seek: Direction) -> NDArray[np.bool_]:
    return values <= np.quantile(values, EXTREME) if seek == "low" else values >= np.quantile(values, 1 - EXTREME)


def _enrichment(extreme: NDArray[np.bool_], start: Indices, new: Indices) -> float:
    by_chance = len(new) * (extreme.sum() - extreme[start].sum()) / (len(extreme) - len(start))
    return float(extreme[new].sum() / by_chance)


def _enrichment_by_formula(pool: Pool, seek: Direction, start: Indices, new: Indices) -> float:
    """Each formula once, with the median of its values; a random draw takes as many formulas as were chosen."""
    n_formulas = pool.formula.max() + 1
    extreme = _extreme(np.array([np.median(pool.ln_kappa[pool.formula == k]) for k in range(n_formulas)]), seek)
    known = np.unique(pool.formula[start])
    return _enrichment(extreme, known, np.setdiff1d(pool.formula[new], known))


def _known_to(hosts: list[Any], numbers: Indices) -> bool:
    return all(host.supported_elements.issuperset(numbers.tolist()) for host in hosts)


if __name__ == "__main__":
    typer.run(main)
