"""An option of a technique: what it is called, what may be given for it, and how that is read and written."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from innerworks.errors import InnerworksError, OptionError
from innerworks.registry.annotations import Reader, Unreadable, choices_in, controls, help_in, reader_of, rendered

__all__ = ["Option"]

_EMPTY = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """A parameter after the model and what a technique eats: `neurons: Annotated[int, "how many to list"] = 20`."""

    name: str
    annotation: Any = _EMPTY
    default: Any = _EMPTY

    @classmethod
    def of(cls, parameter: inspect.Parameter) -> Option:
        """The option that a function's parameter is; its annotation must be a type already."""
        return cls(parameter.name, parameter.annotation, parameter.default)

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is _EMPTY

    @property
    def help(self) -> str:
        """What it means, in a few words."""
        return help_in(self.annotation)

    @property
    def is_written(self) -> bool:
        """Whether it belongs on a command line or a form; callbacks and what was interrupted do not."""
        return not controls(self.annotation)

    @cached_property
    def _reader(self) -> Reader:
        if not self.is_written:
            raise Unreadable(f"the option {self.name!r} steers a running call: give it in Python.")
        try:
            return reader_of(self.annotation)
        except Unreadable as problem:
            raise Unreadable(f"the option {self.name!r}: {problem}") from None

    def check(self, value: Any) -> None:
        """Raise where the option takes one of a few values and this is none of them."""
        choices = choices_in(self.annotation)
        if choices and not any(type(value) is type(one) and value == one for one in choices):
            *most, last = map(repr, choices)
            known = f"{', '.join(most)} or {last}" if most else last
            raise OptionError(f"{self.name}={value!r}: use {known}.")

    def parse(self, given: Any, model: Any = None) -> Any:
        """The value of a text, or of the plain JSON value that `schema` describes."""
        reader = self._reader
        try:
            return reader.parse(given, model)
        except InnerworksError as problem:
            raise InnerworksError(f"{self.name}: {problem}") from problem

    def render(self, value: Any) -> Any:
        """The value as plain JSON, or as the text that `parse` reads."""
        return rendered(value)

    def schema(self) -> dict[str, Any]:
        """JSON schema of what `render` gives."""
        return self._reader.schema()
