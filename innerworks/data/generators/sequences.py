"""Ordinal sequences: what comes next in an order that everyone learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from innerworks.data.choices import chosen_names
from innerworks.data.draft import Draft, Marked, joined
from innerworks.data.sources import Kind
from innerworks.data.tables import table
from innerworks.data.task import Task
from innerworks.data.words import Words

__all__ = ["orders", "sequences"]

# What stands before the first member, between two, after the last, and before the answer. The last form is for
# tokenizers that write a number as a space and digits.
_FORMS = (
    ("In order:", ",", ",", " {}"),
    ("The list goes on like this:", "", "", " {}"),
    ("In order:", ",", ", ", "{}"),
)
_SHOWN = (3, 4, 5)


def orders() -> tuple[str, ...]:
    """The orders there are."""
    return tuple(name for name in table("sequences") if name != "about")


def sequences(
    n: int | None = 64, seed: int = 0, *, order: str | Sequence[str] | None = None, corruption: str = "shift"
) -> Task:
    """The next one: "In order: Monday, Tuesday, Wednesday," → " Thursday".

    One of `iw.tasks.orders()`, several, or (None) all, which are also the groups; n=None gives every stretch of 3 to 5
    members. Nothing wraps around: December is followed by nothing. Roles: members, last, end. Corruptions: "shift"
    shows another stretch of the order, whose continuation is the foil; "shuffle" the same members in another order,
    and the foil is the last member shown. What misleads: short orders have few stretches, so ask for few examples;
    counting can be copied from the distance between tokens.
    Gould et al. 2024, arXiv:2312.09230; Lan et al. 2024, arXiv:2311.04131.
    """
    options = {"order": chosen_names(order, orders(), "order"), "corruption": corruption}
    return Task(_KIND.recipe(n, seed, **options))


def _drafts(words: Words, rng: Random, *, order: tuple[str, ...] | None, corruption: str) -> Iterator[Draft]:
    asked = [
        (name, form, start, shown)
        for name in order or orders()
        for form in range(len(_FORMS))
        for shown in _SHOWN
        for start in range(len(table("sequences")[name]) - shown)
    ]
    rng.shuffle(asked)
    for name, form, start, shown in asked:
        members, answer = table("sequences")[name], _FORMS[form][3]
        clean, target = members[start : start + shown], members[start + shown]
        if corruption == "shift":
            other = rng.choice([one for one in range(len(members) - shown) if one != start])
            changed, foil = members[other : other + shown], members[other + shown]
        else:
            changed = _in_another_order(clean, rng)
            foil = changed[-1]
        if words.keep([(name, [answer.format(target), answer.format(foil)])], "member"):
            yield Draft(
                _shown(clean, form),
                _shown(changed, form),
                (answer.format(target),),
                (answer.format(foil),),
                (answer.format(foil),) if corruption == "shift" else (),
                name,
                {"order": name, "shown": str(shown), "form": str(form)},
            )


def _in_another_order(members: list[str], rng: Random) -> list[str]:
    """The same members, another one last, so that neither the order nor the last member leads to the answer."""
    while True:
        mixed = rng.sample(members, len(members))
        if mixed != members and mixed[-1] != members[-1]:
            return mixed


def _shown(members: Sequence[str], form: int) -> Marked:
    before, between, after, _ = _FORMS[form]
    parts: list[tuple[str, ...]] = [(before,)]
    for place, one in enumerate(members):
        is_last = place == len(members) - 1
        parts += [(" ",), (one, "members", "last") if is_last else (one, "members")]
        parts.append((after if is_last else between,))
    return joined(parts)


_KIND = Kind(
    "sequences",
    "what comes next in an order",
    _drafts,
    {"shift": ("members", "last"), "shuffle": ("members", "last")},
    finite=True,
)
