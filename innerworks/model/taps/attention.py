"""Inside one attention layer: queries and keys as used, scores, pattern.

Only the tapped layer is switched, and no attention maths is written here. The family's own eager function runs
while a `TorchFunctionMode` watches for its softmax. Under SDPA that function runs beside the layer's own call:
what was only read leaves the layer's output as SDPA gave it; what was edited takes the eager output.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from innerworks.errors import BackendError
from innerworks.model.taps.function_watch import function_watch
from innerworks.model.taps.patched import Patches
from innerworks.model.taps.pieces import Pieces
from innerworks.model.taps.tapped_backend import REGISTERED, TappedBackend

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AttentionTap"]

Process = Callable[[str, "Tensor"], "Tensor"]


@cache
def _softmaxes() -> frozenset[Any]:
    import torch

    return frozenset((torch.softmax, torch.nn.functional.softmax, torch.Tensor.softmax))


class AttentionTap:
    """One attention module while it is being looked into; `process` reads and edits by place."""

    def __init__(
        self,
        module: Any,
        places: set[str],
        inner: str | None,
        other_eager: bool,
        process: Process,
        edits: Edits,
        pieces: Pieces,
    ) -> None:
        self.module = module
        self.places = places
        self.inner = inner
        self.other_eager = other_eager
        self.process = process
        self.edits = edits
        self.pieces = pieces
        self.softmaxes = 0
        self._inside = process

    @property
    def backend(self) -> str:
        """The attention implementation the layer runs."""
        config = getattr(self.module, "config", None)
        return str(getattr(config, "_attn_implementation", None) or "eager")

    def install(self, patches: Patches) -> None:
        """Switch the layer; `patches` switches it back."""
        inside = self.places & {"scores", "pattern"}
        if not hasattr(self.module, "config") or self.inner is not None:
            self._install_bypassing(patches, bool(inside))
        elif self.backend == "eager" and (self.other_eager or _eager(self.module) is None):
            patches.wrap(self.module, "forward", self._watched)
        elif _eager(self.module) is None and self.backend != "eager":
            raise BackendError(
                f"{type(self.module).__name__} shows its scores and patterns in eager attention only: "
                "load the model with attn_implementation='eager'."
            )
        else:
            self._install_interface(patches, bool(inside))

    def _install_bypassing(self, patches: Patches, inside: bool) -> None:
        if inside:
            patches.wrap(self.module, "forward", self._watched)
        if self.places & {"q_rot", "k_rot"}:
            if self.inner is None:
                raise BackendError(f"{type(self.module).__name__} does not show its rotated queries and keys.")
            patches.wrap(self.module, self.inner, self._with_rotated)

    def _install_interface(self, patches: Patches, inside: bool) -> None:
        if hasattr(self.module.config, "_innerworks_tap"):
            raise BackendError(
                f"{type(self.module).__name__} is being looked into already: a function that is called during a run "
                "cannot run the model again and look into the same layer. Do the inner run first."
            )
        backend = self.backend
        if inside and backend not in ("eager", "sdpa"):
            raise BackendError(
                f"the attention backend {backend!r} never forms scores or patterns: "
                "load the model with attn_implementation='sdpa' or 'eager' to see them."
            )
        from transformers import AttentionInterface

        if REGISTERED not in AttentionInterface._global_mapping:
            AttentionInterface.register(REGISTERED, _attention)
        switched = copy.copy(self.module.config)
        switched._attn_implementation_internal = TappedBackend(backend)
        switched._innerworks_tap = (self, backend)
        patches.set(self.module, "config", switched)

    def _with_rotated(self, original: Callable[..., Any], query: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self.process("q_rot", query), self.process("k_rot", key), *args, **kwargs)

    def _watched(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call something that computes one attention softmax, reading and editing its input and output."""
        self.softmaxes = 0
        with function_watch(_softmaxes(), self._softmax):
            out = original(*args, **kwargs)
        if self.softmaxes != 1:
            raise BackendError(
                f"{type(self.module).__name__} ran {self.softmaxes} softmaxes where one was expected, "
                "so its scores and pattern cannot be told apart."
            )
        return out

    def _softmax(self, function: Any, args: Any, kwargs: Any) -> Any:
        self.softmaxes += 1
        scores = args[0] if args else kwargs.pop("input")
        scores = self._inside("scores", scores)
        return self._inside("pattern", function(scores, *args[1:], **kwargs))

    def attend(self, backend: str, module: Any, q: Any, k: Any, v: Any, mask: Any, kwargs: dict[str, Any]) -> Any:
        """The layer's attention: its own backend, with what we read and edit."""
        q, k = self.process("q_rot", q), self.process("k_rot", k)
        if not self.places & {"scores", "pattern"}:
            return _own(backend, module)(module, q, k, v, mask, **kwargs)
        if backend == "eager":
            return self._watched(_own("eager", module), module, q, k, v, mask, **kwargs)
        import torch

        if self._show_in_pieces(module, q, k, v, mask, kwargs):
            return _own(backend, module)(module, q, k, v, mask, **kwargs)
        every = slice(None)
        eager_mask = _additive(mask, q, k, module, kwargs.get("is_causal"), every)
        eager, weights = self._watched(_own("eager", module), module, q, k, v, eager_mask, **kwargs)
        changed = self.edits()
        if changed is None:
            return eager, weights
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.needs_gradient):
            own, _ = _own(backend, module)(module, q, k, v, mask, **kwargs)
        if self.needs_gradient:
            own = own.detach() + (eager - eager.detach())
        if changed:
            own = own.clone()
            own[changed] = eager[changed]
        return own, weights

    def _show_in_pieces(self, module: Any, q: Any, k: Any, v: Any, mask: Any, kwargs: dict[str, Any]) -> bool:
        """Show scores and pattern without forming them whole, where that is possible and pays."""
        biased = any(getattr(value, "dim", lambda: 0)() >= 3 for value in kwargs.values())
        plan = None if biased else self.pieces.plan(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
        if plan is None:
            return False
        if q.is_meta:  # where nothing is computed nothing need be spared
            self.pieces.session.spared = True
            return False
        try:
            for piece in plan:
                chosen = _as_slice(piece.queries)
                self._inside = partial(self.pieces.show, piece)
                part = q[:, :, chosen]
                own_mask = _additive(mask, q, k, module, kwargs.get("is_causal"), chosen)
                self._watched(_own("eager", module), module, part, k, v, own_mask, **kwargs)
        finally:
            self._inside = self.process
        self.pieces.finish()
        return True

    needs_gradient = False


Edits = Callable[[], "list[int] | None"]
"""Which batch entries had scores or pattern edited in this call: None for all, an empty list for none."""


def _attention(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> Any:
    tap, backend = module.config._innerworks_tap
    return tap.attend(backend, module, query, key, value, attention_mask, kwargs)


def _own(backend: str, module: Any) -> Callable[..., Any]:
    """The function the module itself would call for this backend."""
    if backend != "eager":
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        found: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS[backend]
        return found
    eager = _eager(module)
    if eager is None:
        raise BackendError(
            f"{type(module).__module__} has no eager_attention_forward: load with attn_implementation='eager'."
        )
    return eager


def _eager(module: Any) -> Callable[..., Any] | None:
    """The family's own eager attention, where it goes through transformers' attention interface."""
    return getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)


def _as_slice(numbers: tuple[int, ...]) -> slice | list[int]:
    """Neighbours as a slice, which makes a view."""
    run = numbers[-1] - numbers[0] + 1 == len(numbers)
    return slice(numbers[0], numbers[-1] + 1) if run else list(numbers)


def _additive(
    mask: Tensor | None,
    query: Tensor,
    key: Tensor,
    module: Any,
    is_causal: bool | None,
    chosen: slice | list[int],
) -> Tensor | None:
    """The mask SDPA was given (or implied) for some of the queries, as the eager function adds it to the scores."""
    import torch

    lowest = torch.finfo(query.dtype).min
    if mask is not None:
        mask = mask if mask.shape[-2] == 1 else mask[..., chosen, :]
        if mask.dtype != torch.bool:
            return mask
        return torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, lowest)
    causal = is_causal if is_causal is not None else getattr(module, "is_causal", True)
    rows, columns = query.shape[2], key.shape[2]
    if rows == 1 or not causal:
        return None
    at = torch.arange(rows, device=query.device)[chosen]
    later = torch.arange(columns, device=query.device) > at[:, None]
    return torch.zeros(later.shape, dtype=query.dtype, device=query.device).masked_fill(later, lowest)[None, None]
