"""Instance attributes and hooks put on a model for the length of one call, and taken off exactly as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Patches", "first_input", "with_first_input"]

_ABSENT = object()


def first_input(args: Any, kwargs: Any) -> Any:
    """The tensor a block or sub-layer works on, however it was passed."""
    return args[0] if args else kwargs["hidden_states"]


def with_first_input(args: Any, kwargs: Any, value: Any) -> Any:
    """The same arguments with another tensor to work on, as a pre-hook gives them back."""
    return ((value, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": value})


class Patches:
    """What was changed on live modules, undone in reverse order by `undo`, also after an exception."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def set(self, target: Any, name: str, value: Any) -> None:
        """Set an instance attribute, remembering whether the instance had one of its own."""
        before = target.__dict__.get(name, _ABSENT)
        target.__dict__[name] = value

        def restore() -> None:
            if before is _ABSENT:
                target.__dict__.pop(name, None)
            else:
                target.__dict__[name] = before

        self._undo.append(restore)

    def wrap(self, target: Any, name: str, around: Callable[..., Any]) -> None:
        """Replace a method by `around(original, *args, **kwargs)`."""
        original = getattr(target, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return around(original, *args, **kwargs)

        self.set(target, name, wrapped)

    def pre_hook(self, module: Any, hook: Callable[..., Any]) -> None:
        """A forward pre-hook that sees positional and keyword arguments."""
        self._undo.append(module.register_forward_pre_hook(hook, with_kwargs=True).remove)

    def post_hook(self, module: Any, hook: Callable[..., Any]) -> None:
        """A forward hook."""
        self._undo.append(module.register_forward_hook(hook).remove)

    def undo(self) -> None:
        """Put everything back."""
        while self._undo:
            self._undo.pop()()
