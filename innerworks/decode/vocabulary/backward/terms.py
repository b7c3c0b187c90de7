"""The gradient of an MLP's matrices, a term for each token: what came in, times what the loss wants to come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from innerworks.model.metrics.made import log_prob
from innerworks.model.sites import at

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.data.lifting import Prompts
    from innerworks.model.model import Model

__all__ = ["Terms", "terms_of"]


@dataclass(frozen=True)
class Terms:
    """Σ_i x_iᵀ δ_i is the gradient of the loss with respect to a matrix that rows are multiplied with."""

    inputs: Tensor
    """x [row, position, in]"""
    deltas: Tensor
    """δ [row, position, out]: the gradient of the loss with respect to what comes out."""

    @property
    def norms(self) -> Tensor:
        """The Frobenius norm of each token's term, [row, position]."""
        found: Tensor = self.inputs.norm(dim=-1) * self.deltas.norm(dim=-1)
        return found

    @property
    def norm(self) -> Tensor:
        """That of the whole gradient, [row], which is not formed."""
        alike = (self.inputs @ self.inputs.mT) * (self.deltas @ self.deltas.mT)
        return alike.sum((1, 2)).clamp(min=0).sqrt()

    def dense(self, row: int) -> Tensor:
        """The gradient itself, [in, out]."""
        return self.inputs[row].T @ self.deltas[row]


def terms_of(model: Model, prompts: Prompts, target: Any, layers: Sequence[int]) -> dict[tuple[int, str], Terms]:
    """Of -log p(target), for "in", "gate" (where MLPs are gated) and "out" of each layer."""
    gated = set(model.layers_with("gate"))
    entering = {
        (layer, name): (at.mlp_in[layer], site)
        for layer in layers
        for name, site in (("in", at.neuron_pre[layer]), ("gate", at.gate[layer]))
        if name == "in" or layer in gated
    }
    leaving = {(layer, "out"): (at.neurons[layer], at.module(_down(model, layer)).output) for layer in layers}
    asked = {**entering, **leaving}
    wrt = list({site: None for _, site in asked.values()})
    capture = list({site: None for site, _ in asked.values()})
    found = model.gradients(list(prompts), log_prob(target), wrt=wrt, capture=capture)
    return {key: Terms(found.run[before].detach(), -found[after]) for key, (before, after) in asked.items()}


def _down(model: Model, layer: int) -> str:
    return f"{model.family.blocks}.{layer}.{model.anatomy.in_layer(layer).down}"
