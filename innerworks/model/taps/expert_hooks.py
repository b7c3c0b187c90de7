"""How places inside a mixture of experts are hooked: the router's logits and choice, and the experts' neurons.

Transformers runs experts in one of three ways: all tokens' at once, sorted by expert ("grouped_mm"); all at once in
token order ("batched_mm"); or expert by expert ("eager"), where the neurons come in pieces. Llama 4 has a way of its
own: every expert runs on every token.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from innerworks.errors import BackendError
from innerworks.model.taps.function_watch import function_watch
from innerworks.model.taps.patched import Patches

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.taps.action import Action
    from innerworks.model.taps.point import Point
    from innerworks.model.taps.session import Session

__all__ = [
    "hook_choice",
    "hook_neurons",
    "hook_neurons_everywhere",
    "hook_router",
    "remember_choice",
    "remember_routes",
]

Change = Callable[["Tensor"], "Tensor"]


@cache
def _linears() -> frozenset[Any]:
    import torch

    return frozenset((torch.nn.functional.linear,))


@cache
def _choices() -> frozenset[Any]:
    import torch

    return frozenset((torch.topk, torch.Tensor.topk))


@cache
def _products() -> frozenset[Any]:
    import torch

    tensor = torch.Tensor
    return frozenset((torch.nn.functional.linear, torch.matmul, torch.bmm, tensor.matmul, tensor.__matmul__))


# -- the router -----------------------------------------------------------------------------------------------------


def hook_router(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    """The router's logits, where its linear layer gives them."""

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def linear(function: Any, inner: Any, options: Any) -> Any:
            return session.process(actions, function(*inner, **options))

        with function_watch(_linears(), linear):
            return original(*args, **kwargs)

    patches.wrap(point.module, "forward", around)


def hook_choice(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    """Which experts are chosen; where others are put, they come with the weights that are theirs."""
    _watch_choice(patches, point.module, lambda index: session.process(actions, index))


def remember_choice(session: Session, patches: Patches, router: Any) -> None:
    """Keep which experts were chosen."""

    def keep(index: Tensor) -> Tensor:
        session.scratch[id(router)] = index
        return index

    _watch_choice(patches, router, keep)


def _watch_choice(patches: Patches, router: Any, change: Change) -> None:
    """Pass the numbers of the chosen experts through `change`.

    A router may choose among groups first; the choice among experts is the one that is made over as many numbers as
    there are logits.
    """

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        shapes: set[Any] = set()

        def handle(function: Any, inner: Any, options: Any) -> Any:
            found = function(*inner, **options)
            if function in _linears():
                shapes.add(found.shape)
                return found
            scores = inner[0]
            if scores.shape not in shapes:
                return found
            chosen = change(found.indices)
            return found if chosen is found.indices else type(found)((scores.gather(-1, chosen), chosen))

        with function_watch(_linears() | _choices(), handle):
            return original(*args, **kwargs)

    patches.wrap(router, "forward", around)


# -- the experts ----------------------------------------------------------------------------------------------------


def remember_routes(session: Session, patches: Patches, experts: Any) -> None:
    """Keep which experts were chosen, with what weights, and their neurons."""

    def keep(neurons: Tensor) -> Tensor:
        chosen, weights = session.scratch[id(experts)][:2]
        session.scratch[id(experts)] = (chosen, weights, neurons)
        return neurons

    _watch_neurons(session, patches, experts, keep, edits=False)


def hook_neurons(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    """The neurons of all chosen experts."""
    edits = any(action.edit is not None or action.keep_graph for action in actions)
    _watch_neurons(session, patches, point.module, lambda neurons: session.process(actions, neurons), edits=edits)


def _watch_neurons(session: Session, patches: Patches, experts: Any, change: Change, *, edits: bool) -> None:
    how = str(experts.config._experts_implementation or "eager")
    if how not in ("grouped_mm", "batched_mm", "eager"):
        raise BackendError(
            f"experts run under experts_implementation={how!r}, whose kernels do not show their neurons: load the "
            "model with experts_implementation='grouped_mm' (or 'batched_mm', which takes float64 too)."
        )
    _watch_order(session, patches, experts)
    if how == "eager":
        _in_pieces(session, patches, experts, change, edits)
        return

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return change(original(*args, **kwargs))

    if getattr(experts, "has_gate", True):
        patches.wrap(experts, "_apply_gate", around)
    else:
        patches.post_hook(experts.act_fn, lambda module, args, output: change(output))


def _watch_order(session: Session, patches: Patches, experts: Any) -> None:
    """Know in which order the experts' rows will come.

    transformers may change how experts run between the prompt and what is generated, so it is asked at each call.
    """

    def hook(_: Any, args: Any, kwargs: Any) -> None:
        given = dict(zip(("hidden_states", "top_k_index", "top_k_weights"), args, strict=False))
        chosen = given.get("top_k_index", kwargs.get("top_k_index", kwargs.get("router_indices")))
        weights = given.get("top_k_weights", kwargs.get("top_k_weights", kwargs.get("routing_weights")))
        session.scratch[id(experts)] = (chosen, weights)
        session.expert_orders[id(experts)] = _order(chosen, experts.config._experts_implementation or "eager")

    patches.pre_hook(experts, hook)


def _order(chosen: Tensor, how: str) -> Tensor | None:
    import torch

    if how == "batched_mm":
        return None
    if how == "grouped_mm":
        return torch.sort(chosen.reshape(-1))[1]
    slots = chosen.shape[-1]
    by_slot = torch.arange(chosen.numel(), device=chosen.device).reshape(-1, slots).T.reshape(-1)
    return by_slot[torch.sort(chosen.reshape(-1)[by_slot], stable=True)[1]]


def _in_pieces(session: Session, patches: Patches, experts: Any, change: Change, edits: bool) -> None:
    """Neurons that come expert by expert: gathered, changed as a whole, and put back in a second run of the experts.

    A product with the gate and up weights and one with the down weights take turns, and what the second is given
    are the neurons. What is only read needs no second run.
    """

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        import torch

        pieces: list[Tensor] = []
        out = _with_second_inputs(lambda x: _kept(x, pieces), original, args, kwargs)
        if not edits:  # they may have run twice, and then the second time counts
            change(torch.cat(pieces)[-session.scratch[id(experts)][0].numel() :])
            return out
        new = change(torch.cat(pieces))
        parts = iter(torch.split(new, [len(piece) for piece in pieces]))
        return _with_second_inputs(lambda _: next(parts), original, args, kwargs)

    patches.wrap(experts, "forward", around)


def _kept(x: Tensor, pieces: list[Tensor]) -> Tensor:
    pieces.append(x)
    return x


def hook_neurons_everywhere(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    """The neurons of experts that all run on every token."""

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return _with_second_inputs(lambda x: session.process(actions, x), original, args, kwargs)

    patches.wrap(point.module, "forward", around)


def _with_second_inputs(change: Change, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run `original` with the first factor of every second matrix product passed through `change`."""
    products = 0

    def handle(function: Any, inner: Any, options: Any) -> Any:
        nonlocal products
        products += 1
        if products % 2:
            return function(*inner, **options)
        return function(change(inner[0]), *inner[1:], **options)

    with function_watch(_products(), handle):
        return original(*args, **kwargs)
