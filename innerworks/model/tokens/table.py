"""Prompts and pairs as plain text in aligned columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from innerworks.model.tokens.pieces import visible

if TYPE_CHECKING:
    from innerworks.model.tokens.prompt import Prompt

__all__ = ["columns", "prompt_table", "side_by_side"]

_BOS_SAID = {
    "added": "the tokenizer added it",
    "in text": "it came with the input",
    "absent": "there is none",
    "unknown": "there is no tokenizer to say which id it is",
}


def prompt_table(prompt: Prompt) -> str:
    """A line per token: index, id, token, special, role, spans; above it BOS and notes."""
    named: list[list[str]] = [[] for _ in prompt.ids]
    for name, positions in prompt.named:
        for position in positions:
            named[position].append(name)
    rows = [
        (
            str(index),
            str(token_id),
            visible(prompt.tokens[index]),
            "special" if prompt.special[index] else "",
            prompt.roles[index] or "",
            ", ".join(named[index]),
        )
        for index, token_id in enumerate(prompt.ids)
    ]
    head = [f"{len(prompt)} tokens; BOS: {prompt.bos} ({_BOS_SAID[prompt.bos]})"]
    head += [f"note: {note}" for note in prompt.notes]
    return "\n".join([*head, *columns([("index", "id", "token", "special", "role", "spans"), *rows])])


def side_by_side(clean: Prompt, corrupt: Prompt, *, around: int = 12) -> str:
    """Two tokenisations in columns, from a little before their first difference to a little after."""
    length = max(len(clean), len(corrupt))
    differing = [index for index in range(length) if _at(clean, index) != _at(corrupt, index)]
    first = differing[0] if differing else length
    shown = range(max(0, first - around), min(length, first + around + 1))
    rows = [(str(index), _at(clean, index), _at(corrupt, index), _marker(index, first, differing)) for index in shown]
    lines = columns([("index", f"clean ({len(clean)})", f"corrupt ({len(corrupt)})", ""), *rows])
    above = [f"… {shown.start} equal tokens above"] if shown.start else []
    below = [f"… {length - shown.stop} more"] if shown.stop < length else []
    return "\n".join([*above, *lines, *below])


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as lines, each column as wide as its widest cell on the screen."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _at(prompt: Prompt, index: int) -> str:
    return f"{visible(prompt.tokens[index])} {prompt.ids[index]}" if index < len(prompt) else "–"


def _marker(index: int, first: int, differing: Sequence[int]) -> str:
    if index == first:
        return "◄ first difference"
    return "≠" if index in differing else ""


def _width(cell: str) -> int:
    """Screen columns: East Asian wide characters and emoji take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in cell
    )
