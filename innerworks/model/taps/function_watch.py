"""Watching calls of torch functions while a piece of a model runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["function_watch"]


def function_watch(functions: frozenset[Any], handle: Callable[..., Any]) -> Any:
    """A mode under which calls of these torch functions go through `handle(function, args, kwargs)`."""
    return _watch_class()(functions, handle)


@cache
def _watch_class() -> Any:
    from torch.overrides import TorchFunctionMode

    class Watch(TorchFunctionMode):
        def __init__(self, functions: frozenset[Any], handle: Callable[..., Any]) -> None:
            self.functions = functions
            self.handle = handle

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func in self.functions:
                return self.handle(func, args, kwargs or {})
            return func(*args, **(kwargs or {}))

    return Watch
