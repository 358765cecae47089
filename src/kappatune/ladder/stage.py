"""One stage of the ladder for one member: Lightning runs the loop."""

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
from lightning.pytorch.callbacks import Callback, EarlyStopping, RichProgressBar
from lightning.pytorch.loggers import CSVLogger
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset, Sampler

from kappatune.graphs import CrystalGraphs, GraphBatch
from kappatune.heads import BASE, PROPERTIES, Head, KappaNetwork, Outputs
from kappatune.hosts import Host
from kappatune.ladder.checkpoint import SafetensorsCheckpointIO
from kappatune.ladder.recipe import BadRun, Stage

CHECKPOINT_SECONDS = 15.0
"""A checkpoint is written at the end of an epoch when the last one is older than this."""

_VALIDATION_BATCH = 512
_PRETRAINING_WIDTHS = (64,)
Item = tuple[GraphBatch | Tensor, Tensor, Tensor]
"""Graphs or features; kappa (n,), or the column a stage pretrains on; transformed properties (n, 4)."""


@dataclass(frozen=True)
class StageData:
    """The labelled crystals of a stage, ready for the network.

    Attributes:
        graphs: Graphs of the crystals.
        kappa: (n,) W/(m K).
        properties: (n, 4) transformed properties (`kappatune.heads.transform_properties`), NaN where unknown.
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
        best_epoch: Epoch whose weights were kept, counted from 1.
        validation_error: Mean |ln kappa| error on the inner validation part at that epoch, if there is one; of a stage
            that pretrains the mean absolute error of its column.
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


def climb_stage(
    network: KappaNetwork,
    stage: Stage,
    fidelity: str,
    data: StageData,
    *,
    seed: int,
    folder: Path,
    progress: bool = True,
) -> StageResult:
    """Fit one rung in place, going on from a checkpoint in `folder` if there is one.

    Args:
        network: Member to fit; its head for `fidelity` exists.
        stage: What the recipe says.
        fidelity: Rung that is fitted.
        data: All training data of the stage; the inner validation part is cut from it.
        seed: Decides the inner validation part and the order of the crystals.
        folder: Where the log and the checkpoint go.
        progress: Show a progress bar on stderr.

    Returns:
        What happened; `network` holds the weights that were kept, all trainable again.
    """
    started = time.monotonic()
    train, validation = split_by_formula(data.formulas, stage.validation.fraction if stage.validation else 0.0, seed)
    freeze(network, frozen_prefixes(network, stage, fidelity))
    source: CrystalGraphs | Tensor = data.graphs
    if not any(p.requires_grad for p in network.host.parameters()):
        source = all_features(network, data.graphs)
    module, target = _module(network, stage, fidelity, data, train, seed)
    properties = torch.from_numpy(data.properties).float()
    loader: DataLoader[Item] = DataLoader(
        _Crystals(source, target, properties, train),
        batch_size=stage.batch_size,
        sampler=_Shuffle(len(train), seed),
        collate_fn=_as_it_is,
    )
    validation_loader = DataLoader(
        _Crystals(source, target, properties, validation), batch_size=_VALIDATION_BATCH, collate_fn=_as_it_is
    )
    callbacks: list[Callback] = [_Checkpoint(folder)]
    if stage.validation and stage.validation.patience and len(validation):
        patience = stage.validation.patience
        callbacks.append(EarlyStopping("validation_error", patience=patience, check_on_train_epoch_end=False))
    if progress:
        callbacks.append(RichProgressBar(leave=False, console_kwargs={"stderr": True}))
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
            enable_progress_bar=progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=50,
            gradient_clip_val=stage.gradient_clip,
        )
        checkpoint = folder / _Checkpoint.FILE
        trainer.fit(
            module,
            loader,
            validation_loader if len(validation) else None,
            ckpt_path=checkpoint if checkpoint.exists() else None,
            weights_only=True,
        )
    module.keep_best()
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    network.to("cpu").eval()
    return StageResult(
        epochs=trainer.current_epoch,
        best_epoch=module.best_epoch or trainer.current_epoch,
        validation_error=module.best_error if math.isfinite(module.best_error) else None,
        n_train=len(train),
        n_validation=len(validation),
        seconds=time.monotonic() - started,
    )


def _module(
    network: KappaNetwork, stage: Stage, fidelity: str, data: StageData, train: NDArray[np.int64], seed: int
) -> tuple[StageModule, Tensor]:
    """What is trained, and its targets."""
    if data.pretraining is None:
        return StageModule(network, stage, fidelity), torch.from_numpy(data.kappa).float()
    values = data.pretraining[train]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pupil = Pupil(network.host, network.level, float(values.mean()), float(values.std()) or 1.0)
    return PretrainingModule(pupil, stage, fidelity), torch.from_numpy(data.pretraining).float()


class StageModule(pl.LightningModule):
    """Loss, optimiser and validation of one stage."""

    def __init__(self, network: nn.Module, stage: Stage, fidelity: str) -> None:
        super().__init__()
        self.network = network
        self.stage = stage
        self.fidelity = fidelity
        self.averaged = (
            AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(stage.average)) if stage.average else None
        )
        self.best_error = math.inf
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}
        self._errors: list[Tensor] = []

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and kept: the running average, where there is one."""
        return self.averaged.module if self.averaged is not None else self.network

    def training_step(self, batch: Item, batch_index: int) -> Tensor:
        """Loss of one batch."""
        crystals, kappa, properties = batch
        loss = self._loss(crystals, kappa, properties)
        if not torch.isfinite(loss):
            raise BadRun(
                f"stage '{self.stage.name}', epoch {self.current_epoch + 1}: the loss is no longer finite: "
                "lower learning_rate or set gradient_clip"
            )
        self.log("loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(kappa))
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the running average follow."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)

    def validation_step(self, batch: Item, batch_index: int) -> None:
        """Collect errors."""
        crystals, kappa, _ = batch
        self._errors.append(self._error(crystals, kappa))

    def on_validation_epoch_end(self) -> None:
        """Remember the weights of the best epoch so far."""
        error = cast(Tensor, self.all_gather(torch.cat(self._errors))).mean()
        self._errors.clear()
        self.log("validation_error", error, prog_bar=True)
        if float(error) < self.best_error:
            self.best_error = float(error)
            self.best_epoch = self.current_epoch + 1
            self.best_weights = {k: v.detach().cpu().clone() for k, v in self.judged.state_dict().items()}

    def keep_best(self) -> None:
        """Put the weights that are kept into the network."""
        weights = self.best_weights or self.judged.state_dict()
        self.network.load_state_dict({k: v.cpu() for k, v in weights.items()}, strict=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the best epoch beside the state of the loop."""
        checkpoint["best"] = {"error": self.best_error, "epoch": self.best_epoch, "weights": self.best_weights}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the best epoch back."""
        best = checkpoint["best"]
        self.best_error, self.best_epoch, self.best_weights = best["error"], best["epoch"], best["weights"]

    def configure_optimizers(self) -> Any:
        """AdamW on what is not frozen."""
        stage = self.stage
        trained = [p for p in self.network.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(trained, lr=stage.learning_rate, weight_decay=stage.weight_decay, fused=True)
        if stage.schedule == "constant":
            return optimiser
        if stage.schedule == "cosine":
            schedule: Any = torch.optim.lr_scheduler.CosineAnnealingLR(
                optimiser, T_max=stage.epochs, eta_min=0.01 * stage.learning_rate
            )
            return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser,
            max_lr=stage.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
            pct_start=0.2,
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _error(self, crystals: GraphBatch | Tensor, kappa: Tensor) -> Tensor:
        """|ln kappa| errors of the judged network."""
        scaler = cast(KappaNetwork, self.network).scaler
        return (scaler.ln_kappa(self.judged(crystals, self.fidelity).scaled) - kappa.log()).abs()

    def _loss(self, crystals: GraphBatch | Tensor, kappa: Tensor, properties: Tensor) -> Tensor:
        outputs: Outputs = self.network(crystals, self.fidelity)
        scaler, weights = cast(KappaNetwork, self.network).scaler, self.stage.loss_weights
        if self.stage.loss == "mape":
            return ((scaler.decode(outputs.scaled) - kappa).abs() / kappa).mean()
        loss = weights.get("kappa", 0.0) * self._distance(outputs.scaled, scaler.encode(kappa)).mean()
        if outputs.properties is not None and self.fidelity == BASE:
            known = torch.isfinite(properties)
            weight = kappa.new_tensor([weights.get(name, 0.0) for name in PROPERTIES]) * known
            target = scaler.encode_properties(torch.where(known, properties, outputs.properties.detach()))
            distance = self._distance(scaler.encode_properties(outputs.properties), target)
            loss = loss + (weight * distance).sum() / len(kappa)
        return loss

    def _distance(self, predicted: Tensor, target: Tensor) -> Tensor:
        losses = {"l1": nn.functional.l1_loss, "smooth_l1": nn.functional.smooth_l1_loss}
        return losses[self.stage.loss](predicted, target, reduction="none")


class Pupil(nn.Module):
    """A host with a head for the column it is pretrained on."""

    def __init__(self, host: Host, level: str, mean: float, std: float) -> None:
        super().__init__()
        self.host = host
        self.level = level
        self.mean = mean
        self.std = std
        self.head = Head(host.embedding_sizes[level], _PRETRAINING_WIDTHS, 1)

    def forward(self, batch: GraphBatch) -> Tensor:
        """(n,) the column, in its unit."""
        return self.mean + self.std * self.head(self.host.embed(batch, self.level))[:, 0]


class PretrainingModule(StageModule):
    """A stage that teaches the host a column; what is learnt in its head is thrown away."""

    def _error(self, crystals: GraphBatch | Tensor, kappa: Tensor) -> Tensor:
        return (self.judged(crystals) - kappa).abs()

    def _loss(self, crystals: GraphBatch | Tensor, kappa: Tensor, properties: Tensor) -> Tensor:
        std = cast(Pupil, self.network).std
        return self._distance(self.network(crystals) / std, kappa / std).mean()


class _Checkpoint(Callback):
    """Writes the state of the loop at the end of an epoch, not more often than `CHECKPOINT_SECONDS`.

    An epoch that stops the stage early is not stored: the wish to stop is not part of a checkpoint, so a
    resumed run repeats that epoch and stops again.
    """

    FILE = "checkpoint.safetensors"

    def __init__(self, folder: Path) -> None:
        self.path = folder / self.FILE
        self.written = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.should_stop and time.monotonic() - self.written >= CHECKPOINT_SECONDS:
            trainer.save_checkpoint(self.path)
            self.written = time.monotonic()


class _Crystals(Dataset[Item]):
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

    def __getitems__(self, positions: list[int]) -> Item:
        chosen = self.indices[positions]
        crystals = self.source[chosen] if isinstance(self.source, Tensor) else self.source.batch(chosen)
        return crystals, self.kappa[chosen], self.properties[chosen]


class _Shuffle(Sampler[int]):
    """A new order each epoch that depends on seed and epoch alone, so that a resumed run sees the same."""

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
    """Cut rows in two so that no formula stands on both sides.

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
    """What stays as it is: the recipe's wish, other rungs' heads, and everything below a correction."""
    others = tuple(f"heads.{name}" for name in network.heads if name != fidelity)
    correction = network.composition == "debye" and fidelity != BASE and not stage.pretrain
    return (*stage.frozen, *others, *(("host",) if correction else ()))


def freeze(network: KappaNetwork, prefixes: Sequence[str]) -> None:
    """Keep the parameters whose names begin with one of the prefixes from changing."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not any(begins_with(name, prefix) for prefix in prefixes))


def begins_with(name: str, prefix: str) -> bool:
    """Whether a dotted parameter name lies at or below a prefix."""
    return name == prefix or name.startswith(f"{prefix}.")


def all_features(network: KappaNetwork, graphs: CrystalGraphs) -> Tensor:
    """(n_crystals, d) features the heads take, without gradients."""
    network.eval()
    with torch.no_grad():
        parts = [
            network.features(graphs.batch(np.arange(i, min(i + _VALIDATION_BATCH, len(graphs)))))
            for i in range(0, len(graphs), _VALIDATION_BATCH)
        ]
    return torch.cat(parts)


def _next_log(folder: Path) -> str:
    """A log folder of its own for every run of a stage, so that resuming keeps the earlier log."""
    return f"log-{1 + sum(1 for _ in folder.glob('log-*'))}"


def _as_it_is(item: Any) -> Any:
    return item
