"""Which edges of attention are cut: the places of query and keys in every prompt, checked before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from innerworks.data.lifting import Prompts
from innerworks.errors import EditError
from innerworks.localize.components.interventions.prompt_places import places_of
from innerworks.model.tokens import Prompt

__all__ = ["QUERY", "Cut", "cuts_of", "is_each", "marked"]

EACH = "each"
"""The key that stands for every position, one after the other."""
QUERY = "knockout query"
"""The role under which the query's positions are marked."""


@dataclass(frozen=True)
class Cut:
    """Keys that are cut together: what they are called, what was given, and the role under which they are marked."""

    label: str
    place: Any
    role: str


def is_each(key: Any) -> bool:
    """Whether every position is to be tried by itself."""
    return key in (EACH, [EACH], (EACH,))


def cuts_of(prompts: Prompts, key: Any) -> list[Cut]:
    """One cut for each entry of a list, for each position, or for the one place that was given."""
    if is_each(key):
        places: list[Any] = list(range(prompts.width))
    else:
        places = list(key) if isinstance(key, (list, tuple)) else [key]
    if not places:
        raise EditError("key=[]: name at least one place that must not be looked at.")
    labels = [_label(place) for place in places]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise EditError(f"key={key!r} names {twice} twice: name each place once.")
    return [
        Cut(label, place, f"knockout key {number}")
        for number, (label, place) in enumerate(zip(labels, places, strict=True))
    ]


def _label(place: Any) -> str:
    return "+".join(map(str, place)) if isinstance(place, (list, tuple)) else str(place)


def marked(prompts: Prompts, each_query: Sequence[Any], cuts: Sequence[Cut], *, each: bool) -> list[Prompt]:
    """The prompts with the places of their query and of every cut as roles; an error where a cut makes no sense."""
    rows = []
    for number, (prompt, query) in enumerate(zip(prompts, each_query, strict=True)):
        queries = places_of(prompt, query, "query")
        row = prompt.with_span(QUERY, queries)
        for cut in cuts:
            keys = places_of(prompt, cut.place, "key")
            _check(number, queries, keys, cut, each)
            row = row.with_span(cut.role, keys)
        rows.append(row)
    return rows


def _check(number: int, queries: Sequence[int], keys: Sequence[int], cut: Cut, each: bool) -> None:
    """A cut must have an edge, unless positions are tried one by one, and leave every query a key."""
    if not each and min(keys) > max(queries):
        raise EditError(
            f"prompt {number}: the keys {cut.label} (positions {_listed(keys)}) come after the query (position "
            f"{_listed(queries)}), which never looks at them: there is nothing to cut."
        )
    blind = next((query for query in queries if set(range(query + 1)) <= set(keys)), None)
    if blind is not None:
        raise EditError(
            f"prompt {number}: without the keys {cut.label} (positions {_listed(keys)}) the query at position {blind} "
            "has nothing left to attend to: leave it a key, or take a later query."
        )


def _listed(positions: Sequence[int]) -> str:
    return ", ".join(map(str, positions))
