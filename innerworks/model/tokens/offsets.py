"""Where each token lies in the text, worked out from the tokens' bytes when the tokenizer does not say."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Offsets", "offsets_in", "overlapping"]

Offsets = tuple[tuple[int, int], ...]


def offsets_in(text: str, pieces: Sequence[bytes], special: Sequence[bool]) -> Offsets | None:
    """Character spans of `pieces` in `text`, or None unless the pieces spell the text exactly.

    A special token that is not in the text gets an empty span; so does the space that sentencepiece puts in
    front.
    """
    raw = text.encode()
    spans: list[tuple[int, int]] = []
    at = 0
    for piece, is_special in zip(pieces, special, strict=True):
        if raw.startswith(piece, at):
            spans.append((at, at + len(piece)))
        elif is_special:
            spans.append((at, at))
        elif at == 0 and piece.startswith(b" ") and raw.startswith(piece[1:]):
            spans.append((0, len(piece) - 1))
        else:
            return None
        at = spans[-1][1]
    return _in_characters(text, spans) if at == len(raw) else None


def overlapping(offsets: Offsets, start: int, end: int) -> tuple[int, ...]:
    """The tokens that share at least one character with text[start:end]."""
    return tuple(index for index, (left, right) in enumerate(offsets) if left < end and right > start)


def _in_characters(text: str, spans: Sequence[tuple[int, int]]) -> Offsets:
    """Byte spans as character spans; a character split over tokens belongs to each of them."""
    character = [index for index, char in enumerate(text) for _ in char.encode()]

    def span(start: int, end: int) -> tuple[int, int]:
        left = character[start] if start < len(character) else len(text)
        return (left, left) if start == end else (left, character[end - 1] + 1)

    return tuple(span(start, end) for start, end in spans)
