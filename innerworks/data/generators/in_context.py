"""In-context functions: a few examples of a function, and a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from innerworks.data.choices import chosen_names, whole_number
from innerworks.data.draft import Draft, Marked, joined
from innerworks.data.sources import Kind
from innerworks.data.tables import table
from innerworks.data.task import Task
from innerworks.data.words import Words

__all__ = ["functions", "in_context"]

Shots = list[list[str]]


def functions() -> dict[str, str]:
    """The functions there are, and what each gives."""
    return {name: function["gives"] for name, function in table("functions")["functions"].items()}


def in_context(
    n: int | None = 64,
    seed: int = 0,
    *,
    function: str | Sequence[str] | None = None,
    shots: int = 5,
    corruption: str = "shuffled_labels",
) -> Task:
    """A function shown by examples: "Q: hot\\nA: cold\\n\\nQ: big\\nA:" → " small".

    One of `iw.tasks.functions()`, several, or (None) all, which are also the groups. The answer is never among the
    labels shown; the foil is one of them. Roles: inputs, labels, query, end. Corruptions: "shuffled_labels" gives
    every input the label of another one; "random_labels" labels that are not shown; "query" asks another question,
    whose answer is the foil. What misleads: with few shots the format alone costs a model its answer, and some
    functions (capital letters) can be copied.
    Todd et al. 2024, arXiv:2310.15213; Hendel et al. 2023, arXiv:2310.15916.
    """
    whole_number(shots, 2, 12, "shots")
    options = {"function": chosen_names(function, functions(), "function"), "shots": shots, "corruption": corruption}
    return Task(_KIND.recipe(n, seed, **options))


def _drafts(
    words: Words, rng: Random, *, function: tuple[str, ...] | None, shots: int, corruption: str
) -> Iterator[Draft | None]:
    tables = table("functions")["functions"]
    known = {
        name: words.keep([(pair, (f" {pair[1]}",)) for pair in tables[name]["pairs"]], "pair")
        for name in function or tables
    }
    usable = [name for name, pairs in known.items() if len({pair[1] for pair in pairs}) > shots + 1]
    for name in (one for one in known if one not in usable):
        words.dropped.add("function", "too few different answers for so many shots", repr(name))
    while usable:
        name = rng.choice(usable)
        pairs = known[name]
        query, answer = rng.choice(pairs)
        shown = rng.sample([pair for pair in pairs if pair[1] != answer and pair[0] != query], shots)
        made = _corrupted(shown, query, answer, pairs, corruption, words, rng)
        if made is None:
            yield None
            continue
        corrupt, foil = made
        yield Draft(
            _asked(shown, query),
            corrupt,
            (f" {answer}",),
            (f" {foil}",),
            (f" {foil}",) if corruption == "query" else (),
            name,
            {"function": name, "query": query},
        )


def _corrupted(
    shown: Shots, query: str, answer: str, pairs: Shots, corruption: str, words: Words, rng: Random
) -> tuple[Marked, str] | None:
    """The corrupt prompt and the foil; None where these shots cannot be corrupted so."""
    labels = [label for _, label in shown]
    if corruption == "query":
        length = words.length(f" {query}")
        used = {one for one, _ in shown}
        others = [p for p in pairs if p[1] != answer and p[0] not in used and words.length(f" {p[0]}") == length]
        if not others:
            return None
        other, foil = rng.choice(others)
        return _asked(shown, other), foil
    if corruption == "random_labels":
        unseen = sorted({label for _, label in pairs} - {*labels, answer})
        if len(unseen) < len(labels):
            return None
        given = rng.sample(unseen, len(labels))
    else:
        given = rng.sample(labels, len(labels))
        if any(new == old for new, old in zip(given, labels, strict=True)):
            return None
    relabelled = [[one, label] for (one, _), label in zip(shown, given, strict=True)]
    return _asked(relabelled, query), rng.choice(labels)


def _asked(shown: Shots, query: str) -> Marked:
    parts: list[tuple[str, ...]] = []
    for one, label in shown:
        parts += [("Q: ",), (one, "inputs"), ("\nA: ",), (label, "labels"), ("\n\n",)]
    return joined([*parts, ("Q: ",), (query, "query"), ("\nA:",)])


_KIND = Kind(
    "in_context",
    "a function shown by examples",
    _drafts,
    {"shuffled_labels": ("labels",), "random_labels": ("labels",), "query": ("query",)},
)
