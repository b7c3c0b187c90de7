"""Indirect object identification: who is given something in a sentence that names two people, one of them twice."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from innerworks.data.draft import Draft, filled
from innerworks.data.sources import Kind
from innerworks.data.tables import table
from innerworks.data.task import Task
from innerworks.data.words import Words

__all__ = ["ioi"]

_TEMPLATES = (
    "Then, {A} and {B} went to the {place}. {S2} gave a {object} to",
    "When {A} and {B} went to the {place}, {S2} gave a {object} to",
    "After {A} and {B} went to the {place}, {S2} gave a {object} to",
    "Then, {A} and {B} had a long argument. Afterwards {S2} said to",
    "Friends {A} and {B} found a {object} at the {place}. {S2} gave it to",
    "While {A} and {B} were working at the {place}, {S2} gave a {object} to",
    "Then, {A} and {B} were thinking about going to the {place}. {S2} wanted to give a {object} to",
    "Afterwards {A} and {B} met at the {place}, and {S2} handed a {object} to",
    "Once {A} and {B} had arrived at the {place}, {S2} passed a {object} to",
    "Today {A} and {B} spent some time at the {place}. {S2} decided to give a {object} to",
    "The friends {A} and {B} were at the {place} when {S2} offered a {object} to",
    "Because {A} and {B} were bored at the {place}, {S2} showed a {object} to",
    "Last week {A} and {B} visited the {place}, where {S2} sold a {object} to",
    "In the morning {A} and {B} walked to the {place}, and {S2} brought a {object} to",
    "As {A} and {B} left the {place}, {S2} lent a {object} to",
    "Before {A} and {B} came back from the {place}, {S2} had given a {object} to",
)


def ioi(n: int | None = 64, seed: int = 0, *, corruption: str = "abc") -> Task:
    """Who receives: "When Mary and John went to the store, John gave a drink to" → " Mary", not " John".

    A model must find the name that was said once. Groups: ABBA (the answer is named first), BABA. Roles: IO, S1, S2,
    place, object, end. Corruptions: "abc" puts three other names in the places of IO, S1 and S2, so that no name is
    said twice; "swap" has the other person give, so that the answer becomes the foil. Metric: difference of logits.
    What misleads: a model that merely avoids the last name is right too; after "abc" nothing is right, so effects
    there mix losing the answer with losing the duplicate.
    Wang et al. 2023, arXiv:2211.00593.
    """
    return Task(_KIND.recipe(n, seed, corruption=corruption))


def _drafts(words: Words, rng: Random, *, corruption: str) -> Iterator[Draft]:
    known = table("names")
    names = words.single([*known["female"], *known["male"]], "name")
    places, objects = table("words")["places"], table("words")["objects"]
    while len(names) >= 5:
        number, order = rng.randrange(len(_TEMPLATES)), rng.choice(("ABBA", "BABA"))
        receiver, giver, *others = rng.sample(names, 5)
        first, second = ("{IO}", "{S1}") if order == "ABBA" else ("{S1}", "{IO}")
        template = _TEMPLATES[number].replace("{A}", first).replace("{B}", second)
        fixed = {"place": rng.choice(places), "object": rng.choice(objects)}
        if corruption == "abc":
            changed = dict(zip(("IO", "S1", "S2"), others, strict=True))
        else:
            changed = {"IO": receiver, "S1": giver, "S2": receiver}
        yield Draft(
            filled(template, {"IO": receiver, "S1": giver, "S2": giver, **fixed}),
            filled(template, {**changed, **fixed}),
            (f" {receiver}",),
            (f" {giver}",),
            () if corruption == "abc" else (f" {giver}",),
            order,
            {"template": str(number)},
        )


_KIND = Kind("ioi", "indirect object identification", _drafts, {"abc": ("IO", "S1", "S2"), "swap": ("S2",)})
