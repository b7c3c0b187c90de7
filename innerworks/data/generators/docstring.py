"""Docstrings: the next argument to describe is the next one of the function's head."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from innerworks.data.choices import whole_number
from innerworks.data.draft import Draft, Marked, joined
from innerworks.data.sources import Kind
from innerworks.data.tables import table
from innerworks.data.task import Task
from innerworks.data.words import Words

__all__ = ["docstring"]


def docstring(n: int | None = 64, seed: int = 0, *, corruption: str = "random_def", described: int = 2) -> Task:
    """The argument that is to be described next, in a Python function of `described` + 2 arguments.

    The head names the arguments, the docstring has described the first `described` of them, and a `:param` waits for
    the next. Foils: the other arguments together (the mean of their logits). Roles: function, def_0, def_1, …, doc_0,
    …, answer (the argument's place in the head), end. Corruptions: "random_def" puts other names into the head,
    "random_doc" into the docstring, "random_both" into both. What misleads: models trained without code may know the
    order and not the format; look at accuracy first.
    Heimersheim and Janiak 2023, "A circuit for Python docstrings in a 4-layer attention-only transformer".
    """
    whole_number(described, 1, 5, "described")
    return Task(_KIND.recipe(n, seed, corruption=corruption, described=described))


def _drafts(words: Words, rng: Random, *, corruption: str, described: int) -> Iterator[Draft]:
    lists = table("words")
    names = words.single(lists["arguments"], "argument")
    filler = lists["filler"]
    count = described + 2
    while len(names) >= 1 + 3 * count:
        function, *chosen = rng.sample(names, 1 + 3 * count)
        arguments, others, other_docs = chosen[:count], chosen[count : 2 * count], chosen[2 * count :]
        said = [rng.sample(filler, 2) for _ in range(described)]
        head = arguments if corruption == "random_doc" else others
        body = arguments if corruption == "random_def" else other_docs
        yield Draft(
            _code(function, arguments, arguments[:described], said),
            _code(function, head, body[:described], said),
            (f" {arguments[described]}",),
            tuple(f" {name}" for place, name in enumerate(arguments) if place != described),
            group=f"{described} described",
        )


def _code(function: str, head: list[str], body: list[str], said: list[list[str]]) -> Marked:
    parts: list[tuple[str, ...]] = [("def ",), (function, "function"), ("(self",)]
    for place, name in enumerate(head):
        parts += [(", ",), (name, f"def_{place}", "answer") if place == len(body) else (name, f"def_{place}")]
    parts.append(('):\n    """ ' + " ".join(said[0]) + "\n\n",))
    for place, name in enumerate(body):
        parts += [("    :param ",), (name, f"doc_{place}"), (f": {' '.join(said[place])}\n",)]
    return joined([*parts, ("    :param",)])


_HEAD = ("answer", *(f"def_{place}" for place in range(7)))
_BODY = tuple(f"doc_{place}" for place in range(5))
_KIND = Kind(
    "docstring",
    "the next argument in a docstring",
    _drafts,
    {"random_def": _HEAD, "random_doc": _BODY, "random_both": (*_HEAD, *_BODY)},
)
