"""The terms of every matrix of some layers' MLPs, from one forward and one backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from innerworks.decode.vocabulary.backward.routed import Routed, asked_of_experts, terms_of_experts
from innerworks.decode.vocabulary.backward.terms import Terms
from innerworks.model.anatomy.record import Part
from innerworks.model.metrics.made import log_prob
from innerworks.model.sites import at

if TYPE_CHECKING:
    from innerworks.data.lifting import Prompts
    from innerworks.model.engine.gradients import Gradients
    from innerworks.model.model import Model
    from innerworks.model.sites import Site

__all__ = ["MATRICES", "terms_of"]

MATRICES = ("in", "gate", "out", "shared_in", "shared_gate", "shared_out")
"""The last three are those of the expert that every token of a mixture goes through."""


@dataclass(frozen=True)
class _Linear:
    """The places of what a matrix is given and of what it gives, or the half of what its module gives."""

    before: Site
    after: Site
    half: int | None = None

    def terms(self, found: Gradients) -> Terms:
        """The terms of the loss that `found` are the gradients of with the other sign."""
        gradient = -found[self.after]
        deltas = gradient if self.half is None else gradient.chunk(2, -1)[self.half]
        return Terms(found.run[self.before].detach(), deltas)


def terms_of(
    model: Model, prompts: Prompts, target: Any, layers: Sequence[int]
) -> dict[tuple[int, str], Terms | Routed]:
    """Of -log p(target), for "in", "gate" (where MLPs are gated) and "out" of each layer, and its shared expert's."""
    mixtures = [layer for layer in layers if layer in model.anatomy.mixture_layers]
    linears: dict[tuple[int, str], _Linear] = {}
    for layer in layers:
        own = _shared(model, layer) if layer in mixtures else _dense(model, layer)
        linears |= {(layer, name): one for name, one in own.items()}
    wrt = [one.after for one in linears.values()]
    capture = [one.before for one in linears.values()]
    for layer in mixtures:
        after, besides = asked_of_experts(model, layer)
        wrt, capture = wrt + after, capture + besides + after[:1]
    asked = [list(dict.fromkeys(places)) for places in (wrt, capture)]
    found = model.gradients(list(prompts), log_prob(target), wrt=asked[0], capture=asked[1])
    terms: dict[tuple[int, str], Terms | Routed] = {key: one.terms(found) for key, one in linears.items()}
    for layer in mixtures:
        terms |= {(layer, name): one for name, one in terms_of_experts(model, found, layer).items()}
    return terms


def _dense(model: Model, layer: int) -> dict[str, _Linear]:
    found = {"in": _Linear(at.mlp_in[layer], at.neuron_pre[layer])}
    if layer in model.layers_with("gate"):
        found["gate"] = _Linear(at.mlp_in[layer], at.gate[layer])
    down = _output(model, layer, model.anatomy.in_layer(layer).down)
    return found | {"out": _Linear(at.neurons[layer], down)}


def _shared(model: Model, layer: int) -> dict[str, _Linear]:
    """The matrices of the expert that every token of a mixture goes through; none where there is no such expert."""
    if layer not in model.layers_with("shared_neurons"):
        return {}
    record = model.family.experts
    assert record is not None and record.shared is not None
    shared, found = record.shared, {}
    for name, part in (("shared_in", shared.up), ("shared_gate", shared.branch)):
        if part is not None:
            path, half = (part.path, part.half) if isinstance(part, Part) else (part, None)
            found[name] = _Linear(at.mlp_in[layer], _output(model, layer, f"{shared.path}.{path}"), half)
    down = _output(model, layer, f"{shared.path}.{shared.down}")
    return found | {"shared_out": _Linear(at.shared_neurons[layer], down)}


def _output(model: Model, layer: int, path: str | None) -> Site:
    return at.module(f"{model.family.blocks}.{layer}.{path}").output
