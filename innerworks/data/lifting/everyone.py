"""All rows of a call, for techniques that are served some of them at a time and need to know the rest."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from innerworks.data.lifting.taken import Taken
from innerworks.model.tokens import Pair, Prompt

__all__ = ["Everyone", "kinds"]

Row = TypeVar("Row", Prompt, Pair)
Other = TypeVar("Other", Prompt, Pair)
Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Everyone(Generic[Row]):
    """All rows that were given to a call, and which of them are served now."""

    rows: tuple[Row, ...]
    own: tuple[int, ...]
    """The numbers of the rows that are served now."""
    groups: tuple[str, ...]
    """The kind of example that each row is; empty texts where there is no answer key."""
    found: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    servings: Callable[[], Iterator[tuple[Any, dict[str, Any]]]] | None = field(default=None, repr=False)
    """Every group of rows as it is served in this call, with its options; None where these rows are all there is."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Everyone[Row]:
        """Rows that are all there is."""
        return cls(tuple(rows), tuple(range(len(rows))), ("",) * len(rows))

    def serving(self, own: Sequence[int]) -> Everyone[Row]:
        """The same call, with other rows served."""
        return replace(self, own=tuple(own))

    def seen_as(self, rows: Sequence[Other], side: str) -> Everyone[Other]:
        """The same call with other rows in the places of these, such as the clean prompts of pairs."""
        return Everyone(tuple(rows), self.own, self.groups, self.found.setdefault(("side", side), {}))

    def once(self, key: Hashable, compute: Callable[[], Found]) -> Found:
        """What `compute` gives, worked out when first asked for and kept for the rest of the call."""
        if key not in self.found:
            self.found[key] = compute()
        known: Found = self.found[key]
        return known


def kinds(taken: Taken[Row]) -> tuple[str, ...]:
    """The kind of example that each row is."""
    return ("",) * len(taken.rows) if taken.key is None else tuple(row.group for row in taken.key)
