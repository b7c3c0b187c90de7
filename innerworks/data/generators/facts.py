"""Facts by relation: what a model has learned about a subject."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from innerworks.data.choices import chosen_names
from innerworks.data.draft import Draft, Marked, filled
from innerworks.data.sources import Kind
from innerworks.data.tables import table
from innerworks.data.task import Task
from innerworks.data.words import Words

__all__ = ["facts", "fitting_facts", "relations", "stated"]


def relations() -> dict[str, str]:
    """The relations there are facts about, and where each of them can be checked."""
    return {name: relation["source"] for name, relation in table("facts")["relations"].items()}


def facts(
    n: int | None = 64,
    seed: int = 0,
    *,
    relation: str | Sequence[str] | None = None,
    corruption: str = "subject",
) -> Task:
    """What a model knows: "The capital of Poland is" → " Warsaw", not " Lisbon".

    Of one relation, several, or (None) all of `iw.tasks.relations()`, which are also the groups; n=None gives every
    fact in every template. Roles: subject, end. Corruptions: "subject" puts another subject of the relation, with as
    many tokens where there is one, and the foil is its answer; "same_answer" another subject with the same answer,
    where there is one. Subjects of unequal length are aligned by role. What misleads: only facts whose answer is one
    token are asked, and frequent answers are guessed well; compare with the corrupt prompt.
    """
    chosen = chosen_names(relation, relations(), "relation")
    return Task(_KIND.recipe(n, seed, relation=chosen, corruption=corruption))


def fitting_facts(words: Words, name: str) -> dict[str, str]:
    """The facts of a relation whose answer is one token."""
    known = table("facts")["relations"][name]["facts"]
    return dict(words.keep([(fact, (f" {fact[1]}",)) for fact in known.items()], "fact"))


def stated(template: str, role: str, subject: str) -> Marked:
    """A template with its subject; an article is a capital only where a sentence begins."""
    if subject.startswith("The ") and not template.startswith("{"):
        subject = f"the {subject.removeprefix('The ')}"
    return filled(template.replace("{subject}", f"{{{role}}}"), {role: subject})


def _drafts(words: Words, rng: Random, *, relation: tuple[str, ...] | None, corruption: str) -> Iterator[Draft]:
    asked = []
    known = {name: fitting_facts(words, name) for name in relation or relations()}
    for name, answers in known.items():
        templates = table("facts")["relations"][name]["templates"]
        asked += [(name, subject, number) for subject in answers for number in range(len(templates))]
    rng.shuffle(asked)
    for name, subject, number in asked:
        answers, template = known[name], table("facts")["relations"][name]["templates"][number]
        rivals = [one for one in answers if answers[one] != answers[subject]]
        same = [one for one in answers if answers[one] == answers[subject] and one != subject]
        others = rivals if corruption == "subject" else same
        if not others or not rivals:
            wanted = "the same answer" if rivals else "another answer"
            words.dropped.add("question", f"no other subject with {wanted}", repr(subject))
            continue
        other = _as_long(others, subject, words, rng)
        foil = other if corruption == "subject" else rng.choice(rivals)
        yield Draft(
            stated(template, "subject", subject),
            stated(template, "subject", other),
            (f" {answers[subject]}",),
            (f" {answers[foil]}",),
            (f" {answers[other]}",),
            name,
            {"relation": name, "subject": subject, "template": str(number)},
            "role",
        )


def _as_long(others: list[str], subject: str, words: Words, rng: Random) -> str:
    """One of the others, of as many tokens as the subject where there is such a one."""
    length = words.length(f" {subject}")
    return rng.choice([one for one in others if words.length(f" {one}") == length] or others)


_KIND = Kind("facts", "facts by relation", _drafts, {"subject": ("subject",), "same_answer": ("subject",)}, finite=True)
