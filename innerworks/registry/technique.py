"""`@technique`: a plain function, registered once with what it answers, where it comes from, and what it costs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from innerworks.errors import InnerworksError

__all__ = ["Cost", "Technique", "technique", "techniques"]

Function = TypeVar("Function", bound=Callable[..., Any])

_INPUTS = ("Prompt", "Pair", "Labelled", "Corpus", "Model", "Artifact")


@dataclass(frozen=True)
class Cost:
    """What one call takes, as multiples of a plain forward, in words where it depends on the input."""

    forwards: float | str = 1
    backwards: float | str = 0


@dataclass(frozen=True)
class Technique:
    """A registered function and what is known about it."""

    name: str
    title: str
    section: str
    question: str
    references: tuple[str, ...]
    cost: Cost
    eats: str | None
    function: Callable[..., Any]

    @property
    def options(self) -> tuple[inspect.Parameter, ...]:
        """The parameters after the model and what the technique eats."""
        skipped = 1 if self.eats is None else 2
        return tuple(inspect.signature(self.function).parameters.values())[skipped:]

    @property
    def meaning(self) -> str:
        """The first line of its docstring: what it tells you."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


_registered: dict[str, Technique] = {}


def technique(
    *, title: str, section: str, question: str, references: Sequence[str] = (), cost: Cost = Cost()
) -> Callable[[Function], Function]:
    """Register a function. Its first parameter is the model; the second one's type says what it eats."""

    def register(function: Function) -> Function:
        name = function.__name__
        if name in _registered and _registered[name].function.__module__ != function.__module__:
            raise InnerworksError(
                f"a technique called {name!r} is already registered by {_registered[name].function.__module__}: "
                "give yours another name."
            )
        if not inspect.getdoc(function):
            raise InnerworksError(f"the technique {name!r} has no docstring: say in one sentence what it tells you.")
        _registered[name] = Technique(
            name, title, section, question, tuple(references), cost, _eats(function), function
        )
        return function

    return register


def _eats(function: Callable[..., Any]) -> str | None:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise InnerworksError(f"the technique {function.__name__!r} takes no model: make that its first parameter.")
    if len(parameters) < 2:
        return None
    annotation = parameters[1].annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return next((kind for kind in _INPUTS if kind in text), None)


def techniques() -> Mapping[str, Technique]:
    """Every technique registered so far, by name."""
    return MappingProxyType(_registered)
