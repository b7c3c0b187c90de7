"""What a guess may say of a mixture of experts: who is chosen, what experts write to the stream, what they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from innerworks.model import edits as edit
from innerworks.model.anatomy import Anatomy, Experts, Family, Shared
from innerworks.model.guess.measured import FAILURES, Contradiction, near
from innerworks.model.guess.traced import probe
from innerworks.model.model import Model
from innerworks.model.sites import Site, at

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EXPERTS", "WRITES", "check_experts", "check_writes", "with_shared"]

EXPERTS = ("router", "router_weights", "router_index", "expert_neurons", "routed_neurons")
WRITES = ("expert_out", "routed_out")
_SHARED = ("shared_neurons", "shared_out")
_SHARED_NAMES = ("shared_expert", "shared_experts", "shared_mlp")
_DOWN_NAMES = ("down_proj", "output_linear", "w2", "fc2")
_REST = "the rest of the MLP is in no site"


def check_experts(model: Model, ids: Any) -> None:
    """The router's choice is what the experts are given, weighted as it says."""
    given: dict[int, tuple[Any, Any]] = {}
    handles = [
        _experts_of(model, layer).register_forward_pre_hook(_keep_choice(given, layer), with_kwargs=True)
        for layer in model.anatomy.mixture_layers
    ]
    try:
        run = _read(model, ids, [kind for kind in EXPERTS if kind not in model.anatomy.missing])
    finally:
        for handle in handles:
            handle.remove()
    for layer in model.anatomy.mixture_layers:
        index, weights = given[layer]
        if not near(run[at.router_index[layer]].reshape(index.shape), index):
            raise Contradiction("the experts are not those that the router names")
        if not near(run[at.router_weights[layer]].reshape(weights.shape), weights):
            raise Contradiction("the experts are not weighted as the router says")


def check_writes(model: Model, ids: Any) -> None:
    """What experts write adds up to their module's output, and reaches the stream as it is."""
    if any(kind in model.family.absent for kind in EXPERTS):
        raise Contradiction("its router or its experts' neurons were not recognised")
    if set(WRITES) <= model.anatomy.missing.keys():
        return
    made: dict[int, Any] = {}
    layers = model.anatomy.mixture_layers
    handles = [_experts_of(model, layer).register_forward_hook(_keep(made, layer)) for layer in layers]
    try:
        run = _read(model, ids, [*WRITES, "mlp_out", "resid_post"])
    finally:
        for handle in handles:
            handle.remove()
    for layer in layers:
        for kind in WRITES:
            written = run[Site(kind)[layer]].sum(2) / model.anatomy.scale_of(layer, "mlp")
            if not near(written.reshape(made[layer].shape), made[layer]):
                raise Contradiction("what the experts write does not add up to their output")
        for site in (at.expert_out[layer, 0], at.routed_out[layer]):
            _check_reach(model, ids, layer, site, run)


def _check_reach(model: Model, ids: Any, layer: int, site: Site, before: Any) -> None:
    """What is added at a site moves the MLP's contribution and the stream after the layer by just that."""
    import torch

    mlp, stream = before[at.mlp_out[layer]], before[at.resid_post[layer]]
    size = max(float(mlp.abs().max()), 1e-3)
    vector = (torch.randn(model.d_model, generator=torch.Generator().manual_seed(layer)) * size).to(mlp)
    slots = model.anatomy.top_k if site.name == "routed_out" else 1
    run = model.run(ids, capture=[at.mlp_out[layer], at.resid_post[layer]], edits=[edit.add(site, vector)], nan="allow")
    for name, was in (("mlp_out", mlp), ("resid_post", stream)):
        moved = run[Site(name)[layer]].double() - was.double()
        added = slots * vector.double()
        rounding = 8 * torch.finfo(was.dtype).eps * (was.double().abs() + added.abs() + size)
        if not ((moved - added).abs() <= 1e-4 * added.abs().max() + rounding).all():
            raise Contradiction(f"what is added to {site.name} does not reach {name} as it is")


def with_shared(module: Any, family: Family) -> Family:
    """The record with the expert that all tokens go through, if with it the experts' writes make the MLP's output."""
    layers = Anatomy(module, family).mixture_layers
    if family.experts is None or not layers or family.mlp_post is not None:
        return family
    said = list(_shared_of(module, family, family.experts, layers))
    if any(kind in family.absent for kind in WRITES):
        return _without_shared(family, "what its experts write could not be confirmed") if said else family
    if _adds_up(module, family):
        return family
    for shared in said:
        described = replace(family, experts=replace(family.experts, shared=shared))
        if _adds_up(module, described):
            return described
    return _without_shared(family, _REST)


def _without_shared(family: Family, why: str) -> Family:
    absent = dict.fromkeys(_SHARED, f"a guess could not confirm it ({why})")
    return replace(family, absent={**family.absent, **absent})


def _shared_of(module: Any, family: Family, experts: Experts, layers: list[int]) -> Iterator[Shared]:
    """What may be the shared expert, by its name: beside the experts or the whole mixture, with a gate or not."""
    anatomy, owner = Anatomy(module, family), experts.experts.rpartition(".")[0]
    block: Any = anatomy.blocks[layers[0]]
    for place in dict.fromkeys((owner, "")):
        beside = block.get_submodule(place)._modules
        for name in _SHARED_NAMES:
            inside = {} if beside.get(name) is None else beside[name]._modules
            down = next((down for down in _DOWN_NAMES if inside.get(down) is not None), None)
            if down is not None:
                path = f"{place}.{name}" if place else name
                yield Shared(path, f"{path}_gate" if beside.get(f"{name}_gate") is not None else None, down)


def _adds_up(module: Any, family: Family) -> bool:
    """Whether the experts' writes, with the shared one's, are the MLP's contribution, and the shared one's arrive."""
    shared = family.experts is not None and family.experts.shared is not None
    kinds, ids = ["expert_out", "mlp_out", "resid_post", *(_SHARED if shared else ())], probe(module)
    try:
        model = Model(module, anatomy=Anatomy(module, family))
        run = _read(model, ids, kinds)
        for layer in model.anatomy.mixture_layers:
            total: Tensor = run[at.expert_out[layer]].sum(2)
            if shared:
                total = total + run[at.shared_out[layer]]
                _check_reach(model, ids, layer, at.shared_out[layer], run)
            if not near(total, run[at.mlp_out[layer]]):
                return False
    except FAILURES:
        return False
    return True


def _experts_of(model: Model, layer: int) -> Any:
    assert model.family.experts is not None
    return model.anatomy.part(layer, model.family.experts.experts)


def _read(model: Model, ids: Any, kinds: list[str]) -> Any:
    sites = [Site(kind)[layer] for kind in kinds for layer in model.layers_with(kind)]
    return model.run(ids, capture=sites, nan="allow")


def _keep_choice(given: dict[int, tuple[Any, Any]], layer: int) -> Any:
    def hook(_: Any, args: Any, kwargs: Any) -> None:
        both = [*args[1:], *(value for name, value in kwargs.items() if name != "hidden_states")]
        given[layer] = (both[0].clone(), both[1].clone())

    return hook


def _keep(made: dict[int, Any], layer: int) -> Any:
    def hook(_: Any, args: Any, output: Any) -> None:
        made[layer] = output.clone()

    return hook
