"""Subject-verb agreement: the verb's number follows the subject, not the nearest noun."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from innerworks.data.draft import Draft, filled
from innerworks.data.sources import Kind
from innerworks.data.tables import table
from innerworks.data.task import Task
from innerworks.data.words import Words
from innerworks.errors import TaskError

__all__ = ["agreement"]

_VERBS = ((" is", " are"), (" was", " were"), (" has", " have"))
_TEMPLATES = {
    "simple": (
        "The {subject}",
        "As everyone knows, the {subject}",
        "I think that the {subject}",
        "Today the {subject}",
    ),
    "relative": (
        "The {subject} that the {attractor} {_verb}",
        "I think that the {subject} that the {attractor} {_verb}",
    ),
    "prepositional": ("The {subject} {_where} the {attractor}", "I know that the {subject} {_where} the {attractor}"),
}
_RELATIVE_VERBS = ("saw", "liked", "helped", "followed", "watched", "met", "admired", "visited")
_WHERE = ("near", "behind", "beside", "next to", "in front of", "close to")


def agreement(n: int | None = 64, seed: int = 0, *, corruption: str = "subject", structure: str | None = None) -> Task:
    """The verb that agrees: "The keys near the cabinet" → " are", not " is".

    Structures (also the groups): "simple", "relative" ("The boys that the teacher saw"), "prepositional"; None mixes
    them. In the last two another noun of the other number stands between. Roles: subject, attractor, end.
    Corruptions: "subject" changes the subject's number, so that the answer becomes the foil; "attractor" changes the
    other noun's, and the answer stays. What misleads: English has other signs of number, and frequent verbs win in
    simple sentences; compare both numbers (`where(number="plural")`).
    Linzen et al. 2016, arXiv:1611.01368; Marvin and Linzen 2018, arXiv:1808.09031.
    """
    if structure is not None and structure not in _TEMPLATES:
        raise TaskError(f"structure={structure!r}: there are {', '.join(map(repr, _TEMPLATES))}, or None for all.")
    if structure == "simple" and corruption == "attractor":
        raise TaskError("A simple sentence has no attractor: take corruption='subject', or another structure.")
    return Task(_KIND.recipe(n, seed, corruption=corruption, structure=structure))


def _drafts(words: Words, rng: Random, *, corruption: str, structure: str | None) -> Iterator[Draft]:
    nouns = table("nouns")
    people, things = (
        words.keep([(tuple(noun), [f" {form}" for form in noun]) for noun in nouns[which]], "noun")
        for which in ("people", "things")
    )
    verbs = words.keep([(verb, verb) for verb in _VERBS], "verb")
    kinds = [structure] if structure else [kind for kind in _TEMPLATES if kind != "simple" or corruption == "subject"]
    while len(people) >= 2 and len(things) >= 2 and verbs:
        kind, plural = rng.choice(kinds), rng.randrange(2)
        number = rng.randrange(len(_TEMPLATES[kind]))
        subject, attractor = rng.sample(people if kind == "relative" else [*people, *things], 2)
        verb = rng.choice(verbs)
        fixed = {"_verb": rng.choice(_RELATIVE_VERBS), "_where": rng.choice(_WHERE)}
        # The corrupt number of both nouns: one of them takes the other's number, and the other one keeps its own.
        changed = plural if corruption == "attractor" else 1 - plural
        template = _TEMPLATES[kind][number]
        yield Draft(
            filled(template, {"subject": subject[plural], "attractor": attractor[1 - plural], **fixed}),
            filled(template, {"subject": subject[changed], "attractor": attractor[changed], **fixed}),
            (verb[plural],),
            (verb[1 - plural],),
            (verb[changed],),
            kind,
            {"number": ("singular", "plural")[plural], "verb": "/".join(verb).replace(" ", "")},
        )


_KIND = Kind("agreement", "subject-verb agreement", _drafts, {"subject": ("subject",), "attractor": ("attractor",)})
