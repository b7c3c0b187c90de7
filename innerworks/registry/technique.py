"""`@technique`: a plain function, registered once with what it answers, where it comes from, and what it costs.

The function is written for the simplest thing it can be asked. The type of its second parameter says what it eats,
and serves it that: a technique written for prompts is served text, prompts, a list of them, or a task.
"""

from __future__ import annotations

import functools
import inspect
import re
import time
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, overload, runtime_checkable

from innerworks.errors import InnerworksError
from innerworks.registry.options import Option
from innerworks.registry.primer import section_title

if TYPE_CHECKING:
    from innerworks.results import Artifact, Result
    from innerworks.results import Cost as Spent

    Finish = Callable[[Result], Result]
    Outcome = TypeVar("Outcome", bound=Result | Artifact)

__all__ = ["Cost", "Eaten", "Technique", "registered", "technique"]

_EMPTY = inspect.Parameter.empty
_FIRST_SENTENCE = re.compile(r".*?[.?!](?=\s+[A-Z]|$)|.*")
Options = ParamSpec("Options")


@dataclass(frozen=True)
class Cost:
    """What one call takes, as multiples of a plain forward, in words where it depends on the input."""

    forwards: float | str = 1
    backwards: float | str = 0


@runtime_checkable
class Eaten(Protocol):
    """What the type of a second parameter can do: turn whatever a user gives into what the function is written for."""

    eats: str
    """How the table of techniques calls it."""

    @classmethod
    def served(cls, technique: Technique, model: Any, given: Any, options: dict[str, Any], resume: Any) -> Any:
        """The function's result on what was given, with its provenance's prompt; `resume` is what an error kept."""
        ...


class Registers(Protocol):
    """The decorator. Users may pass the function anything that the type of its second parameter can serve."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, Any, Options], Outcome]
    ) -> Callable[Concatenate[Any, Any, Options], Outcome]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, Options], Outcome]
    ) -> Callable[Concatenate[Any, Options], Outcome]: ...
    def __call__(self, function: Callable[..., Outcome]) -> Callable[..., Outcome]:
        """Register the function, and give it back as users call it."""
        ...


@dataclass(frozen=True)
class Technique:
    """A registered function and what is known about it."""

    name: str
    title: str
    section: str
    question: str
    references: tuple[str, ...]
    cost: Cost
    function: Callable[..., Any]
    finish: Finish | None = None

    @cached_property
    def parameters(self) -> tuple[inspect.Parameter, ...]:
        """All parameters of the function, their annotations as types."""
        try:
            types = typing.get_type_hints(self.function, include_extras=True)
        except NameError as problem:
            raise InnerworksError(
                f"an annotation of the technique {self.name!r} cannot be looked up, since {problem}: import it where "
                "the program runs too, not only under TYPE_CHECKING."
            ) from None
        found = inspect.signature(self.function).parameters.values()
        return tuple(one.replace(annotation=types.get(one.name, one.annotation)) for one in found)

    @property
    def input(self) -> Any:
        """The type of what the technique eats; None where it takes nothing but the model and options."""
        second = self.parameters[1:2]
        takes = second and second[0].kind is not inspect.Parameter.KEYWORD_ONLY and second[0].default is _EMPTY
        return second[0].annotation if takes else None

    @property
    def eats(self) -> str | None:
        """What it eats in one word, such as "Prompt"."""
        if self.input is None:
            return None
        parts = typing.get_args(self.input) or (self.input,)
        return next((str(getattr(part, "eats", part.__name__)) for part in parts), None)

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """The parameters after the model and what the technique eats."""
        return tuple(Option.of(one) for one in self.parameters[1 if self.input is None else 2 :])

    @property
    def gives(self) -> str:
        """What it gives, by the annotation of what its function returns: "Result" or "Artifact"."""
        given = typing.get_type_hints(self.function).get("return")
        return "Artifact" if isinstance(given, type) and given.__name__ == "Artifact" else "Result"

    @property
    def meaning(self) -> str:
        """The first sentence of its docstring: what it tells you."""
        text = " ".join((inspect.getdoc(self.function) or "").partition("\n\n")[0].split())
        return _FIRST_SENTENCE.match(text).group()  # type: ignore[union-attr]

    def __call__(self, model: Any, *given: Any, **options: Any) -> Any:
        """Serve the function what it eats; its result, or the artifact it fitted, with the provenance of the call.

        `resume` takes the error that an earlier call over many examples was interrupted with.
        """
        if not hasattr(model, "metered"):
            raise InnerworksError(
                f"{self.name} takes the model first, as iw.load gives it, and was given {type(model).__name__}."
            )
        from innerworks.results import Cost as Spent
        from innerworks.results import Result

        lifted = isinstance(self.input, type) and isinstance(self.input, Eaten)
        resume = options.pop("resume", None) if lifted else None
        bound = self._bound(model, *given, **options)
        own = {one.name: bound.arguments[one.name] for one in self.options if one.name in bound.arguments}
        for one in self.options:
            if one.name in own:
                one.check(own[one.name])
        bound.apply_defaults()
        started = time.perf_counter()

        def finished(result: Any) -> Any:
            spent = Spent(meter.forwards, meter.backwards, time.perf_counter() - started)
            return self._finished(result, model, bound.arguments, spent)

        with model.metered() as meter:
            try:
                if lifted:
                    given_here = bound.arguments[self.parameters[1].name]
                    return finished(self.input.served(self, model, given_here, own, resume))
                return finished(self.function(*bound.args, **bound.kwargs))
            except KeyboardInterrupt as stopped:
                if isinstance(getattr(stopped, "partial", None), Result):
                    stopped.partial = finished(stopped.partial)  # type: ignore[attr-defined]
                raise

    def _bound(self, *given: Any, **options: Any) -> inspect.BoundArguments:
        """What was given, by parameter; where that does not fit, Python's own error with what can be given."""
        signature = inspect.signature(self.function)
        try:
            return signature.bind(*given, **options)
        except TypeError as problem:
            by_name = [one.name for one in self.parameters if one.kind is one.KEYWORD_ONLY]
            in_order = [one.name for one in self.parameters if one.name not in by_name]
            named = f"; by name: {', '.join(by_name)}" if by_name else ""
            raise TypeError(f"{self.name}: {problem}. It takes, in order: {', '.join(in_order)}{named}.") from None

    def _finished(self, result: Any, model: Any, given: Mapping[str, Any], spent: Spent) -> Any:
        from innerworks.results import Artifact

        shown = {one.name: one.render(given[one.name]) for one in self.options if one.is_written}
        if model.edits:
            shown["edits"] = [str(edit) for edit in model.edits]
        seed = shown.get("seed")
        provenance = replace(
            result.provenance,
            technique=self.name,
            options={**shown, **result.provenance.options},
            model=" ".join(filter(None, (model.name, model.fingerprint))),
            seed=seed if isinstance(seed, int) else result.provenance.seed,
            cost=spent,
        )
        if isinstance(result, Artifact):
            return replace(result, provenance=provenance)
        result = replace(result, provenance=provenance, title=result.title or self.title)
        return self.finish(result) if self.finish else result


_registered: dict[str, Technique] = {}


def technique(
    *,
    title: str,
    section: str,
    question: str,
    references: Sequence[str] = (),
    cost: Cost = Cost(),
    finish: Finish | None = None,
) -> Registers:
    """Register a function whose first parameter is the model, and return it as users call it.

    `finish` turns the whole result, of all examples, into what users see: it adds views and tables.
    """

    def register(function: Callable[..., Any]) -> Any:
        name = function.__name__
        _check(name, function)
        section_title(section)
        made = Technique(name, title, section, question, tuple(references), cost, function, finish)
        _registered[name] = made

        @functools.wraps(function)
        def called(model: Any, *given: Any, **options: Any) -> Any:
            return made(model, *given, **options)

        called.technique = made  # type: ignore[attr-defined]
        return called

    return cast(Registers, register)


def _check(name: str, function: Callable[..., Any]) -> None:
    """Refuse what could not be listed or called; one name means one technique."""
    held = _registered.get(name)
    if held is not None and held.function.__module__ != function.__module__:
        raise InnerworksError(
            f"a technique called {name!r} is already registered by {held.function.__module__}: give yours another name."
        )
    if not inspect.getdoc(function):
        raise InnerworksError(f"the technique {name!r} has no docstring: say in one sentence what it tells you.")
    parameters = inspect.signature(function).parameters.values()
    if not parameters:
        raise InnerworksError(f"the technique {name!r} takes no model: make that its first parameter.")
    unnamed = [one for one in parameters if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    if unnamed:
        raise InnerworksError(f"the technique {name!r} takes {unnamed[0]}: name its options one by one.")


def registered() -> dict[str, Technique]:
    """Every technique that has been registered in this process, by name."""
    return dict(_registered)
