"""Which tensors the sites inside a mixture of experts are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from innerworks.model.taps import codecs as c
from innerworks.model.taps.everywhere_codecs import Chosen, Everywhere, Shares
from innerworks.model.taps.expert_codecs import ByExpert, GatedShare, RoutedNeurons, RoutedWrites, WritesByExpert
from innerworks.model.taps.point import Builder, Need, Place, Point

if TYPE_CHECKING:
    from innerworks.model.anatomy import Anatomy, Experts

__all__ = ["EXPERT_BUILDERS"]

Dims = tuple[str, ...]


def _record(anatomy: Anatomy) -> Experts:
    record = anatomy.family.experts
    assert record is not None
    return record


def _experts(anatomy: Anatomy, layer: int) -> Any:
    return anatomy.part(layer, _record(anatomy).experts)


def _router(place: Place) -> Builder:
    def build(anatomy: Anatomy, layer: int, dims: Dims) -> Point:
        return Point(anatomy.part(layer, _record(anatomy).router), place, c.Tokens(), dims)

    return build


def _router_weights(anatomy: Anatomy, layer: int, dims: Dims) -> Point:
    router = anatomy.part(layer, _record(anatomy).router)
    if not _record(anatomy).everywhere:
        return Point(router, "output", c.Tokens(), dims, 1)
    return Point(router, "output", Chosen(Shares(), router, numbers=True), dims, 0, needs=(Need(router, "choice"),))


def _neurons(by_slot: bool) -> Builder:
    def build(anatomy: Anatomy, layer: int, dims: Dims) -> Point:
        experts, number = _experts(anatomy, layer), anatomy.n_experts
        if not _record(anatomy).everywhere:
            routed = RoutedNeurons(experts, anatomy.top_k)
            return Point(experts, "gate", routed if by_slot else ByExpert(routed, range(number)), dims)
        whole = Everywhere(number)
        if not by_slot:
            return Point(experts, "gate_everywhere", whole, dims)
        router = anatomy.part(layer, _record(anatomy).router)
        return Point(experts, "gate_everywhere", Chosen(whole, router), dims, needs=(Need(router, "choice"),))

    return build


def _writes(by_slot: bool) -> Builder:
    def build(anatomy: Anatomy, layer: int, dims: Dims) -> Point:
        experts, number, scale = _experts(anatomy, layer), anatomy.n_experts, anatomy.scale_of(layer, "mlp")
        if not _record(anatomy).everywhere:
            slots = anatomy.top_k
            codec = (
                RoutedWrites(experts, slots, scale) if by_slot else WritesByExpert(experts, slots, scale, range(number))
            )
            return Point(experts, "output", codec, dims, needs=(Need(experts, "routes"),))
        whole = Everywhere(number, scale)
        if not by_slot:
            return Point(experts, "output", whole, dims)
        router = anatomy.part(layer, _record(anatomy).router)
        return Point(experts, "output", Chosen(whole, router), dims, needs=(Need(router, "choice"),))

    return build


def _shared_neurons(anatomy: Anatomy, layer: int, dims: Dims) -> Point:
    shared = _record(anatomy).shared
    assert shared is not None
    return Point(anatomy.part(layer, f"{shared.path}.{shared.down}"), "input", c.Tokens(), dims)


def _shared_out(anatomy: Anatomy, layer: int, dims: Dims) -> Point:
    shared = _record(anatomy).shared
    assert shared is not None
    if shared.gate is None:
        module = anatomy.part(layer, shared.path)
        over = anatomy.is_written_over(module)
        return Point(module, "output", c.Tokens(anatomy.scale_of(layer, "mlp")), dims, written_over=over)
    down, gate = anatomy.part(layer, f"{shared.path}.{shared.down}"), anatomy.part(layer, shared.gate)
    codec = GatedShare(down, gate, anatomy.scale_of(layer, "mlp"))
    mlp = anatomy.part(layer, anatomy.family.mlp_contribution)
    return Point(mlp, "output", codec, dims, needs=(Need(down), Need(gate)))


EXPERT_BUILDERS: dict[str, Builder] = {
    "router": _router("router"),
    "router_weights": _router_weights,
    "router_index": _router("chosen"),
    "expert_neurons": _neurons(by_slot=False),
    "expert_out": _writes(by_slot=False),
    "routed_neurons": _neurons(by_slot=True),
    "routed_out": _writes(by_slot=True),
    "shared_neurons": _shared_neurons,
    "shared_out": _shared_out,
}
