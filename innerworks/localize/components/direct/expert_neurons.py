"""The direct effects of neurons that stand in experts: those a token is sent to, and the one that all go through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.localize.components.direct.writes import expert_neuron_layers
from innerworks.model.sites import Site, at
from innerworks.model.weights.factored import at_least_float32
from innerworks.results import labelled

if TYPE_CHECKING:
    from innerworks.localize.components.direct.effects import Effects
    from innerworks.model.anatomy import Experts
    from innerworks.model.model import Model

__all__ = ["effects_of_expert_neurons", "sites_of_expert_neurons"]


def sites_of_expert_neurons(model: Model) -> list[Site]:
    """What a run must capture where logits are read."""
    found = []
    for layer in expert_neuron_layers(model):
        found.append(at.expert_neurons[layer])
        if not _record(model).everywhere:
            found += [at.router_weights[layer], at.router_index[layer]]
    return found + [at.shared_neurons[layer] for layer in _shared_layers(model)]


def _record(model: Model) -> Experts:
    assert model.family.experts is not None
    return model.family.experts


def _shared_layers(model: Model) -> list[int]:
    having = set(model.layers_with("shared_neurons")) & set(model.layers_with("shared_out"))
    edited = {edit.site.layer for edit in model.resolved(()) if edit.site.name == "shared_out"}
    return [layer for layer in expert_neuron_layers(model) if layer in having - edited]


def effects_of_expert_neurons(effects: Effects) -> Any | None:
    """Every neuron of the experts, 0 where its expert did not run: [example, layer, expert, neuron].

    The one that all tokens go through is the last, as among `effects.experts()`; NaN where it has fewer neurons.
    """
    model = effects.model
    layers = expert_neuron_layers(model)
    if not layers:
        return None
    rows: list[Tensor] = []
    rests: list[Tensor] = []
    for layer in layers:
        found = _routed(effects, layer, rests)
        rows.append(found if not model.layers_with("shared_out") else _beside(found, _shared(effects, layer, rests)))
    widest = max(row.shape[-1] for row in rows)
    rows = [torch.nn.functional.pad(row, (0, widest - row.shape[-1]), value=torch.nan) for row in rows]
    names = [str(number) for number in range(model.anatomy.n_experts)]
    names += ["shared"] * (rows[0].shape[1] - len(names))
    coords: dict[str, Any] = {"layer": layers, "expert": names}
    array = labelled(torch.stack(rows, 1), ("example", "layer", "expert", "neuron"), coords=coords)
    return array.assign_attrs(off=max(float(rest.abs().max()) for rest in rests))


def _routed(effects: Effects, layer: int, rests: list[Tensor]) -> Tensor:
    """The effects in the experts that tokens are sent to, [row, expert, neuron].

    `rests` gets by how much they, and the biases, miss what the experts add.
    """
    weights, directions = effects.model.weights, effects.directions
    seen = directions * effects.model.anatomy.scale_of(layer, "mlp")
    neurons = effects.at(at.expert_neurons[layer]).to(directions)
    shares = _shares(effects, layer).to(directions)
    whole = effects.of([effects.at(at.expert_out[layer])])[0]
    found = neurons.new_zeros(len(neurons), *neurons.shape[2:])
    for expert in shares.flatten(0, 1).any(0).nonzero()[:, 0].tolist():
        out = at_least_float32(weights.neuron_out(layer, expert=expert)).to(directions)
        bias = at_least_float32(weights.neuron_out_bias(layer, expert=expert)).to(directions)
        weighted = seen * shares[:, :, expert, None]
        found[:, expert] = (neurons[:, :, expert] * (weighted @ out.T)).sum(1)
        rests.append(whole[:, expert] - found[:, expert].sum(-1) - (weighted @ bias).sum(1))
    return found


def _shares(effects: Effects, layer: int) -> Tensor:
    """What each expert's output is multiplied with at each token that is read, [row, read, expert]."""
    if _record(effects.model).everywhere:  # there the router scales what the experts read
        return effects.at(at.expert_neurons[layer]).any(-1)
    chosen = effects.run[at.router_index[layer] @ effects.positions].long()
    weights = effects.at(at.router_weights[layer])
    none = weights.new_zeros(*weights.shape[:2], effects.model.anatomy.n_experts)
    return none.scatter_add(2, chosen, weights)


def _shared(effects: Effects, layer: int, rests: list[Tensor]) -> Tensor:
    """The same in the expert that every token goes through, [row, neuron]; none in layers that do not show it."""
    if layer not in _shared_layers(effects.model):
        return effects.directions.new_zeros(len(effects.directions), 0)
    directions = effects.directions
    out, bias = (at_least_float32(one).to(directions) for one in effects.model.weights.shared_neuron_out(layer))
    neurons = effects.at(at.shared_neurons[layer]).to(directions)
    made, added = neurons @ out + bias, effects.at(at.shared_out[layer]).to(directions)
    let_through = (made * added).sum(-1, keepdim=True) / (made * made).sum(-1, keepdim=True)  # its gate, and scales
    weighted = directions * let_through.nan_to_num()
    found = (neurons * (weighted @ out.T)).sum(1)
    rests.append(effects.of([added])[0] - found.sum(-1) - (weighted @ bias).sum(1))
    return found


def _beside(routed: Tensor, shared: Tensor) -> Tensor:
    """Both in one array, NaN behind the shorter ones."""
    widest = max(routed.shape[-1], shared.shape[-1])
    rows = [
        torch.nn.functional.pad(one, (0, widest - one.shape[-1]), value=torch.nan) for one in (routed, shared[:, None])
    ]
    return torch.cat(rows, 1)
