"""Repeated random tokens: what followed before follows again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from innerworks.data.choices import whole_number
from innerworks.data.draft import Draft, Marked
from innerworks.data.sources import Kind
from innerworks.data.task import Task
from innerworks.data.words import Words
from innerworks.errors import TaskError

__all__ = ["repeated_tokens"]


def repeated_tokens(
    n: int | None = 64, seed: int = 0, *, length: int = 25, bos: bool | None = None, corruption: str = "other"
) -> Task:
    """Induction: `length` different random tokens, then the same again up to some place; target: the token after it.

    Tokens are drawn from the whole vocabulary without the special ones, so that nothing but the repetition helps.
    `bos`: True puts the beginning-of-sequence token first, False none, None does as the tokenizer does with text.
    Works on models without a tokenizer. The foil is another token of the sequence. Roles: first and second (the two
    passes), previous (where the last token stood before), source (the token after that, which is the answer), end.
    Corruptions: "other" has other tokens in the first pass; "shuffled" the same tokens in another order. What
    misleads: random tokens are far from text, and heads that match there may do other work in text.
    Elhage et al. 2021; Olsson et al. 2022, arXiv:2209.11895.
    """
    whole_number(length, 4, None, "length")
    if bos not in (True, False, None):
        raise TaskError(f"bos={bos!r}: True, False, or None to do as the tokenizer does.")
    return Task(_KIND.recipe(n, seed, length=length, bos=bos, corruption=corruption))


def _drafts(words: Words, rng: Random, *, length: int, bos: bool | None, corruption: str) -> Iterator[Draft]:
    ordinary = words.ordinary()
    opening = words.opening(bos)
    if len(ordinary) < 2 * length:
        raise TaskError(f"The vocabulary has {len(ordinary)} ordinary tokens, too few for length={length}.")
    while True:
        drawn = rng.sample(ordinary, 2 * length)
        tokens, others = drawn[:length], drawn[length:]
        place = rng.randrange(length // 2, length - 1)
        if corruption == "shuffled":
            others = _in_another_order(tokens, place, rng)
        target = tokens[place + 1]
        foil = rng.choice([one for one in tokens if one not in (target, tokens[place])])
        clean, corrupt = (_marked(opening, first, tokens[: place + 1]) for first in (tokens, others))
        yield Draft(clean, corrupt, (target,), (foil,), group=f"length {length}")


def _in_another_order(tokens: Sequence[int], place: int, rng: Random) -> list[int]:
    """The same tokens, the answer no longer after the token at `place`."""
    while True:
        mixed = rng.sample(tokens, len(tokens))
        before = mixed.index(tokens[place])
        if mixed != list(tokens) and mixed[before + 1 : before + 2] != [tokens[place + 1]]:
            return mixed


def _marked(opening: tuple[int, ...], first: Sequence[int], second: Sequence[int]) -> Marked:
    start, middle = len(opening), len(opening) + len(first)
    previous = start + len(second) - 1
    roles = {
        "first": (start, middle),
        "second": (middle, middle + len(second)),
        "previous": (previous, previous + 1),
        "source": (previous + 1, previous + 2),
    }
    return Marked("", tuple((role, (stretch,)) for role, stretch in roles.items()), (*opening, *first, *second))


_KIND = Kind(
    "repeated_tokens",
    "random tokens that are repeated",
    _drafts,
    {"other": ("first", "previous", "source"), "shuffled": ("first", "previous", "source")},
    random_tokens=True,
)
