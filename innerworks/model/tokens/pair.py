"""A clean and a corrupt prompt, and which token of one stands where which token of the other does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from innerworks.errors import PairError
from innerworks.model.tokens.alignment import role_map
from innerworks.model.tokens.prompt import Prompt
from innerworks.model.tokens.table import side_by_side

__all__ = ["Pair"]


@dataclass(frozen=True)
class Pair:
    """Two prompts that differ in what an experiment is about.

    `align="position"`: equal lengths, token i stands where token i does. `align="role"`: the spans that
    both name stand for each other (equal lengths one to one, unequal ones at their last token), and so do
    the stretches between them where they have as many tokens.
    """

    clean: Prompt
    corrupt: Prompt
    align: Literal["position", "role"] = "position"
    map: tuple[tuple[int, int], ...] = field(init=False)
    """Aligned tokens as (clean position, corrupt position), in order."""

    def __post_init__(self) -> None:
        if self.clean.ids == self.corrupt.ids:
            raise PairError(
                f"The clean and the corrupt prompt are the same {len(self.clean)} tokens, so there is "
                "nothing to compare. Change one of them."
            )
        if self.align == "position":
            aligned = self._by_position()
        elif self.align == "role":
            aligned = role_map(self.clean, self.corrupt)
        else:
            raise PairError(f"align={self.align!r}: a pair is aligned by 'position' or by 'role'.")
        object.__setattr__(self, "map", aligned)

    @classmethod
    def parse(cls, text: str, model: Any = None) -> Pair:
        """A pair from `["clean text", "corrupt text"]`, or from two lines."""
        listed = _two_texts(text)
        if listed is None:
            raise PairError(
                f'{text!r} is no pair: give two lines, clean and corrupt, or a JSON list: ["Mary met", "John met"].'
            )
        clean, corrupt = (Prompt.parse(one, model) for one in listed)
        return cls(clean, corrupt)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of a pair's two texts."""
        return {
            "type": "array",
            "format": "pair",
            "description": "a clean and a corrupt prompt",
            "items": {"type": "string"},
            "minItems": 2,
            "maxItems": 2,
        }

    def written(self) -> list[str]:
        """The two texts."""
        return [str(self.clean), str(self.corrupt)]

    @property
    def differs(self) -> tuple[int, ...]:
        """The clean positions whose token differs from its counterpart, or has none."""
        other = dict(self.map)
        return tuple(
            position
            for position, token_id in enumerate(self.clean.ids)
            if position not in other or self.corrupt.ids[other[position]] != token_id
        )

    def counterpart(self, clean_position: int) -> int | None:
        """The corrupt position aligned with a clean one; None where there is none."""
        return dict(self.map).get(self.clean.positions(clean_position)[0])

    def _by_position(self) -> tuple[tuple[int, int], ...]:
        if len(self.clean) != len(self.corrupt):
            raise PairError(
                f"The clean prompt has {len(self.clean)} tokens and the corrupt one "
                f"{len(self.corrupt)}, so they do not align by position. Choose words with as many "
                "tokens, or name the spans that correspond in both prompts and use "
                f"align='role'.\n{side_by_side(self.clean, self.corrupt)}"
            )
        return tuple((position, position) for position in range(len(self.clean)))


def _two_texts(text: str) -> list[str] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = text.strip("\n").split("\n")
    is_two = isinstance(found, list) and len(found) == 2 and all(isinstance(one, str) and one for one in found)
    return found if is_two else None
