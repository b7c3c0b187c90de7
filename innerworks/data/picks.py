"""Choosing among drafts or examples: by place, and by what is known about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from innerworks.data.draft import Draft
from innerworks.errors import TaskError

__all__ = ["Pick", "Slice", "Where", "matching"]

Item = TypeVar("Item")


@dataclass(frozen=True)
class Slice:
    """The examples from `start` to `stop`, as in a list."""

    start: int | None
    stop: int | None
    step: int | None

    def of(self, items: list[Item], draft: Callable[[Item], Draft]) -> list[Item]:
        """What the slice leaves."""
        return items[self.start : self.stop : self.step]

    def __str__(self) -> str:
        ends = ["" if end is None else str(end) for end in (self.start, self.stop)]
        return f"[{':'.join(ends)}{'' if self.step is None else f':{self.step}'}]"


@dataclass(frozen=True)
class Where:
    """The examples whose group, or what else is known of them, is one of the values given."""

    conditions: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of_values(cls, conditions: Mapping[str, Any]) -> Where:
        """From `group="ABBA"` or `group=["ABBA", "BABA"]`."""
        if not conditions:
            raise TaskError("where() chooses by what is known of the examples: give for example group='ABBA'.")
        return cls(tuple((name, _values(value)) for name, value in conditions.items()))

    def of(self, items: list[Item], draft: Callable[[Item], Draft]) -> list[Item]:
        """What meets every condition."""
        return matching(items, draft, self.conditions)

    def __str__(self) -> str:
        return ", ".join(f"{name}={' or '.join(map(repr, values))}" for name, values in self.conditions)


Pick = Slice | Where


def matching(
    items: list[Item], draft: Callable[[Item], Draft], conditions: Sequence[tuple[str, Collection[str]]]
) -> list[Item]:
    """The items that meet every condition; TaskError says what there is when a name or value is unknown."""
    kept = items
    for name, values in conditions:
        known = [_known(draft(item)).get(name) for item in items]
        if not any(value is not None for value in known):
            names = sorted({key for item in items for key in _known(draft(item))})
            raise TaskError(f"These examples have no {name!r}; they can be chosen by {', '.join(names) or 'nothing'}.")
        chosen = [item for item in kept if _known(draft(item)).get(name) in values]
        if not chosen:
            there = sorted({value for value in known if value is not None})
            raise TaskError(
                f"No example has {name}={' or '.join(map(repr, values))}. There are {', '.join(map(repr, there[:20]))}."
            )
        kept = chosen
    return kept


def _known(draft: Draft) -> dict[str, str]:
    return {"group": draft.group, **draft.about}


def _values(value: Any) -> tuple[str, ...]:
    if isinstance(value, (str, int)):
        return (str(value),)
    return tuple(str(one) for one in value)
