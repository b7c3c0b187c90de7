"""How each place is hooked: what torch calls, and how the tensor gets to `Session.process` and back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from innerworks.errors import SiteError
from innerworks.model.taps.expert_hooks import (
    hook_choice,
    hook_neurons,
    hook_neurons_everywhere,
    hook_router,
    remember_choice,
    remember_routes,
)
from innerworks.model.taps.patched import Patches, first_input, with_first_input
from innerworks.model.taps.point import Need, Place, Point

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy
    from innerworks.model.taps.action import Action
    from innerworks.model.taps.session import Session

__all__ = ["HOOKS", "clip_in_the_projections", "remember"]


def remember(session: Session, patches: Patches, needs: Iterable[Need]) -> None:
    """Keep what codecs need beside the tensor they read."""
    for need in needs:
        if need.what == "routes":
            remember_routes(session, patches, need.module)
        elif need.what == "choice":
            remember_choice(session, patches, need.module)
        elif need.what == "output":
            patches.post_hook(need.module, _remember_output(session, need.module))
        else:
            patches.pre_hook(need.module, _remember_input(session, need.module))


def _remember_output(session: Session, module: Any) -> Callable[..., None]:
    def hook(_: Any, args: Any, output: Any) -> None:
        session.scratch[id(module)] = output

    return hook


def _remember_input(session: Session, module: Any) -> Callable[..., None]:
    def hook(_: Any, args: Any, kwargs: Any) -> None:
        session.scratch[id(module)] = args[0]

    return hook


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


HOOKS: dict[Place, Callable[[Session, Patches, Point, list[Action]], None]] = {
    "input": _hook_input,
    "in_place": _hook_in_place,
    "output": _hook_output,
    "model": _hook_model,
    "router": hook_router,
    "chosen": hook_choice,
    "gate": hook_neurons,
    "gate_everywhere": hook_neurons_everywhere,
}
