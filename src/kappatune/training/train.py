"""The whole ladder: every stage for every member, resumable, ending in a model bundle."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from kappatune.model.bundle import DataCard, ModelCard
from kappatune.model.domain import Domain
from kappatune.model.graphs import CrystalGraphs, build_graphs
from kappatune.model.heads import (
    BASE_FIDELITY,
    PROPERTIES,
    KappaNetwork,
    TargetScaler,
    descriptors,
    transform_properties,
)
from kappatune.model.hosts import Host, HostCard, load_host, load_strictly, new_host, read_host_card
from kappatune.model.kappa_model import KappaModel
from kappatune.storage import SHIPPED_TABLES, file_sha256
from kappatune.structures.crystal import Crystal, element_symbol
from kappatune.structures.table import Fidelity, LabelledCrystal, LabelledTable, read_table
from kappatune.training.recipe import BadRun, Recipe, Stage
from kappatune.training.stage import StageData, all_features, begins_with, climb_stage, frozen_prefixes
from kappatune.training.trees import fit_trees

UNITS = {"kappa_w_mk": "W/(m K) at 300 K", "lower_w_mk": "W/(m K)", "upper_w_mk": "W/(m K)"}
USER_FIDELITY: Fidelity = "experiment"
"""Fidelity of a user's rows that name none."""

SMALLEST_TABLE = 5
"""Rows below which nothing is fitted."""

Tables = Callable[[Stage], list[LabelledTable]]


@dataclass(frozen=True)
class _Rung:
    stage: Stage
    fidelity: Fidelity
    data: StageData
    elements: list[int]
    cards: list[DataCard]


def tables_in(data: Path | None) -> Tables:
    """How stages find their tables: what comes with the package, files of a folder, or the one table given.

    Args:
        data: A folder for stages that name tables; a table for stages that name none.
    """

    def find(stage: Stage) -> list[LabelledTable]:
        shipped = [SHIPPED_TABLES[name] for name in stage.data if name in SHIPPED_TABLES]
        if shipped and len(shipped) == len(stage.data):
            return [read_table(path, default_fidelity=stage.fidelity) for path in shipped]
        if data is None:
            raise BadRun(f"stage '{stage.name}' needs data: give --data (or set KAPPATUNE_DATA)")
        if not data.exists():
            raise BadRun(f"{data}: no such file or folder")
        if stage.data and not data.is_dir():
            raise BadRun(f"stage '{stage.name}' takes {', '.join(stage.data)} from a folder, but --data is a file")
        if not stage.data and data.is_dir():
            raise BadRun(f"stage '{stage.name}' takes one table: let --data name a .parquet, .jsonl or .csv file")
        paths = [SHIPPED_TABLES.get(name, data / name) for name in stage.data] or [data]
        return [read_table(path, default_fidelity=stage.fidelity or USER_FIDELITY) for path in paths]

    return find


def climb(
    recipe: Recipe,
    tables: Tables,
    out: Path,
    *,
    resume: bool = False,
    progress: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> KappaModel:
    """Follow a recipe from the first stage to a saved model.

    A run writes under `out/run` and can be killed at any moment; with `resume` it goes on and ends
    with the same model as a run that was not interrupted.

    Args:
        recipe: What to do.
        tables: Gives the tables of a stage.
        out: Folder of the model; must be empty or absent unless `resume`.
        resume: Go on with the run in `out`.
        progress: Show progress bars on stderr.
        say: Receives one line per finished step.

    Returns:
        The model, saved in `out`.

    Raises:
        BadRun: `out` is in use, or the run in it had another recipe or other data; no usable row.
    """
    run = out / "run"
    joins = "LOCAL_RANK" in os.environ  # a further process that Lightning started on a machine with several GPUs
    if out.exists() and not out.is_dir():
        raise BadRun(f"{out} is a file: give a folder as --out")
    if out.exists() and any(out.iterdir()) and not (resume or joins):
        raise BadRun(f"{out} is not empty: give another --out, or --resume to go on with it")
    start = KappaModel.load(recipe.start) if recipe.start else None
    card = start.card.host if start else read_host_card(recipe.host or ())
    stock = start.members[0].host if start else new_host(card)
    if not recipe.pretrained:
        source = f"random weights, trained by the recipe '{recipe.name}'"
        card = card.model_copy(update={"name": recipe.name, "source": source, "licence": "MIT"})
    _check_names(recipe, stock, start)
    left_out: list[dict[str, Any]] = []
    rungs = [_prepare(stage, tables(stage), stock, left_out) for stage in recipe.stages]
    _claim(run, recipe, rungs, start)
    (run / "left_out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in left_out), encoding="utf-8")
    for rung in rungs:
        say(f"{rung.stage.name}: {len(rung.data.kappa)} crystals, {rung.fidelity}")
    if left_out:
        say(f"{len(left_out)} rows were left out, each with its reason in {run / 'left_out.jsonl'}")

    first = next(rung.data for rung in rungs if not rung.stage.pretrain)
    scaler = start.card.scaler if start else TargetScaler.fit(first.kappa, recipe.target, first.properties)
    seeds = recipe.seeds
    if start and len(seeds) == 1:
        seeds = tuple(seeds[0] + k for k in range(len(start.members)))
    if start and len(seeds) != len(start.members):
        raise BadRun(f"the recipe has {len(seeds)} seeds, model '{start.card.name}' {len(start.members)} members")
    members: list[KappaNetwork] = []
    metrics: dict[str, list[dict[str, Any]]] = {rung.stage.name: [] for rung in rungs}
    for k, seed in enumerate(seeds):
        network = copy.deepcopy(start.members[k]) if start else begin(recipe, card, scaler, seed)
        for rung in rungs:
            result = _step(network, rung, seed, run / f"member-{k + 1}" / rung.stage.name, progress)
            metrics[rung.stage.name].append({"seed": seed, **result})
            error = result["validation_error"]
            what = f"error of {rung.stage.pretrain}" if rung.stage.pretrain else "|ln kappa| error"
            said = f"validation {what} {error:.3f}" if error is not None else "no validation part"
            say(f"member {k + 1} of {len(seeds)}, {rung.stage.name}: {result['epochs']} epochs, {said}")
        members.append(network)
    model = KappaModel(_card(recipe, card, start, rungs, scaler, metrics, members), members)
    model.domains = _domains(model, rungs, start)
    model.save(out)
    return model


def _check_names(recipe: Recipe, stock: Host, start: KappaModel | None) -> None:
    """Find now what would otherwise fail after hours: names that nothing answers to."""
    if not start and recipe.embedding not in stock.embedding_sizes:
        raise BadRun(f"embedding: the host offers {', '.join(stock.embedding_sizes)}, not '{recipe.embedding}'")
    names = [f"host.{name}" for name, _ in stock.named_parameters()]
    for stage in recipe.stages:
        for prefix in stage.frozen:
            if not any(begins_with(name, prefix) for name in names):
                raise BadRun(
                    f"stage '{stage.name}', frozen: no parameter of the host begins with '{prefix}'; "
                    f"there are {names[0]}, {names[1]}, ..., {names[-1]}"
                )


def _prepare(stage: Stage, tables: list[LabelledTable], stock: Host, left_out: list[dict[str, Any]]) -> _Rung:
    """Choose the usable rows of a stage; the others are added to `left_out` with their reasons."""
    fidelity = _fidelity(stage, tables)
    rows: list[LabelledCrystal] = []
    table_of: list[int] = []
    refused: list[dict[str, Any]] = []

    def refuse(table: LabelledTable, name: str, file: str | None, reason: str) -> None:
        refused.append({"stage": stage.name, "table": table.name, "id": name, "file": file, "reason": reason})

    for index, table in enumerate(tables):
        for rejection in table.rejections:
            refuse(table, rejection.id, rejection.file, rejection.reason)
        for row in table.rows:
            unknown = sorted(set(row.crystal.numbers.tolist()) - stock.supported_elements)
            if row.fidelity not in (fidelity, *stage.joined):
                reason = f"its fidelity is {row.fidelity}, the stage's {fidelity}"
                refuse(table, row.crystal.id, row.crystal.file, reason)
            elif unknown:
                reason = f"the host knows no {', '.join(map(element_symbol, unknown))}"
                refuse(table, row.crystal.id, row.crystal.file, reason)
            else:
                rows.append(row)
                table_of.append(index)

    graphs = build_graphs([row.crystal for row in rows], stock.cutoff_angstrom)
    lonely = np.flatnonzero(graphs.n_bonds == 0)
    if len(lonely):
        for k in lonely:
            crystal = rows[k].crystal
            reason = f"no atom has a neighbour within {stock.cutoff_angstrom:g} Å"
            refuse(tables[table_of[k]], crystal.id, crystal.file, reason)
        kept = np.flatnonzero(graphs.n_bonds > 0)
        rows, table_of = [rows[k] for k in kept], [table_of[k] for k in kept]
        graphs = build_graphs([row.crystal for row in rows], stock.cutoff_angstrom)
    left_out += refused
    if len(rows) < SMALLEST_TABLE:
        raise BadRun(
            f"stage '{stage.name}' has {len(rows)} usable rows, at least {SMALLEST_TABLE} are needed. {_first(refused)}"
        )
    cards = [
        DataCard(
            stage=stage.name,
            file=table.name,
            sha256=table.sha256,
            rows_sha256=_rows_sha256(used),
            fidelity=fidelity,
            sources=sorted({row.source for row in used if row.source}),
            n_rows=len(used),
            n_left_out=sum(r["table"] == table.name for r in refused),
        )
        for index, table in enumerate(tables)
        for used in [[row for row, k in zip(rows, table_of, strict=True) if k == index]]
    ]
    data = StageData(
        graphs=graphs,
        kappa=np.array([row.kappa for row in rows]),
        properties=_properties(stage, rows, graphs),
        formulas=[row.crystal.formula for row in rows],
        pretraining=_pretraining(stage, rows),
    )
    elements = sorted({z for row in rows for z in row.crystal.numbers.tolist()})
    return _Rung(stage, fidelity, data, elements, cards)


def _first(refused: list[dict[str, Any]]) -> str:
    said = [f"{row['id']} ({row['file']}): {row['reason']}" for row in refused[:3]]
    return f"Left out: {'; '.join(said)}" + ("; ..." if len(refused) > 3 else "") if said else ""


def _rows_sha256(rows: list[LabelledCrystal]) -> str:
    """Hash of what is learnt from: structures, values and properties, wherever they were stored."""
    digest = hashlib.sha256()
    for row in rows:
        for array in (row.crystal.lattice, row.crystal.numbers, row.crystal.frac_coords):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(json.dumps([row.kappa, row.fidelity, row.properties], sort_keys=True).encode())
    return digest.hexdigest()


def _properties(stage: Stage, rows: list[LabelledCrystal], graphs: CrystalGraphs) -> NDArray[np.float64]:
    """(n, 4) transformed properties from the columns the stage names."""
    columns = [stage.properties.get(name, "") for name in PROPERTIES]
    values = [[row.properties.get(column, np.nan) for column in columns] for row in rows]
    if any(column and np.isnan(v).all() for column, v in zip(columns, np.array(values).T, strict=True)):
        raise BadRun(f"stage '{stage.name}': a column of {', '.join(filter(None, columns))} is missing or empty")
    return transform_properties(torch.tensor(values), descriptors(graphs.batch())).double().numpy()


def _pretraining(stage: Stage, rows: list[LabelledCrystal]) -> NDArray[np.float64] | None:
    if stage.pretrain is None:
        return None
    values = np.array([row.properties.get(stage.pretrain, np.nan) for row in rows])
    if np.isnan(values).any():
        raise BadRun(f"stage '{stage.name}': {np.isnan(values).sum()} rows have no number in '{stage.pretrain}'")
    return values


def _fidelity(stage: Stage, tables: Iterable[LabelledTable]) -> Fidelity:
    if stage.fidelity:
        return stage.fidelity
    found = sorted({row.fidelity for table in tables for row in table.rows})
    if not found:
        rejections = [{"id": r.id, "file": r.file, "reason": r.reason} for t in tables for r in t.rejections]
        raise BadRun(f"stage '{stage.name}' has no usable row. {_first(rejections)}")
    if len(found) > 1:
        raise BadRun(
            f"stage '{stage.name}' names no fidelity and its data hold {', '.join(found)}: let the recipe name one"
        )
    return found[0]


def _claim(run: Path, recipe: Recipe, rungs: list[_Rung], start: KappaModel | None) -> None:
    """Mark the folder with what is trained in it; refuse to mix two runs."""
    what = {
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
        "data": [card.rows_sha256 for rung in rungs for card in rung.cards],
        "host": [file_sha256(Path(name)) if Path(name).is_file() else name for name in _host_names(recipe)],
        "start": start.card.weights_sha256 if start else None,
    }
    mark = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    path = run / "run.json"
    if path.is_file() and json.loads(path.read_text(encoding="utf-8"))["mark"] != mark:
        raise BadRun(f"{run} was begun with another recipe or other data: give another --out")
    run.mkdir(parents=True, exist_ok=True)
    _write(path, json.dumps({"mark": mark, **what}, indent=1))


def _host_names(recipe: Recipe) -> tuple[str, ...]:
    return (recipe.host,) if isinstance(recipe.host, str) else recipe.host or ()


def begin(recipe: Recipe, card: HostCard, scaler: TargetScaler, seed: int) -> KappaNetwork:
    """A member of a recipe with a host and no head yet."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        host = load_host(recipe.host or ())
        if not recipe.pretrained:
            given = dict(host.named_buffers())
            host = new_host(card)
            for name, values in host.named_buffers():
                values.copy_(given[name])
    return KappaNetwork(host, level=recipe.embedding, widths=recipe.head, composition=recipe.composition, scaler=scaler)


def _step(network: KappaNetwork, rung: _Rung, seed: int, folder: Path, progress: bool) -> dict[str, Any]:
    """Climb one rung, or take its stored result."""
    if not rung.stage.pretrain:
        _attach_head(network, rung, seed)
    done = folder / "done.json"
    weights = folder / "network.safetensors"
    if done.is_file():
        load_strictly(network, load_file(weights), str(weights))
        return json.loads(done.read_text(encoding="utf-8"))
    if rung.stage.learner == "trees":
        folder.mkdir(parents=True, exist_ok=True)
        elsewhere = build_graphs(shipped_crystals(network.host), network.host.cutoff_angstrom)
        data = rung.data
        result = fit_trees(
            network,
            rung.fidelity,
            all_features(network, data.graphs),
            data.kappa,
            data.formulas,
            all_features(network, elsewhere),
            seed=seed,
        )
    else:
        result = climb_stage(network, rung.stage, rung.fidelity, rung.data, seed=seed, folder=folder, progress=progress)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, weights)
    _write(done, json.dumps(asdict(result)))
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    return asdict(result)


def shipped_crystals(host: Host) -> list[Crystal]:
    """The crystals that come with the package and that a host knows: all kinds of compounds."""
    rows = read_table(SHIPPED_TABLES["shipped:prototypes"]).rows
    return [row.crystal for row in rows if host.supported_elements.issuperset(row.crystal.numbers.tolist())]


def _attach_head(network: KappaNetwork, rung: _Rung, seed: int) -> None:
    """Give the network the head of this rung, and drop those whose ground is about to move."""
    stage, heads = rung.stage, network.heads
    corrections = network.composition == "debye" and rung.fidelity != BASE_FIDELITY
    if corrections and BASE_FIDELITY not in heads:
        raise BadRun(f"stage '{stage.name}' corrects the '{BASE_FIDELITY}' rung, which this model has not climbed")
    if stage.learner == "trees" and not corrections:
        raise BadRun(f"stage '{stage.name}': trees learn corrections, and this model knows no rung to correct")
    alike = [name for name in heads if network.composition == "direct" or (name != BASE_FIDELITY) == corrections]
    if alike:
        head = copy.deepcopy(heads[alike[-1]])
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = network.new_head(rung.fidelity)
        head.standardise(network.head_inputs(all_features(network, rung.data.graphs), rung.fidelity).detach())
    moves_base = network.composition == "debye" and rung.fidelity == BASE_FIDELITY
    if moves_base or "host" not in frozen_prefixes(network, stage, rung.fidelity):
        heads.clear()
    elif rung.fidelity in heads:
        del heads[rung.fidelity]
    heads[rung.fidelity] = head


def _card(
    recipe: Recipe,
    host: HostCard,
    start: KappaModel | None,
    rungs: list[_Rung],
    scaler: TargetScaler,
    metrics: dict[str, list[dict[str, Any]]],
    members: list[KappaNetwork],
) -> ModelCard:
    before = start.card if start else None
    elements = {k: set(v) for k, v in before.elements.items()} if before else {}
    formulas = {k: set(v) for k, v in before.formulas.items()} if before else {}
    for rung in rungs:
        formulas.setdefault("pretraining" if rung.stage.pretrain else rung.fidelity, set()).update(rung.data.formulas)
        if not rung.stage.pretrain:
            elements.setdefault(rung.fidelity, set()).update(rung.elements)
    libraries = ("kappatune", "torch", "lightning", "numpy", "pymatgen", "ase")
    return ModelCard(
        name=recipe.name,
        created=datetime.now(UTC).date().isoformat(),
        description=recipe.description,
        recipe=recipe,
        host=host,
        embedding=members[0].level,
        head=members[0].widths,
        composition=members[0].composition,
        fidelities=list(members[0].heads),  # type: ignore[arg-type]
        scaler=scaler,
        units=UNITS,
        elements={k: sorted(v) for k, v in elements.items()},
        formulas={k: sorted(v) for k, v in formulas.items()},
        data=(before.data if before else []) + [card for rung in rungs for card in rung.cards],
        members=list(range(len(members))),
        metrics=metrics,
        versions={"python": platform.python_version(), **{name: version(name) for name in libraries}},
        licence="MIT; grown from MEGNet weights under BSD-3-Clause" if recipe.pretrained else "MIT",
        weights_sha256="",
    )


def _domains(model: KappaModel, rungs: list[_Rung], start: KappaModel | None) -> dict[str, Domain]:
    """Where each rung has labels; one that goes on from another rung of `start` keeps what that one knew."""
    known = start.domains if start else {}
    domains: dict[str, Domain] = {rung: domain for rung, domain in known.items() if rung in model.card.fidelities}
    inherited = domains.get(start.default_fidelity) if start else None
    network = model.members[0]
    for rung in rungs:
        if rung.stage.pretrain or rung.fidelity not in model.card.fidelities:
            continue
        features = all_features(network, rung.data.graphs)[:, : network.embedding_size]
        domain = Domain.of(features.numpy() / model.embedding_scale, rung.data.formulas)
        domains[rung.fidelity] = domain.joined(inherited) if inherited and rung.fidelity != BASE_FIDELITY else domain
    return domains


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
