"""How a layer, a unit or a position is picked: one, some, a range, or a named role. Hashable, and writable as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from innerworks.errors import SiteError

__all__ = ["ALL", "Edge", "Position", "Role", "Selector", "Span", "as_position", "as_selector", "each_once", "pick"]


@dataclass(frozen=True, slots=True)
class Span:
    """A slice that can be a dictionary key."""

    start: int | None = None
    stop: int | None = None
    step: int | None = None

    def __str__(self) -> str:
        ends = f"{'' if self.start is None else self.start}:{'' if self.stop is None else self.stop}"
        return ends if self.step is None else f"{ends}:{self.step}"


@dataclass(frozen=True, slots=True)
class Role:
    """Positions named in the prompt, such as `"subject"`."""

    name: str

    def __str__(self) -> str:
        return self.name if re.fullmatch(r"[A-Za-z_][\w-]*", self.name) else f'"{self.name}"'


Selector = int | tuple[int, ...] | Span
ALL = Span()


@dataclass(frozen=True, slots=True)
class Edge:
    """A query and a key position, each a selector, a role, or everything."""

    query: Selector | Role | None
    key: Selector | Role | None

    def __str__(self) -> str:
        return f"({_text(self.query)},{_text(self.key)})"


Position = Selector | Role | Edge


def _text(part: Selector | Role | None) -> str:
    if part is None:
        return ":"
    return listed(part, "+") if isinstance(part, tuple) else str(part)


def listed(numbers: tuple[int, ...], separator: str) -> str:
    """Numbers as text; a list of one ends with the separator, since it is not the number."""
    return separator.join(map(str, numbers)) + (separator if len(numbers) == 1 else "")


def as_selector(value: Any, what: str) -> Selector:
    """A layer or unit index as the user wrote it, made hashable."""
    if isinstance(value, slice):
        return Span(value.start, value.stop, value.step)
    if isinstance(value, Span):
        return value
    if isinstance(value, bool):
        raise SiteError(f"{value!r} is not a {what}: give a number, a list of numbers, or a slice.")
    if hasattr(value, "__index__"):
        return int(value.__index__())
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        members = tuple(int(v.__index__()) if hasattr(v, "__index__") else _refuse(v, what) for v in value)
        if not members:
            raise SiteError(f"an empty list selects no {what}: leave it out, or use [:] for all.")
        return members
    _refuse(value, what)


def _refuse(value: Any, what: str) -> NoReturn:
    raise SiteError(f"{value!r} is not a {what}: give a number, a list of numbers, or a slice.")


def as_position(value: Any, edges: bool) -> Position | None:
    """A position as written after `@`; on scores and patterns a tuple means (query, key)."""
    if edges:
        if isinstance(value, Edge):
            return value
        if isinstance(value, tuple):
            if len(value) != 2:
                raise SiteError(f"scores and patterns take @ (query, key), got {value!r}.")
            return Edge(_one(value[0]), _one(value[1]))
        return Edge(_one(value), None)
    return _one(value)


def _one(value: Any) -> Selector | Role | None:
    if value is None or (isinstance(value, slice) and value == slice(None)) or value == ALL:
        return None
    if isinstance(value, Role):
        return value
    if isinstance(value, str):
        if not value:
            raise SiteError("an empty role names no positions.")
        if '"' in value:
            raise SiteError(f"a role cannot be called {value!r}: its name stands in quotes in the site's text.")
        return Role(value)
    return as_selector(value, "position")


def pick(selector: Selector, size: int, what: str) -> list[int]:
    """The indices a selector means among `size`, or an error that says what there is."""
    if isinstance(selector, Span):
        found = list(range(*slice(selector.start, selector.stop, selector.step).indices(size)))
        if not found:
            raise SiteError(f"{what} {selector} selects nothing: {_there(size)}.")
        return found
    members = selector if isinstance(selector, tuple) else (selector,)
    for member in members:
        if not hasattr(member, "__index__"):
            raise SiteError(f"{what}={member!r} is no number: {_there(size)}.")
        if not -size <= member < size:
            raise SiteError(f"{what} {member} does not exist: {_there(size)}.")
    return [m % size for m in members]


def each_once(given: Any, size: int, what: str) -> list[int]:
    """The numbers that an option names among `size`, one or several, counted from 0; none twice, and at least one."""
    listed = [given] if hasattr(given, "__index__") else given
    if not isinstance(listed, Iterable) or isinstance(listed, (str, bytes)) or not (listed := list(listed)):
        raise SiteError(f"{what}s={given!r}: name at least one by its number, as in (0,); {_there(size)}.")
    found = [pick(one, size, what)[0] for one in listed]
    twice = next((one for one in found if found.count(one) > 1), None)
    if twice is not None:
        raise SiteError(f"{what}s={given!r} names {what} {twice} twice: name each once.")
    return found


def _there(size: int) -> str:
    return f"there are {size}, numbered 0 to {size - 1}" if size else "there are none"
