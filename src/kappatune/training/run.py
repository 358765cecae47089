"""A training run: every stage of a recipe for every member, resumable, ending in a model."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from kappatune.model.graphs import CrystalGraphs, build_graphs
from kappatune.model.heads import KappaNetwork, TargetScaler
from kappatune.model.hosts import Host, HostCard, new_host, read_host_card
from kappatune.model.kappa_model import KappaModel
from kappatune.model.rules import GraphRules
from kappatune.progress import OnProgress, handler_or_default
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures.crystal import Crystal
from kappatune.structures.table import read_table
from kappatune.training.calibration import rungs_of_trained
from kappatune.training.card import card_of_trained
from kappatune.training.corrections import HeldOut, correction_data, fit_correction
from kappatune.training.events import LabelsDoubted, RowsLeftOut, StageFinished, StagePrepared
from kappatune.training.label_checks import doubtful_labels
from kappatune.training.label_doubts import DoubtfulLabels, LabelDoubt, count_kinds
from kappatune.training.networks import attach_head, new_network, no_rung_to_correct
from kappatune.training.recipe import BadRun, Recipe, read_recipe
from kappatune.training.rows import PreparedStage, first_reasons, prepare_stage
from kappatune.training.run_folder import (
    claim_folder,
    is_claimed,
    is_unused,
    networks_sha256,
    store_held_out,
    store_result,
    stored_held_out,
    stored_result,
    write_label_report,
    write_left_out,
)
from kappatune.training.stage import matches_prefix, train_stage
from kappatune.training.tables import TrainingData, as_source, tables_for


def train(
    recipe: str | Path | Recipe = "finetune",
    data: TrainingData | None = None,
    out: str | Path | None = None,
    *,
    start: str | Path | KappaModel | None = None,
    resume: bool = False,
    trust_labels: bool = False,
    on_progress: OnProgress | None = None,
) -> KappaModel:
    """Train a model by a recipe, on your own values or on published tables.

    The recipe `finetune` brings a shipped model closer to your own values; a few dozen crystals are enough:

    >>> model = kappatune.train(data="mine.csv")  # columns: id, file, kappa
    >>> model = kappatune.train(data=[(structure, 12.3), ...])  # W/(m K) at 300 K
    >>> model.predict("new_crystal.cif")

    A run writes into `out/run` and may be killed at any moment; with `resume` it continues and ends with the same
    model as a run that was not interrupted.

    Args:
        recipe: Path of a YAML file, name of a shipped recipe (`finetune`, `starter`, ...), or a `Recipe`.
        data: For a recipe that names no table, such as `finetune`: a table (path of a `.parquet`, `.jsonl` or `.csv`
            file, or a `LabelledTable`), or pairs of a structure and its lattice thermal conductivity at 300 K,
            W/(m K), also as the columns `structure` and `kappa` of a pandas data frame. For a recipe that names
            tables: the folder that holds them. Or a function that gives the tables of a `Stage`. A recipe whose
            tables ship with the package needs no data.
        out: Folder of the new model, which must be empty or absent unless `resume`. Without it the model is in memory
            only; keep it by `model.save(folder)`.
        start: Model to start from instead of the one that the recipe names: a name, a folder, or a model.
        resume: Continue the run in `out`.
        trust_labels: Train also on labels that contradict each other, or seem to be no conductivities in W/(m K); a
            recipe that starts from a model stops at them otherwise.
        on_progress: Called with each event; by default progress is shown on stderr if that is a terminal.

    Returns:
        The model, saved in `out` if that is given.

    Raises:
        kappatune.training.recipe.BadRecipe: There is no such recipe, or a field of it does not fit.
        kappatune.training.recipe.BadRun: `out` is in use, the run in it had another recipe or other data, or there
            are too few usable rows.
        kappatune.training.label_doubts.DoubtfulLabels: The labels cannot all be right; it lists the rows.
        kappatune.structures.table.BadTable: A table cannot be read.
    """
    plan = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    if start is not None:
        plan = plan.starting_from(start.card.name if isinstance(start, KappaModel) else str(start))
    with _model_folder(out, resume) as folder, handler_or_default(on_progress) as report:
        starting_model, start_sha256 = _starting_model(plan, start)
        host_card = starting_model.card.host if starting_model else _host_card(plan)
        host = starting_model.members[0].host if starting_model else new_host(host_card)
        rules = starting_model.card.rules if starting_model else plan.rules
        _check_names(plan, host, starting_model)
        if starting_model:
            _check_start(plan, starting_model)
        seeds = _seeds(plan, starting_model)
        source = as_source(data)
        stages = [prepare_stage(stage, tables_for(stage, source), host, rules) for stage in plan.stages]
        run = folder / "run"
        may_stop = starting_model is not None and not trust_labels and not is_claimed(run)
        stages, doubts = _with_label_doubts(stages, starting_model)
        if may_stop and any(doubt.is_grave for doubt in doubts):
            raise DoubtfulLabels(doubts, write_label_report(run, doubts) if out is not None else None)
        claim_folder(run, plan, stages, start_sha256)
        _report_rows(stages, write_left_out(run, stages), out is not None, report)
        label_report = write_label_report(run, doubts)
        if doubts:
            report(LabelsDoubted(tuple(doubts), label_report if out is not None else None))

        if starting_model:
            scaler = starting_model.card.scaler
            members = [copy.deepcopy(member).cpu() for member in starting_model.members]  # each with a host of its own
        else:
            scaler = _fitted_scaler(plan, stages)
            members = [new_network(plan, host_card, scaler, seed) for seed in seeds]
        default = starting_model.default_fidelity if starting_model else None
        metrics, held_out = _train_members(members, seeds, stages, default, run, report)
        card = card_of_trained(plan, host_card, starting_model, stages, scaler, metrics, members)
        model = KappaModel(card, members)
        records = rungs_of_trained(model, stages, starting_model, held_out)
        measured = {"calibration": records.calibration, "domain_share": records.domain_share}
        model = KappaModel(card.model_copy(update=measured), members, records.domains)
        model.save(folder)
        return model


@contextmanager
def _model_folder(out: str | Path | None, resume: bool) -> Iterator[Path]:
    """Folder of the model: a temporary one without `out`."""
    if out is None:
        if resume:
            raise BadRun("to resume a run, give its folder as out")
        with tempfile.TemporaryDirectory(prefix="kappatune-") as temporary:
            yield Path(temporary)
        return
    if not isinstance(out, str | os.PathLike):
        raise BadRun(
            f"out is the folder of the new model, not a {type(out).__name__}: give structures and values together as "
            "data, for example list(zip(structures, values))"
        )
    folder = Path(out)
    is_helper = "LOCAL_RANK" in os.environ  # a further process that Lightning starts on a machine with several GPUs
    if folder.exists() and not folder.is_dir():
        raise BadRun(f"{folder} is a file: choose a folder (--out)")
    if not is_unused(folder) and not (resume or is_helper):
        raise BadRun(f"{folder} is not empty: choose another folder (--out), or --resume to continue the run in it")
    yield folder


def _starting_model(recipe: Recipe, start: str | Path | KappaModel | None) -> tuple[KappaModel | None, str | None]:
    """The model that training starts from, if there is one, and a hash of its weights."""
    if isinstance(start, KappaModel):
        return start, networks_sha256(start.members)
    if recipe.start is None:
        return None, None
    model = KappaModel.load(recipe.start)
    return model, model.card.weights_sha256


def _host_card(recipe: Recipe) -> HostCard:
    card = read_host_card(recipe.host or ())
    if recipe.pretrained:
        return card
    source = f"random weights, trained by the recipe '{recipe.name}'"
    return card.model_copy(update={"name": recipe.name, "source": source, "licence": "MIT"})


def _check_names(recipe: Recipe, host: Host, start: KappaModel | None) -> None:
    """Find names that do not exist now, rather than after hours of training."""
    if not start and recipe.embedding not in host.embedding_sizes:
        raise BadRun(f"embedding: the host offers {', '.join(host.embedding_sizes)}, not '{recipe.embedding}'")
    names = [f"host.{name}" for name, _ in host.named_parameters()]
    for stage in recipe.stages:
        for prefix in stage.frozen:
            if prefix != "host" and not any(matches_prefix(name, prefix) for name in names):
                existing = ", ".join(names if len(names) < 4 else [*names[:2], "...", names[-1]])
                raise BadRun(
                    f"stage '{stage.name}', frozen: no parameter of the host has a name that begins with '{prefix}'; "
                    + (f"there are {existing}" if names else "this host has no parameters")
                )


def _check_start(recipe: Recipe, start: KappaModel) -> None:
    """Refuse corrections and strains that the composition or the rules of the starting model do not allow."""
    for stage in recipe.stages:
        if stage.learner != "gradient" and start.card.composition != "debye":
            raise no_rung_to_correct(stage)
        if stage.volume_strain and start.card.rules.bond_envelope != "smooth":
            raise BadRun(
                f"stage '{stage.name}': volume_strain needs a model whose bonds fall smoothly, and those of "
                f"'{start.card.name}' end at the cutoff: set it to 0"
            )
        if stage.volume_strain and start.card.composition != "debye":
            raise BadRun(
                f"stage '{stage.name}': volume_strain needs a 'debye' model, and '{start.card.name}' is direct"
            )


def _seeds(recipe: Recipe, start: KappaModel | None) -> Sequence[int]:
    """One seed per member."""
    if start is None:
        return recipe.seeds
    n_members = len(start.members)
    if len(recipe.seeds) == 1:
        return range(recipe.seeds[0], recipe.seeds[0] + n_members)
    if len(recipe.seeds) != n_members:
        raise BadRun(f"the recipe has {len(recipe.seeds)} seeds, but model '{start.card.name}' has {n_members} members")
    return recipe.seeds


def _fitted_scaler(recipe: Recipe, stages: Sequence[PreparedStage]) -> TargetScaler:
    """The scale of the first stage that learns conductivities."""
    first = next(prepared.data for prepared in stages if not prepared.stage.pretrain)
    return TargetScaler.fit(first.kappa, recipe.target, first.properties)


def _report_rows(stages: Sequence[PreparedStage], reasons: Path, is_kept: bool, report: OnProgress) -> None:
    for prepared in stages:
        report(StagePrepared(prepared.stage.name, len(prepared.data.kappa), prepared.fidelity))
    left_out = [row for prepared in stages for row in prepared.left_out]
    if left_out:
        report(RowsLeftOut(len(left_out), first_reasons(left_out), reasons if is_kept else None))


def _with_label_doubts(
    stages: Sequence[PreparedStage], start: KappaModel | None
) -> tuple[list[PreparedStage], list[LabelDoubt]]:
    """The stages, whose data cards now count the doubts about their labels, and these doubts, the grave ones first."""
    counted, all_doubts = [], []
    for prepared in stages:
        doubts = doubtful_labels(prepared, start)
        cards = [
            card.model_copy(update={"label_doubts": count_kinds([d for d in doubts if d.table == card.file])})
            for card in prepared.cards
        ]
        counted.append(replace(prepared, cards=cards))
        all_doubts += doubts
    return counted, sorted(all_doubts, key=lambda doubt: not doubt.is_grave)


def _train_members(
    members: Sequence[KappaNetwork],
    seeds: Sequence[int],
    stages: Sequence[PreparedStage],
    default: str | None,
    run: Path,
    report: OnProgress,
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[HeldOut]]]:
    """Train all stages of all members in place; `default` is the default rung of the model that they come from.

    Returns:
        The results by stage, one per member; the errors in cross-validation of the stages that a teacher learnt.
    """
    metrics: dict[str, list[dict[str, Any]]] = {prepared.stage.name: [] for prepared in stages}
    held_out: dict[str, list[HeldOut]] = {}
    for number, (network, seed) in enumerate(zip(members, seeds, strict=True), 1):
        for position, prepared in enumerate(stages):
            name = prepared.stage.name
            if not prepared.stage.pretrain:
                attach_head(network, prepared, seed, None if position else default)
            result, errors = _train_or_restore(network, prepared, seed, run / f"member-{number}" / name, report)
            metrics[name].append({"seed": seed, **result})
            if errors:
                held_out.setdefault(name, []).append(errors)
            error_of = prepared.stage.pretrain or "ln kappa"
            report(StageFinished(number, len(members), name, result["epochs"], result["validation_error"], error_of))
    return metrics, held_out


def _train_or_restore(
    network: KappaNetwork, prepared: PreparedStage, seed: int, folder: Path, report: OnProgress
) -> tuple[dict[str, Any], HeldOut | None]:
    """Train one stage of one member, or restore its stored result."""
    stage, fidelity, data = prepared.stage, prepared.fidelity, prepared.data
    held_out = stored_held_out(folder)
    if held_out or stage.learner == "gradient":
        stored = stored_result(folder, network)
        if stored is not None:
            return stored, held_out
    if stage.learner != "gradient":
        shipped = _shipped_graphs(frozenset(network.host.supported_elements), data.graphs.cutoff, data.graphs.rules)
        features = correction_data(network, data, shipped, stage.volume_strain, seed)
        result, held_out = fit_correction(network, fidelity, stage.learner, features, seed)
        store_held_out(folder, held_out)
    else:
        result = train_stage(network, stage, fidelity, data, seed=seed, folder=folder, on_progress=report)
    store_result(folder, network, result)
    return asdict(result), held_out


def shipped_crystals(supported: frozenset[int]) -> list[Crystal]:
    """The crystals that ship with the package and that a host with these elements supports: all kinds of compounds."""
    rows = read_table(SHIPPED_TABLES["shipped:prototypes"]).rows
    return [row.crystal for row in rows if supported.issuperset(row.crystal.numbers.tolist())]


@lru_cache(maxsize=1)
def _shipped_graphs(supported: frozenset[int], cutoff: float, rules: GraphRules) -> CrystalGraphs:
    """Their graphs, which are the same for all members of an ensemble."""
    return build_graphs(shipped_crystals(supported), cutoff, rules)
