"""What an option's annotation says about it: how its text is read, and what schema a form is made from.

A class that is to be an option owns both: a classmethod `parse(text, model)`, a classmethod `schema()`, and a text
that `parse` reads, by `str(value)` (or by `written()`, where its `str` is for people). What is written for a type one
does not own goes into its annotation: `Annotated[Any, Reading]`, where `Reading` has `parse` and `schema`.
"""

from __future__ import annotations

import inspect
import json
import math
import threading
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AnySet
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from innerworks.errors import InnerworksError
from innerworks.registry.written import split

__all__ = ["Reader", "Unreadable", "choices_in", "controls", "help_in", "reader_of", "rendered"]


class Unreadable(InnerworksError):
    """No text can be read as what an annotation says."""


class Reader(Protocol):
    """How a text (or the plain JSON value that the schema describes) becomes an option's value."""

    def parse(self, given: Any, model: Any) -> Any:
        """The value; an InnerworksError that says what is accepted, with an example."""
        ...

    def schema(self) -> dict[str, Any]:
        """JSON schema of the plain value."""
        ...


# -- from annotations -------------------------------------------------------------------------------------------------


def reader_of(annotation: Any) -> Reader:
    """The reader of an annotation; Unreadable where there is none."""
    owner = next((one for one in _metadata(annotation) if _owns(one)), None)
    if owner is not None:
        return _Owned(owner)
    annotation = _bare(annotation)
    if annotation in _PLAIN:
        return _Plain(annotation)
    if _owns(annotation):
        return _Owned(annotation)
    return _compound(annotation)


def _compound(annotation: Any) -> Reader:
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return _Choice(members)
    if origin in (typing.Union, types.UnionType):
        return _Union(tuple(reader_of(one) for one in members if one is not types.NoneType), types.NoneType in members)
    if origin is tuple and len(members) == 2 and members[1] is Ellipsis:
        return _Several(reader_of(members[0]), tuple)
    if origin is tuple and members:
        return _Fixed(tuple(reader_of(one) for one in members))
    if origin in (list, Sequence):
        return _Several(reader_of(members[0]), list if origin is list else tuple)
    if origin in (dict, Mapping) and members[0] is str:
        return _Named(reader_of(members[1]))
    raise Unreadable(
        f"{_said(annotation)} cannot be written as text. It can be bool, int, float, str, Literal, Path, X | None, "
        "tuple[X, ...], tuple[X, Y], Sequence[X], dict[str, X], or a class with classmethods parse(text, model) and "
        "schema()."
    )


def help_in(annotation: Any) -> str:
    """The text in `Annotated[int, "how many neurons to list"]`."""
    return next((one for one in _metadata(annotation) if isinstance(one, str)), "")


def choices_in(annotation: Any) -> tuple[Any, ...]:
    """The few values that are all an annotation takes, None among them where it does; () where it takes others too."""
    bare = _bare(annotation)
    if typing.get_origin(bare) is Literal:
        return typing.get_args(bare)
    if typing.get_origin(bare) not in (typing.Union, types.UnionType):
        return (None,) if bare is types.NoneType else ()
    members = [choices_in(one) for one in typing.get_args(bare)]
    return tuple(value for member in members for value in member) if all(members) else ()


def controls(annotation: Any) -> bool:
    """Whether an annotation is of what steers a running call (callbacks, what was interrupted) and is not written."""
    bare = _bare(annotation)
    if typing.get_origin(bare) in (typing.Union, types.UnionType):
        return any(controls(one) for one in typing.get_args(bare))
    if bare is Callable or typing.get_origin(bare) is Callable:
        return True
    return inspect.isclass(bare) and issubclass(bare, (BaseException, threading.Event))


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(annotation)[1:] if typing.get_origin(annotation) is Annotated else ()


def _bare(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def _owns(thing: Any) -> bool:
    return callable(getattr(thing, "parse", None)) and callable(getattr(thing, "schema", None))


def _said(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return "an option without annotation"
    return annotation.__name__ if inspect.isclass(annotation) else str(annotation)


# -- single values ----------------------------------------------------------------------------------------------------

_PLAIN: dict[Any, tuple[str, str]] = {
    bool: ("boolean", "true or false"),
    int: ("integer", "a whole number, such as 5"),
    float: ("number", "a number, such as 0.5"),
    str: ("string", "a text"),
    Path: ("string", "a path, such as out/lens"),
}
_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class _Plain:
    """A bool, a number, a text or a path."""

    kind: type

    def parse(self, given: Any, model: Any) -> Any:
        try:
            return self._value(given)
        except (KeyError, ValueError, TypeError, OverflowError):
            raise InnerworksError(f"takes {_PLAIN[self.kind][1]}, not {given!r}.") from None

    def _value(self, given: Any) -> Any:
        if self.kind is bool:
            return _TRUTHS[str(given).strip().lower()]
        if isinstance(given, bool) or not isinstance(given, (str, int, float)):
            raise TypeError
        if self.kind in (str, Path):
            return self.kind(str(given))
        value = self.kind(given)
        is_changed = not isinstance(given, str) and value != given
        if is_changed or math.isnan(value):
            raise ValueError
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": _PLAIN[self.kind][0]} | ({"format": "path"} if self.kind is Path else {})


@dataclass(frozen=True)
class _Choice:
    """One of a few values."""

    members: tuple[Any, ...]

    def parse(self, given: Any, model: Any) -> Any:
        for member in self.members:
            if str(member) == (given.strip() if isinstance(given, str) else str(given)):
                return member
        raise InnerworksError(f"takes one of {', '.join(map(str, self.members))}, not {given!r}.")

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.members)}


@dataclass(frozen=True)
class _Owned:
    """A value of a class that reads its own text."""

    owner: Any

    def parse(self, given: Any, model: Any) -> Any:
        if isinstance(given, str):
            return self.owner.parse(given, model)
        return self.owner.parse(json.dumps(given), model)

    def parse_several(self, given: str, model: Any) -> list[Any]:
        """All that one text names, where the class knows how several are written in it."""
        own = getattr(self.owner, "parse_several", None)
        if own is None:
            return [self.owner.parse(part.strip(), model) for part in split(given)]
        return list(own(given, model))

    def schema(self) -> dict[str, Any]:
        return dict(self.owner.schema())


# -- several ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Union:
    """One of several kinds of value, tried in order, or none."""

    members: tuple[Reader, ...]
    optional: bool

    def parse(self, given: Any, model: Any) -> Any:
        if self.optional and (given is None or (isinstance(given, str) and given.strip().lower() == "none")):
            return None
        problems: dict[str, InnerworksError] = {}
        for member in self.members:
            try:
                return member.parse(given, model)
            except InnerworksError as problem:
                problems.setdefault(str(problem), problem)
        if len(problems) == 1:
            raise next(iter(problems.values()))
        raise InnerworksError("takes one of several things. " + " Or: ".join(problems))

    def schema(self) -> dict[str, Any]:
        schemas = [member.schema() for member in self.members]
        schemas += [{"type": "null"}] if self.optional else []
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


@dataclass(frozen=True)
class _Several:
    """Values of one kind: `[…]` in JSON, or with commas between them."""

    member: Reader
    kind: type

    def parse(self, given: Any, model: Any) -> Any:
        if isinstance(given, str):
            listed = _json(given, list)
            if listed is None:
                return self.kind(self._parts(given, model))
            given = listed
        if not isinstance(given, (list, tuple)):
            raise InnerworksError(f"takes several values with commas between them, not {given!r}.")
        return self.kind(self.member.parse(one, model) for one in given)

    def _parts(self, text: str, model: Any) -> list[Any]:
        if not text.strip():
            return []
        if isinstance(self.member, _Owned):
            return self.member.parse_several(text, model)
        parts = split(text) if self.member != _Plain(str) else text.split(",")
        return [self.member.parse(part.strip(), model) for part in parts]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.member.schema()}


@dataclass(frozen=True)
class _Fixed:
    """So many values, with commas between them: `5, 3`."""

    members: tuple[Reader, ...]

    def parse(self, given: Any, model: Any) -> tuple[Any, ...]:
        listed = (_json(given, list) or split(given)) if isinstance(given, str) else given
        if not isinstance(listed, (list, tuple)) or len(listed) != len(self.members):
            raise InnerworksError(f"takes {len(self.members)} values with commas between them, not {given!r}.")
        return tuple(
            member.parse(one.strip() if isinstance(one, str) else one, model)
            for member, one in zip(self.members, listed, strict=True)
        )

    def schema(self) -> dict[str, Any]:
        items = [member.schema() for member in self.members]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


@dataclass(frozen=True)
class _Named:
    """Values with names: `a=1, b=2`, or a JSON object."""

    member: Reader

    def parse(self, given: Any, model: Any) -> dict[str, Any]:
        if isinstance(given, str):
            given = _json(given, dict) or dict(self._pair(part) for part in split(given) if part.strip())
        if not isinstance(given, Mapping):
            raise InnerworksError(f"takes names with values, such as a=1, b=0.5, not {given!r}.")
        return {str(name): self.member.parse(value, model) for name, value in given.items()}

    @staticmethod
    def _pair(part: str) -> tuple[str, str]:
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise InnerworksError(f"takes names with values, such as a=1, b=0.5, not {part.strip()!r}.")
        return name.strip(), value.strip()

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.member.schema()}


def _json(text: str, kind: type) -> Any:
    """The JSON list (or object) that a text is; None where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, kind) else None


# -- and back ---------------------------------------------------------------------------------------------------------


def rendered(value: Any) -> Any:
    """A value as plain JSON: numbers, texts, choices; lists and mappings of them; anything else as its text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if callable(getattr(value, "written", None)):
        return value.written()
    if isinstance(value, Mapping):
        return {str(key): rendered(item) for key, item in value.items()}
    if not _owns(type(value)) and isinstance(value, (list, tuple, AnySet)):
        return [rendered(item) for item in (sorted(value, key=str) if isinstance(value, AnySet) else value)]
    if hasattr(value, "shape"):
        return f"tensor of shape {tuple(value.shape)}"
    return str(value)
