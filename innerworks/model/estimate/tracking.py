"""How many bytes of tensors live at once, and how many operations matrix products take, while something runs."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

from innerworks.model.taps.function_watch import function_watch

__all__ = ["Tracked", "tracking"]


class Tracked:
    """Bytes alive now, the most there were, and FLOPs; tensors that existed before are not counted."""

    def __init__(self) -> None:
        self.alive = 0
        self.peak = 0
        self.flops = 0
        self.paused = False
        self._known: set[int] = set()

    def note(self, tensor: Any) -> None:
        """A tensor came to be; when its memory goes, it is no longer counted."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        size = 0 if self.paused else storage.nbytes()
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._gone, key, size)

    def passing(self, size: int, stays: bool) -> None:
        """So many bytes more live for a moment, or from now on."""
        self.peak = max(self.peak, self.alive + size)
        if stays:
            self.alive += size

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.alive -= size


@contextmanager
def tracking(existing: Any) -> Iterator[Tracked]:
    """Track what is run in this context; `existing` are the tensors that count for nothing (the weights)."""
    import torch

    tracked = Tracked()
    tracked._known = {tensor.untyped_storage()._cdata for tensor in existing}

    def attention(function: Any, args: Any, kwargs: Any) -> Any:
        if not args[0].is_meta:
            return function(*args, **kwargs)
        q, k, v = args[:3]
        return _fused()(tracked).apply(q, k, v)

    fused = frozenset((torch.nn.functional.scaled_dot_product_attention,))
    with ExitStack() as stack:
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t))
        stack.enter_context(_mode()(tracked))
        stack.enter_context(function_watch(fused, attention))
        yield tracked


@cache
def _fused() -> Any:
    """Attention as devices' own kernels take it: without weights torch would form the whole pattern instead."""
    import torch

    def of(tracked: Tracked) -> Any:
        function: Any = torch.autograd.Function

        class Fused(function):  # type: ignore[misc]
            @staticmethod
            def forward(ctx: Any, q: Any, k: Any, v: Any) -> Any:
                products = 2 * q.shape[:-1].numel() * k.shape[-2]
                ctx.flops = products * (q.shape[-1] + v.shape[-1])
                tracked.flops += ctx.flops
                out = q.new_empty(*q.shape[:-1], v.shape[-1])
                ctx.save_for_backward(q, k, v, out)
                return out

            @staticmethod
            def backward(ctx: Any, gradient: Any) -> Any:
                tracked.flops += ctx.flops * 5 // 2  # five products, one of them forming the scores again
                return tuple(torch.empty_like(one) for one in ctx.saved_tensors[:3])

        return Fused

    return of


@cache
def _mode() -> Any:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import flop_registry

    mode: Any = TorchDispatchMode

    class Tracking(mode):  # type: ignore[misc]
        def __init__(self, tracked: Tracked) -> None:
            super().__init__()
            self.tracked = tracked

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            count = flop_registry.get(func._overloadpacket)
            if count is None:
                with self:
                    out = func.decompose(*args, **kwargs)
                if out is not NotImplemented:
                    return out
            out = func(*args, **kwargs)
            if count is not None:
                self.tracked.flops += int(count(*args, **kwargs, out_val=out))
            for one in tree_leaves(out):
                if isinstance(one, torch.Tensor):
                    self.tracked.note(one)
            return out

    return Tracking
