"""Taking examples from a stream of drafts until there are enough, or no new ones come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from innerworks.data.draft import Draft
from innerworks.data.dropped import Dropped
from innerworks.data.fitting import Misfit
from innerworks.errors import TaskError

__all__ = ["PATIENCE", "gathered", "short_of"]

Made = TypeVar("Made")

PATIENCE = 3000
"""How many drafts in a row may bring nothing new before a stream counts as exhausted."""


def gathered(
    drafts: Iterator[Draft | None],
    n: int | None,
    make: Callable[[Draft], Made],
    dropped: Dropped,
    patience: int | None = PATIENCE,
) -> list[Made]:
    """The first `n` distinct drafts that `make` accepts (all of them, for None); the others are counted.

    A stream gives None for an attempt that came to nothing.
    """
    kept: list[Made] = []
    seen: set[object] = set()
    idle = 0
    for draft in drafts:
        idle += 1
        if draft is not None and draft.key not in seen:
            seen.add(draft.key)
            try:
                kept.append(make(draft))
                idle = 0
            except Misfit as problem:
                dropped.add("example", problem.why, str(problem))
        if len(kept) == n or idle == patience:
            break
    return kept


def short_of(name: str, n: int | None, there: int, dropped: Dropped) -> TaskError:
    """The error for a task that gives fewer examples than were asked for."""
    if not there:
        return TaskError(f"The task {name!r} has no example here.\n{dropped}")
    return TaskError(
        f"The task {name!r} has {there} examples here, and n={n} were asked for. Ask for n={there}, or "
        f"take what there is with on(model, allow_fewer=True).\n{dropped}"
    )
