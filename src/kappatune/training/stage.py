"""Training one stage of one member: Lightning runs the loop."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import CSVLogger
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from kappatune.model.graphs import CrystalGraphs
from kappatune.model.heads import BASE_FIDELITY, Correction, KappaNetwork
from kappatune.progress import Advanced, OnProgress, ignore
from kappatune.training.checkpoint import SafetensorsCheckpointIO
from kappatune.training.lightning_modules import Batch, PretrainingModule, PretrainingNetwork, StageModule
from kappatune.training.recipe import Stage

CHECKPOINT_SECONDS = 15.0
"""A checkpoint is written at the end of an epoch when the last one is older than this."""

CHECKPOINT = "checkpoint.safetensors"
"""Name of a checkpoint in the folder of its stage."""

_VALIDATION_BATCH = 512


@dataclass(frozen=True)
class StageData:
    """The labelled crystals of a stage, ready for the network.

    Attributes:
        graphs: Graphs of the crystals.
        kappa: (n,) W/(m K).
        properties: (n, 4) transformed properties (`kappatune.model.heads.transform_properties`), NaN where unknown.
        formulas: (n,) reduced formulas; rows of one formula are never split.
        pretraining: (n,) values of the column a stage pretrains on, in its unit; None otherwise.
    """

    graphs: CrystalGraphs
    kappa: NDArray[np.float64]
    properties: NDArray[np.float64]
    formulas: Sequence[str]
    pretraining: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class StageResult:
    """How a stage went for one member.

    Attributes:
        epochs: Epochs run.
        best_epoch: Epoch whose weights are used, counted from 1.
        validation_error: Mean absolute error of ln kappa, or of the column that a stage pretrains on, on the inner
            validation part at that epoch; None without such a part.
        n_train: Crystals fitted.
        n_validation: Crystals of the inner validation part.
        seconds: Wall time of this run of the stage.
    """

    epochs: int
    best_epoch: int
    validation_error: float | None
    n_train: int
    n_validation: int
    seconds: float


def train_stage(
    network: KappaNetwork,
    stage: Stage,
    fidelity: str,
    data: StageData,
    *,
    seed: int,
    folder: Path,
    on_progress: OnProgress = ignore,
) -> StageResult:
    """Fit one rung in place, continuing from a checkpoint in `folder` if there is one.

    Args:
        network: Member to fit; its head for `fidelity` exists.
        stage: Its settings in the recipe.
        fidelity: Rung that is fitted.
        data: All training data of the stage; the inner validation part is cut from it.
        seed: Decides the inner validation part and the order of the crystals.
        folder: Where the log and the checkpoint go.
        on_progress: Called with the number of epochs after each of them.

    Returns:
        What happened; `network` holds the weights of the best epoch, all trainable again.

    Raises:
        BadRun: The loss is no longer finite.
    """
    started = time.monotonic()
    train, validation = split_by_formula(data.formulas, stage.validation.fraction if stage.validation else 0.0, seed)
    freeze(network, frozen_prefixes(network, stage, fidelity))
    source: CrystalGraphs | Tensor = data.graphs
    if not stage.volume_strain and not any(p.requires_grad for p in network.host.parameters()):
        source = all_features(network, data.graphs)
    module, target = _module(network, stage, fidelity, data, train, seed)
    properties = torch.from_numpy(data.properties).float()
    loader: DataLoader[Batch] = DataLoader(
        _Crystals(source, target, properties, train),
        batch_size=stage.batch_size,
        sampler=_Shuffle(len(train), seed),
        collate_fn=_identity,
    )
    validation_loader: DataLoader[Batch] = DataLoader(
        _Crystals(source, target, properties, validation), batch_size=_VALIDATION_BATCH, collate_fn=_identity
    )
    n_epochs = _fit(module, stage, loader, validation_loader if len(validation) else None, folder, on_progress)
    module.restore_best()
    _set_spread(network, fidelity, source, data, validation if len(validation) else train)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    network.to("cpu").eval()
    return StageResult(
        epochs=n_epochs,
        best_epoch=module.best_epoch or n_epochs,
        validation_error=module.best_error if math.isfinite(module.best_error) else None,
        n_train=len(train),
        n_validation=len(validation),
        seconds=time.monotonic() - started,
    )


def _fit(
    module: StageModule,
    stage: Stage,
    loader: DataLoader[Batch],
    validation_loader: DataLoader[Batch] | None,
    folder: Path,
    on_progress: OnProgress,
) -> int:
    """Run Lightning's loop; returns how many epochs were run, those before an interruption among them."""
    callbacks: list[Callback] = [_Checkpoint(folder), _Progress(on_progress)]
    if stage.validation and stage.validation.patience and validation_loader is not None:
        patience = stage.validation.patience
        callbacks.append(EarlyStopping("validation_error", patience=patience, check_on_train_epoch_end=False))
    folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = pl.Trainer(
            max_epochs=stage.epochs,
            accelerator="auto",
            strategy="ddp_find_unused_parameters_true" if torch.cuda.device_count() > 1 else "auto",
            logger=CSVLogger(folder.parent, name=folder.name, version=_next_log(folder), flush_logs_every_n_steps=50),
            callbacks=callbacks,
            plugins=[SafetensorsCheckpointIO()],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=50,
            gradient_clip_val=stage.gradient_clip,
        )
        checkpoint = folder / CHECKPOINT
        trainer.fit(
            module, loader, validation_loader, ckpt_path=checkpoint if checkpoint.exists() else None, weights_only=True
        )
    return int(trainer.current_epoch)


def _set_spread(
    network: KappaNetwork, fidelity: str, source: CrystalGraphs | Tensor, data: StageData, rows: NDArray[np.int64]
) -> None:
    """Set the standard deviation that a correction reports: its root mean square error on some rows, everywhere."""
    if fidelity not in network.heads or not isinstance(head := network.heads[fidelity], Correction):
        return
    network.to("cpu").eval()
    with torch.no_grad():
        crystals = source[rows] if isinstance(source, Tensor) else source.batch(rows)
        truth = network.scaler.encode(torch.from_numpy(data.kappa[rows]).float())
        error = (network(crystals, fidelity).scaled - truth).square().mean().sqrt()
        cast(nn.Linear, head.layers[-1]).bias[1] = error.clamp(min=1e-3).log()


def _module(
    network: KappaNetwork, stage: Stage, fidelity: str, data: StageData, train: NDArray[np.int64], seed: int
) -> tuple[StageModule, Tensor]:
    """The module that Lightning trains, and its targets."""
    if data.pretraining is None:
        return StageModule(network, stage, fidelity, seed), torch.from_numpy(data.kappa).float()
    values = data.pretraining[train]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pretrained = PretrainingNetwork(network.host, network.level, float(values.mean()), float(values.std()) or 1.0)
    return PretrainingModule(pretrained, stage, fidelity, seed), torch.from_numpy(data.pretraining).float()


class _Checkpoint(Callback):
    """Writes the state of the loop at the end of an epoch, not more often than `CHECKPOINT_SECONDS`.

    An epoch after which the stage stops early is not stored: a checkpoint does not hold the decision to stop, so a
    resumed run repeats that epoch and stops again.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / CHECKPOINT
        self.written = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.should_stop and time.monotonic() - self.written >= CHECKPOINT_SECONDS:
            trainer.save_checkpoint(self.path)
            self.written = time.monotonic()


class _Progress(Callback):
    """Reports the number of epochs after each of them, from one process of those that train together."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.on_progress = on_progress

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self.on_progress(Advanced(trainer.current_epoch + 1, trainer.max_epochs, "epochs"))


class _Crystals(Dataset[Batch]):
    """Crystals by index; a list of indices gives one batch."""

    def __init__(
        self, source: CrystalGraphs | Tensor, kappa: Tensor, properties: Tensor, indices: NDArray[np.int64]
    ) -> None:
        self.source = source
        self.kappa = kappa
        self.properties = properties
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitems__(self, positions: list[int]) -> Batch:
        chosen = self.indices[positions]
        crystals = self.source[chosen] if isinstance(self.source, Tensor) else self.source.batch(chosen)
        return crystals, self.kappa[chosen], self.properties[chosen]


class _Shuffle(Sampler[int]):
    """A new order each epoch, which depends on seed and epoch alone, so that a resumed run sees the same order."""

    def __init__(self, n: int, seed: int) -> None:
        self.n = n
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        return iter(order.tolist())


def split_by_formula(
    formulas: Sequence[str], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows in two so that no formula is on both sides.

    Args:
        formulas: (n,) reduced formulas.
        fraction: Part of the distinct formulas that goes to the second side.
        seed: Of the draw.

    Returns:
        Row indices of the two sides, ascending. With a positive fraction and two formulas or more, neither
        side is empty.
    """
    names, group = np.unique(np.asarray(formulas), return_inverse=True)
    n_held = min(max(1, round(fraction * len(names))), len(names) - 1) if fraction > 0 else 0
    held = np.random.default_rng([seed, 7]).permutation(len(names))[:n_held]
    is_held = np.isin(group, held)
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def frozen_prefixes(network: KappaNetwork, stage: Stage, fidelity: str) -> tuple[str, ...]:
    """What a stage does not train: what the recipe freezes, other heads, and the host below a correction."""
    others = tuple(f"heads.{name}" for name in network.heads if name != fidelity)
    correction = network.composition == "debye" and fidelity != BASE_FIDELITY and not stage.pretrain
    return (*stage.frozen, *others, *(("host",) if correction else ()))


def freeze(network: KappaNetwork, prefixes: Sequence[str]) -> None:
    """Keep the parameters whose names begin with one of the prefixes from changing."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not any(matches_prefix(name, prefix) for prefix in prefixes))


def matches_prefix(name: str, prefix: str) -> bool:
    """Whether a dotted parameter name is a prefix or continues it after a dot."""
    return name == prefix or name.startswith(f"{prefix}.")


def all_features(network: KappaNetwork, graphs: CrystalGraphs, ln_volume: Tensor | None = None) -> Tensor:
    """(n_crystals, d) inputs of the heads, without gradients.

    Args:
        network: Its host embeds.
        graphs: The crystals.
        ln_volume: (n_crystals,) strains (`GraphBatch.strained`); none by default.
    """
    network.eval()
    with torch.no_grad():
        parts = []
        for start in range(0, len(graphs), _VALIDATION_BATCH):
            chosen = slice(start, start + _VALIDATION_BATCH)
            batch = graphs.batch(chosen)
            parts.append(network.features(batch if ln_volume is None else batch.strained(ln_volume[chosen])))
    return torch.cat(parts)


def _next_log(folder: Path) -> str:
    """A new log folder for every run of a stage, so that resuming keeps the earlier log."""
    return f"log-{1 + sum(1 for _ in folder.glob('log-*'))}"


def _identity(item: Any) -> Any:
    return item
