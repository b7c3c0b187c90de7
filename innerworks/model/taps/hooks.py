"""How each place is hooked: what torch calls, and how the tensor gets to `Session.process` and back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from innerworks.errors import BackendError, SiteError
from innerworks.model.taps.attention import function_watch
from innerworks.model.taps.patched import Patches, first_input, with_first_input
from innerworks.model.taps.points import Place, Point

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy
    from innerworks.model.taps.session import Action, Session

__all__ = ["HOOKS", "clip_in_the_projections", "remember_inputs", "remember_outputs"]


def remember_inputs(session: Session, patches: Patches, modules: list[Any]) -> None:
    """Keep what these modules are given: codecs need it beside the tensor they read."""
    for module in modules:
        if hasattr(module, "_apply_gate"):
            _remember_expert_inputs(session, patches, module)
        else:
            patches.pre_hook(module, _remember_input(session, module))


def remember_outputs(session: Session, patches: Patches, modules: list[Any]) -> None:
    """Keep what these modules give, after any edit there."""
    for module in modules:
        patches.post_hook(module, _remember_output(session, module))


def _remember_output(session: Session, module: Any) -> Callable[..., None]:
    def hook(_: Any, args: Any, output: Any) -> None:
        session.scratch[id(module)] = output

    return hook


def _remember_input(session: Session, module: Any) -> Callable[..., None]:
    def hook(_: Any, args: Any, kwargs: Any) -> None:
        session.scratch[id(module)] = args[0]

    return hook


def _remember_expert_inputs(session: Session, patches: Patches, experts: Any) -> None:
    """Keep which experts were chosen, with what weights, and their neurons."""
    _watch_order(session, patches, experts)

    def around(original: Callable[..., Any], gate_up: Tensor) -> Tensor:
        out: Tensor = original(gate_up)
        chosen, weights = session.scratch[id(experts)][:2]
        session.scratch[id(experts)] = (chosen, weights, out)
        return out

    patches.wrap(experts, "_apply_gate", around)


def _watch_order(session: Session, patches: Patches, experts: Any) -> None:
    """Know in which order the experts' rows will come: by expert when grouped, by token otherwise."""
    how = experts.config._experts_implementation
    if how not in ("grouped_mm", "batched_mm"):
        raise BackendError(
            f"experts run one by one under experts_implementation={how!r}, so their neurons cannot be put in token "
            "order: load the model with experts_implementation='grouped_mm'."
        )

    def hook(_: Any, args: Any, kwargs: Any) -> None:
        import torch

        given = dict(zip(("hidden_states", "top_k_index", "top_k_weights"), args, strict=False))
        chosen = given.get("top_k_index", kwargs.get("top_k_index", kwargs.get("router_indices")))
        weights = given.get("top_k_weights", kwargs.get("top_k_weights", kwargs.get("routing_weights")))
        session.scratch[id(experts)] = (chosen, weights)
        grouped = how == "grouped_mm"
        session.expert_orders[id(experts)] = torch.sort(chosen.reshape(-1))[1] if grouped else None

    patches.pre_hook(experts, hook)


def clip_in_the_projections(patches: Patches, anatomy: Anatomy, layer: int) -> None:
    """Cut queries, keys and values where the record says, and not again where the module does it.

    A site's values are then the cut ones, and an edit may go beyond the bound.
    """
    bound = anatomy.qkv_clip(layer)
    if bound is None:
        return
    attn: Any = anatomy.part(layer, anatomy.family.attn)
    owner, _, name = str(anatomy.family.qkv_clip).rpartition(".")
    if owner:
        unbounded = copy.copy(getattr(attn, owner))
        setattr(unbounded, name, anatomy.family.unclipped)
        patches.set(attn, owner, unbounded)
    else:
        patches.set(attn, name, anatomy.family.unclipped)

    def hook(_: Any, args: Any, output: Any) -> Any:
        return output.clamp(min=-bound, max=bound)

    for projection in anatomy.clipped(layer):
        patches.post_hook(projection, hook)


def _tensor(value: Any, actions: list[Action], what: str) -> Tensor:
    import torch

    if not isinstance(value, torch.Tensor):
        raise SiteError(
            f"the {what} of {actions[0].site} is a {type(value).__name__}, not a tensor: name a module inside it."
        )
    return value


def _hook_input(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    def hook(module: Any, args: Any, kwargs: Any) -> Any:
        raw = _tensor(args[0] if args else kwargs.get("hidden_states"), actions, "first input")
        new = session.process(actions, raw)
        if new is raw:
            return None
        return with_first_input(args, kwargs, new)

    patches.pre_hook(point.module, hook)


def _hook_in_place(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    def hook(module: Any, args: Any, kwargs: Any) -> None:
        raw = first_input(args, kwargs)
        new = session.process(actions, raw)
        if new is not raw:
            raw.copy_(new)

    patches.pre_hook(point.module, hook)


def _hook_output(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    element = point.element

    def hook(module: Any, args: Any, output: Any) -> Any:
        if point.written_over:
            return session.process(actions, output).clone()
        if not isinstance(output, tuple):
            new = session.process(actions, _tensor(output, actions, "output"))
            return None if new is output else new
        new = session.process(actions, _tensor(output[element], actions, "output"))
        return None if new is output[element] else (*output[:element], new, *output[element + 1 :])

    patches.post_hook(point.module, hook)


def _hook_model(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    def hook(module: Any, args: Any, output: Any) -> Any:
        new = session.process(actions, output.logits)
        if new is output.logits:
            return None
        output.logits = new
        return output

    patches.post_hook(point.module, hook)


def _hook_router(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    import torch

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def linear(function: Any, inner: Any, options: Any) -> Any:
            return session.process(actions, function(*inner, **options))

        with function_watch(frozenset((torch.nn.functional.linear,)), linear):
            return original(*args, **kwargs)

    patches.wrap(point.module, "forward", around)


def _hook_gate(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    _watch_order(session, patches, point.module)

    def around(original: Callable[..., Any], gate_up: Tensor) -> Tensor:
        return session.process(actions, original(gate_up))

    patches.wrap(point.module, "_apply_gate", around)


HOOKS: dict[Place, Callable[[Session, Patches, Point, list[Action]], None]] = {
    "input": _hook_input,
    "in_place": _hook_in_place,
    "output": _hook_output,
    "model": _hook_model,
    "router": _hook_router,
    "gate": _hook_gate,
}
