"""Recall against context: the text says one thing, and what was learned says another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from innerworks.data.choices import chosen_names
from innerworks.data.draft import Draft, Marked, joined
from innerworks.data.generators.facts import fitting_facts, relations, stated
from innerworks.data.sources import Kind
from innerworks.data.tables import table
from innerworks.data.task import Task
from innerworks.data.words import Words
from innerworks.errors import TaskError

__all__ = ["conflict"]


def conflict(
    n: int | None = 64,
    seed: int = 0,
    *,
    relation: str | Sequence[str] | None = None,
    answer: str = "context",
    corruption: str = "agree",
) -> Task:
    """Text or memory: "The capital of Poland is London. The capital of Poland is" → " London", not " Warsaw".

    `answer="context"` takes what the text says as target and what is true as foil; `answer="memory"` the reverse.
    Groups: relations. Roles: subject, context (the false answer in the text), subject_again, end. Corruptions: "agree"
    lets the text say the truth; "unrelated" lets it say the same of another subject. What misleads: neither answer is
    the right one; and a model that does not know the fact follows the text without any conflict, so ask
    `iw.tasks.facts` first.
    Yu et al. 2023, arXiv:2310.15910; Jin et al. 2024, arXiv:2402.18154; Ortu et al. 2024, arXiv:2402.11655.
    """
    if answer not in ("context", "memory"):
        raise TaskError(f"answer={answer!r}: the target is what the 'context' says, or what is in 'memory'.")
    options = {"relation": chosen_names(relation, relations(), "relation"), "answer": answer, "corruption": corruption}
    return Task(_KIND.recipe(n, seed, **options))


def _drafts(
    words: Words, rng: Random, *, relation: tuple[str, ...] | None, answer: str, corruption: str
) -> Iterator[Draft]:
    known = {name: fitting_facts(words, name) for name in relation or relations()}
    usable = [name for name, answers in known.items() if len(set(answers.values())) >= 3]
    for name in (one for one in known if one not in usable):
        words.dropped.add("relation", "fewer than three different answers", repr(name))
    while usable:
        name = rng.choice(usable)
        answers, templates = known[name], table("facts")["relations"][name]["templates"]
        number, subject = rng.randrange(len(templates)), rng.choice(list(answers))
        true = answers[subject]
        false = rng.choice(sorted({one for one in answers.values() if one != true}))
        others = [one for one in answers if answers[one] not in (true, false)]
        length = words.length(f" {subject}")
        other = rng.choice([one for one in others if words.length(f" {one}") == length] or others)
        first, claim = (subject, true) if corruption == "agree" else (other, false)
        target, foil = (false, true) if answer == "context" else (true, false)
        yield Draft(
            _twice(templates[number], subject, false, subject),
            _twice(templates[number], first, claim, subject),
            (f" {target}",),
            (f" {foil}",),
            (f" {true}",),
            name,
            {"relation": name, "subject": subject, "template": str(number)},
            "role",
        )


def _twice(template: str, first: str, claim: str, second: str) -> Marked:
    """A statement, and the same sentence begun again."""
    parts: list[tuple[str, ...]] = []
    for role, subject in (("subject", first), ("subject_again", second)):
        sentence = stated(template, role, subject)
        ((start, end),) = dict(sentence.roles)[role]
        parts += [(sentence.text[:start],), (sentence.text[start:end], role), (sentence.text[end:],)]
        if role == "subject":
            parts += [(" ",), (claim, "context"), (". ",)]
    return joined(parts)


_KIND = Kind(
    "conflict",
    "what the text says against what was learned",
    _drafts,
    {"agree": ("context",), "unrelated": ("subject",)},
)
