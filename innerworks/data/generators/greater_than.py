"""Greater-than: an end year comes after the start year."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from innerworks.data.draft import Draft, filled
from innerworks.data.sources import Kind
from innerworks.data.tables import table
from innerworks.data.task import Task
from innerworks.data.words import Words

__all__ = ["greater_than"]

_TEMPLATE = "The {event} lasted from the year {stem}{YY} to the year {stem_again}"


def greater_than(n: int | None = 64, seed: int = 0, *, corruption: str = "lowest") -> Task:
    """Years that come later: "The war lasted from the year 1732 to the year 17" → any of "33" to "99".

    Targets are all later endings and foils all others, and the metric is the probability of the first less that of the
    second. Where the tokenizer writes years digit by digit (or three digits at a time), the last digit alone is asked
    for: "from the year 1732 to the year 173" → "3" to "9". The group says which. Roles: event, stem, YY, stem_again,
    end. Corruptions: "lowest" puts 01 (or 0) in the place of YY, so that almost every ending is allowed; "other"
    another ending. What misleads: the probability of all endings together can be small; then look at `prob` alone.
    Hanna et al. 2023, arXiv:2305.00586.
    """
    return Task(_KIND.recipe(n, seed, corruption=corruption))


def _drafts(words: Words, rng: Random, *, corruption: str) -> Iterator[Draft]:
    events = table("words")["events"]
    by_digit = not words.follows("to the year 17", "45") and words.follows("to the year 173", "2")
    stems = [str(stem) for stem in (range(110, 180) if by_digit else range(11, 18))]
    endings = [str(one) for one in range(10)] if by_digit else [f"{one:02d}" for one in range(100)]
    # Neither the corrupt ending nor the last one, so that there are always years on both sides.
    starts = endings[1:-1] if by_digit else endings[2:-1]
    while True:
        said = {"event": rng.choice(events), "stem": rng.choice(stems)}
        start = rng.choice(starts)
        lowest = "0" if by_digit else "01"
        changed = lowest if corruption == "lowest" else rng.choice([one for one in starts if one != start])
        clean, corrupt = (
            filled(_TEMPLATE, {**said, "stem_again": said["stem"], "YY": ending}) for ending in (start, changed)
        )
        yield Draft(
            clean,
            corrupt,
            tuple(one for one in endings if one > start),
            tuple(one for one in endings if one <= start),
            tuple(one for one in endings if one > changed),
            "last digit" if by_digit else "two digits",
        )


_KIND = Kind(
    "greater_than",
    "an end year after the start year",
    _drafts,
    {"lowest": ("YY",), "other": ("YY",)},
    measure="prob_diff",
)
