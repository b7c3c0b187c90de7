"""Finding text and naming places among the tokens of a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index

from innerworks.errors import PromptError
from innerworks.model.tokens.offsets import Offsets, overlapping
from innerworks.model.tokens.pieces import visible

__all__ = ["Place", "found", "positions_of"]

Place = int | slice | Sequence[int]
"""A token, a slice of tokens, or several tokens; negative ones count from the end."""


def found(needle: str, text: str, offsets: Offsets, occurrence: int | None) -> tuple[int, ...]:
    """The tokens that cover `needle` in `text`; PromptError when it is absent, or there more than once."""
    if not needle:
        raise PromptError("There is nothing to find: the text searched for is empty.")
    starts = [start for start in range(len(text)) if text.startswith(needle, start)]
    if not starts:
        raise PromptError(f"{needle!r} is not in the prompt {_short(text)!r}.{_near(needle, text)}")
    if occurrence is None and len(starts) > 1:
        raise PromptError(
            f"{needle!r} is in the prompt {len(starts)} times; say which with occurrence=:\n"
            + "\n".join(_listed(number, start, needle, text, offsets) for number, start in enumerate(starts))
        )
    chosen = 0 if occurrence is None else occurrence
    if not -len(starts) <= chosen < len(starts):
        raise PromptError(f"occurrence={chosen} of {needle!r}: the prompt has {len(starts)}, counted from 0.")
    return _covering(starts[chosen], needle, offsets)


def positions_of(place: Place, length: int) -> tuple[int, ...]:
    """`place` as positions from 0 to `length` - 1; PromptError for one that is not there."""
    if isinstance(place, slice):
        taken = tuple(range(length))[place]
        if not taken:
            raise PromptError(f"The slice {place} takes none of the prompt's {length} tokens.")
        return taken
    if isinstance(place, Sequence):
        if not place:
            raise PromptError("An empty list of positions names no place.")
        return tuple(_position(one, length) for one in place)
    return (_position(place, length),)


def _position(place: object, length: int) -> int:
    if isinstance(place, bool) or not hasattr(place, "__index__"):
        raise PromptError(f"A position is a whole number, not {place!r}.")
    position = index(place)
    if not -length <= position < length:
        raise PromptError(f"Position {position} is not in the prompt, which has {length} tokens (0 to {length - 1}).")
    return position % length


def _covering(start: int, needle: str, offsets: Offsets) -> tuple[int, ...]:
    # The space after a word is written on the next token: asking for "Paris " must not take that token too.
    bare = needle.strip()
    if bare:
        start += len(needle) - len(needle.lstrip())
        return overlapping(offsets, start, start + len(bare))
    return overlapping(offsets, start, start + len(needle))


def _listed(number: int, start: int, needle: str, text: str, offsets: Offsets) -> str:
    end = start + len(needle)
    around = f"{text[max(0, start - 20) : start]}[{needle}]{text[end : end + 20]}"
    places = ", ".join(map(str, _covering(start, needle, offsets)))
    return f"  occurrence={number}  tokens {places}: {visible(around)}"


def _near(needle: str, text: str) -> str:
    at = text.lower().find(needle.lower().strip())
    return "" if at < 0 else f" Did you mean {text[at : at + len(needle.strip())]!r}?"


def _short(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[: limit // 2]} … {text[-limit // 2 :]}"


def merged(spans: Mapping[str, tuple[int, ...]], name: str, positions: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """`spans` with one more, whose name must be new or is replaced."""
    if not isinstance(name, str) or not name.strip() or name.lstrip("-").isdigit():
        raise PromptError(f"A span's name is a word such as 'subject', not {name!r}.")
    return {**spans, name: tuple(sorted(set(positions)))}
