"""The messages of SevenNet's convolutions, computed in parts: they need most of its memory."""

from __future__ import annotations

from typing import Any

import torch
from sevenn.nn.convolution import IrrepsConvolution, message_gather
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

NUMBERS_PER_PART = {"cpu": 32_000_000, "cuda": 512_000_000}
"""Numbers in the messages of one part, 128 MB and 2 GB; the gradient of a part needs eight times as much."""


def compute_messages_in_parts(model: nn.Module) -> None:
    """Replace the convolutions of a SevenNet model, in place; weights and results stay the same."""
    for name, module in list(model.named_children()):
        if isinstance(module, IrrepsConvolution):
            setattr(model, name, ConvolutionInParts(module))


class ConvolutionInParts(nn.Module):
    """A convolution that forgets the messages of a part once they are summed, and computes them again for the gradient.

    That takes a third longer, so a cell whose messages fit into one part is computed as before.
    """

    def __init__(self, convolution: IrrepsConvolution) -> None:
        super().__init__()
        self.convolution = convolution

    @property
    def message_size(self) -> int:
        """Numbers in the message of one bond."""
        return int(self.convolution.convolution.irreps_out.dim)

    def forward(self, data: Any) -> Any:
        """Replace the node features of a batch of graphs by the sum of the messages that reach each atom."""
        convolution = self.convolution
        edges = data[convolution.key_edge_idx]
        size = max(1, NUMBERS_PER_PART[edges.device.type] // self.message_size)
        if edges.shape[1] <= size:
            return convolution(data)
        inputs = convolution.key_x, convolution.key_filter, convolution.key_weight_input
        x, filters, lengths = (data[key] for key in inputs)
        total = None
        for part in torch.arange(edges.shape[1], device=x.device).split(size):
            gathered = checkpoint(self._sum, x, filters[part], lengths[part], edges[:, part], use_reentrant=False)
            total = gathered if total is None else total + gathered
        data[convolution.key_x] = total / convolution.denominator
        return data

    def _sum(self, x: Tensor, filters: Tensor, lengths: Tensor, edges: Tensor) -> Tensor:
        """(n_atoms, d) sum of the messages of some bonds."""
        weights = self.convolution.weight_nn(lengths)
        summed: Tensor = message_gather(x, edges[0], self.convolution.convolution(x[edges[1]], filters, weights))
        return summed
