"""What Lightning trains in a stage: a network on conductivities, or a host that is pretrained on another column."""

from __future__ import annotations

import math
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kappatune.model.graphs import GraphBatch
from kappatune.model.heads import BASE_FIDELITY, PROPERTIES, Head, KappaNetwork, NetworkOutputs, strained_targets
from kappatune.model.hosts import Host
from kappatune.training.recipe import BadRun, Stage

_PRETRAINING_WIDTHS = (64,)
_SLOPE_WEIGHT = 0.3
"""Of the loss of the slopes of Debye temperature and Grüneisen parameter with ln V, beside that of their values."""

Batch = tuple[GraphBatch | Tensor, Tensor, Tensor]
"""Graphs or features; kappa (n,), or the column a stage pretrains on; transformed properties (n, 4)."""


class StageModule(pl.LightningModule):
    """Loss, optimiser and validation of one stage.

    Attributes:
        network: What is trained.
        stage: Its settings in the recipe.
        fidelity: Rung that is trained.
        seed: Decides the strains of the crystals, if the stage asks for them.
        averaged: Running average of the weights, if the stage asks for one.
        best_error: Smallest validation error so far.
        best_epoch: Epoch of that error, counted from 1; 0 before the first validation.
        best_weights: Weights after that epoch.
    """

    def __init__(self, network: nn.Module, stage: Stage, fidelity: str, seed: int) -> None:
        super().__init__()
        self.network = network
        self.stage = stage
        self.fidelity = fidelity
        self.seed = seed
        self.averaged = (
            AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(stage.average)) if stage.average else None
        )
        self.best_error = math.inf
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}
        self._errors: list[Tensor] = []

    @property
    def evaluated(self) -> nn.Module:
        """The network that is validated: the running average of the weights, where there is one."""
        return self.averaged.module if self.averaged is not None else self.network

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of one batch."""
        crystals, kappa, properties = batch
        if self.stage.volume_strain:
            loss = self._strained_loss(crystals, kappa, properties)
        else:
            loss = self._loss(crystals, kappa, properties)
        if not torch.isfinite(loss):
            raise BadRun(
                f"stage '{self.stage.name}', epoch {self.current_epoch + 1}: the loss is no longer finite: "
                "lower learning_rate or set gradient_clip"
            )
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(kappa))
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Update the running average of the weights."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Collect the errors of one batch."""
        crystals, kappa, _ = batch
        self._errors.append(self._error(crystals, kappa))

    def on_validation_epoch_end(self) -> None:
        """Remember the weights of the best epoch so far."""
        error = cast(Tensor, self.all_gather(torch.cat(self._errors))).mean()
        self._errors.clear()
        self.log("validation_error", error)
        if float(error) < self.best_error:
            self.best_error = float(error)
            self.best_epoch = self.current_epoch + 1
            self.best_weights = {k: v.detach().cpu().clone() for k, v in self.evaluated.state_dict().items()}

    def restore_best(self) -> None:
        """Load the weights of the best epoch into the network; without validation, those of the last."""
        weights = self.best_weights or self.evaluated.state_dict()
        self.network.load_state_dict({k: v.cpu() for k, v in weights.items()}, strict=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the best epoch too."""
        checkpoint["best"] = {"error": self.best_error, "epoch": self.best_epoch, "weights": self.best_weights}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the best epoch."""
        best = checkpoint["best"]
        self.best_error, self.best_epoch, self.best_weights = best["error"], best["epoch"], best["weights"]

    def configure_optimizers(self) -> Any:
        """AdamW on the parameters that are not frozen, with the schedule of the stage."""
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

    def _strained_loss(self, crystals: GraphBatch | Tensor, kappa: Tensor, properties: Tensor) -> Tensor:
        """Mean loss of crystals expanded and compressed by random strains, and the loss of the change between the two.

        The strains depend on the seed and the number of the step alone.
        """
        assert isinstance(crystals, GraphBatch)
        largest = self.stage.volume_strain
        draw = np.random.default_rng([self.seed, self.global_step, 11]).uniform(largest / 4, largest, len(kappa))
        known = torch.isfinite(properties[:, :2]).all(dim=1)
        strain = kappa.new_tensor(draw) * known
        losses, errors = [], []
        for ln_volume in (strain, -strain):
            ln_kappa, strained = strained_targets(kappa.log(), properties, ln_volume)
            outputs: NetworkOutputs = self.network(crystals.strained(ln_volume), self.fidelity)
            losses.append(self._loss_of(outputs, ln_kappa.exp(), strained))
            errors.append((cast(Tensor, outputs.properties) - strained)[known, :2])
        loss = (losses[0] + losses[1]) / 2.0
        if not known.any():
            return loss
        slope = (errors[0] - errors[1]) / (2.0 * strain[known, None])
        return loss + _SLOPE_WEIGHT * self._distance(slope, torch.zeros_like(slope)).mean()

    def _error(self, crystals: GraphBatch | Tensor, kappa: Tensor) -> Tensor:
        """(n,) absolute errors of ln kappa."""
        scaler = cast(KappaNetwork, self.network).scaler
        return (scaler.ln_kappa(self.evaluated(crystals, self.fidelity).scaled) - kappa.log()).abs()

    def _loss(self, crystals: GraphBatch | Tensor, kappa: Tensor, properties: Tensor) -> Tensor:
        return self._loss_of(self.network(crystals, self.fidelity), kappa, properties)

    def _loss_of(self, outputs: NetworkOutputs, kappa: Tensor, properties: Tensor) -> Tensor:
        scaler, weights = cast(KappaNetwork, self.network).scaler, self.stage.loss_weights
        if self.stage.loss == "mape":
            return ((scaler.decode(outputs.scaled) - kappa).abs() / kappa).mean()
        loss = weights.get("kappa", 0.0) * self._distance(outputs.scaled, scaler.encode(kappa)).mean()
        if outputs.properties is not None and self.fidelity == BASE_FIDELITY:
            known = torch.isfinite(properties)
            weight = kappa.new_tensor([weights.get(name, 0.0) for name in PROPERTIES]) * known
            target = scaler.encode_properties(torch.where(known, properties, outputs.properties.detach()))
            distance = self._distance(scaler.encode_properties(outputs.properties), target)
            loss = loss + (weight * distance).sum() / len(kappa)
        return loss

    def _distance(self, predicted: Tensor, target: Tensor) -> Tensor:
        losses = {"l1": nn.functional.l1_loss, "smooth_l1": nn.functional.smooth_l1_loss}
        return losses[self.stage.loss](predicted, target, reduction="none")


class PretrainingNetwork(nn.Module):
    """A host with a head for the column it is pretrained on.

    Attributes:
        host: The network that is pretrained.
        level: Which of its embeddings the head takes.
        mean: Mean of the column, in its unit.
        std: Standard deviation of the column, in its unit.
        head: Gives the column in standard deviations from its mean.
    """

    def __init__(self, host: Host, level: str, mean: float, std: float) -> None:
        super().__init__()
        self.host = host
        self.level = level
        self.mean = mean
        self.std = std
        self.head = Head(host.embedding_sizes[level], _PRETRAINING_WIDTHS, 1)

    def forward(self, batch: GraphBatch) -> Tensor:
        """(n,) the column, in its unit."""
        column: Tensor = self.mean + self.std * self.head(self.host.embed(batch, self.level))[:, 0]
        return column


class PretrainingModule(StageModule):
    """A stage that pretrains the host on a column; the head is discarded afterwards."""

    def _error(self, crystals: GraphBatch | Tensor, kappa: Tensor) -> Tensor:
        error: Tensor = (self.evaluated(crystals) - kappa).abs()
        return error

    def _loss(self, crystals: GraphBatch | Tensor, kappa: Tensor, properties: Tensor) -> Tensor:
        std = cast(PretrainingNetwork, self.network).std
        return self._distance(self.network(crystals) / std, kappa / std).mean()
