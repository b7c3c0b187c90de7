"""The gradient of experts' matrices: a term for each token and each expert that it was given to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from innerworks.decode.vocabulary.backward.terms import Terms
from innerworks.errors import AnatomyError
from innerworks.model.sites import at

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.engine.gradients import Gradients
    from innerworks.model.model import Model
    from innerworks.model.sites import Site

__all__ = ["Routed", "asked_of_experts", "terms_of_experts"]


@dataclass(frozen=True)
class Routed:
    """Σ x_iᵀ δ_i over the tokens that were given to an expert is the gradient with respect to its matrix."""

    inputs: Tensor
    """x [row, position, slot, in]"""
    deltas: Tensor
    """δ [row, position, slot, out]"""
    experts: Tensor
    """Which expert each slot is, [row, position, slot]."""
    count: int
    """How many experts there are."""

    @property
    def by_slot(self) -> Tensor:
        """The Frobenius norm of each token's term in the matrix of each of its experts, [row, position, slot]."""
        found: Tensor = self.inputs.norm(dim=-1) * self.deltas.norm(dim=-1)
        return found

    @property
    def norms(self) -> Tensor:
        """That of each token's terms in the matrices of all experts, [row, position]."""
        found: Tensor = self.by_slot.norm(dim=-1)
        return found

    @property
    def by_expert(self) -> Tensor:
        """The norm of the gradient of each expert's matrix, [row, expert]: 0 where it was given no token."""
        flat = [one.flatten(1, 2) for one in (self.inputs, self.deltas, self.experts)]
        x, delta, whose = flat
        alike = (x @ x.mT) * (delta @ delta.mT)
        mine = torch.nn.functional.one_hot(whose, self.count).to(alike)
        squares: Tensor = torch.einsum("rie,rij,rje->re", mine, alike, mine)
        return squares.clamp(min=0).sqrt()

    @property
    def norm(self) -> Tensor:
        """That of the gradient of all experts' matrices together, [row]."""
        found: Tensor = self.by_expert.norm(dim=-1)
        return found

    @property
    def given(self) -> Tensor:
        """What came in, [row, position, in], which is the same for all slots up to what the router scales it with."""
        return self.inputs[:, :, 0]

    @property
    def moved(self) -> Tensor:
        """What the loss wants all experts together to give, with the other sign, [row, position, out]."""
        return self.deltas.sum(2)

    def of(self, expert: int) -> Terms:
        """The terms of one expert's matrix: 0 at tokens that it was not given."""
        mine = (self.experts == expert).unsqueeze(-1)
        return Terms(*((one * mine).sum(2) for one in (self.inputs, self.deltas)))

    def dense(self, row: int, expert: int) -> Tensor:
        """The gradient of one expert's matrix itself, [in, out]."""
        return self.of(expert).dense(row)


def asked_of_experts(model: Model, layer: int) -> tuple[list[Site], list[Site]]:
    """The places to differentiate at, and those whose values are needed besides, in a mixture."""
    wrt = [at.routed_neurons[layer], at.routed_out[layer]]
    for site in wrt:
        model.anatomy.check(site)
    record = model.family.experts
    assert record is not None
    experts = model.anatomy.part(layer, record.experts)
    if getattr(experts, "has_post_expert_norm", False):
        raise AnatomyError(
            f"{model.family.model_type} norms what each expert gives, so the gradient of its second matrix is not "
            "told by what is added to the stream."
        )
    return wrt, [at.mlp_in[layer], at.router_index[layer], at.router_weights[layer]]


def terms_of_experts(model: Model, found: Gradients, layer: int) -> dict[str, Routed]:
    """Of the loss that `found` are the gradients of with the other sign: "in", "gate" (if there is one) and "out"."""
    neurons, written = at.routed_neurons[layer], at.routed_out[layer]
    read = found.run[at.mlp_in[layer]].detach()
    chosen = found.run[at.router_index[layer]].long()
    weights = found.run[at.router_weights[layer]].detach().to(read).unsqueeze(-1)
    record = model.family.experts
    assert record is not None
    given = read.unsqueeze(2).expand(*chosen.shape, read.shape[-1])
    given = given * weights if record.everywhere else given
    leaving = -found[written] * model.anatomy.scale_of(layer, "mlp")
    leaving = leaving if record.everywhere else leaving * weights
    entering = _through_the_gate(model, layer, given, -found[neurons], chosen)
    terms = {name: Routed(given, delta, chosen, model.anatomy.n_experts) for name, delta in entering.items()}
    return terms | {"out": Routed(found.run[neurons].detach(), leaving, chosen, model.anatomy.n_experts)}


def _through_the_gate(model: Model, layer: int, given: Tensor, deltas: Tensor, chosen: Tensor) -> dict[str, Tensor]:
    """The gradient where neurons are given to the non-linearity, from that behind it, by the experts' own function."""
    record = model.family.experts
    assert record is not None
    experts, weights = model.anatomy.part(layer, record.experts), model.weights
    gated = bool(getattr(experts, "has_gate", True))
    names = ("in", "gate") if gated else ("in",)
    out = {name: torch.zeros_like(deltas) for name in names}
    for expert in sorted(set(chosen.flatten().tolist())):
        mine = chosen == expert
        before = []
        for name in names:
            matrix, bias = (
                (weights.neuron_in, weights.neuron_in_bias) if name == "in" else (weights.gate, weights.gate_bias)
            )
            before.append(given[mine] @ matrix(layer, expert=expert).to(given) + bias(layer, expert=expert).to(given))
        for name, delta in zip(names, _pulled(_gate_of(experts, record), before, deltas[mine]), strict=True):
            out[name][mine] = delta
    return out


def _gate_of(experts: Any, record: Any) -> Callable[..., Tensor]:
    """The experts' non-linearity, of their linear branch and their gate branch (if there is one)."""

    def joined(up: Tensor, *gate: Tensor) -> Tensor:
        if not gate:
            found: Tensor = experts.act_fn(up)
        elif not hasattr(experts, "_apply_gate"):
            found = up * experts.act_fn(gate[0])
        else:
            both = (gate[0], up)
            found = experts._apply_gate(
                torch.stack(both, -1).flatten(-2) if record.interleaved else torch.cat(both, -1)
            )
        return found

    return joined


def _pulled(function: Callable[..., Tensor], before: Sequence[Tensor], delta: Tensor) -> tuple[Tensor, ...]:
    with torch.enable_grad():
        kept = [one.detach().requires_grad_() for one in before]
        return torch.autograd.grad(function(*kept), kept, delta)
