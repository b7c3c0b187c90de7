"""Contexts: a corpus as one model's tokens, in rows of equal length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from innerworks.errors import InnerworksError
from innerworks.model.tokens import Prompt

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Contexts"]

_WINDOW, _ROUNDING = 16, 1e-9
_BLOCKS = 50
"""In how many stretches the rows are cut before some are held out: neighbours stay together."""


@dataclass(frozen=True)
class Contexts:
    """Rows of equally many tokens, in the order of the text; what fills no row is left over."""

    ids: Any
    """[row, position], whole numbers"""
    tokenizer: Any = None
    left_over: int = 0
    """How many tokens at the end fill no row."""

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    @property
    def width(self) -> int:
        """How many tokens each row has."""
        return int(self.ids.shape[1])

    @property
    def tokens(self) -> int:
        """How many tokens there are in all rows."""
        return int(self.ids.size)

    @cached_property
    def fingerprint(self) -> str:
        """The same for the same tokens in the same rows."""
        numbers = np.ascontiguousarray(self.ids, dtype="<i8")
        return sha256(repr(numbers.shape).encode() + numbers.tobytes()).hexdigest()[:16]

    def prompt(self, row: int) -> Prompt:
        """One row as a prompt."""
        return Prompt.from_ids(self.ids[row].tolist(), self.tokenizer)

    def tensor(self, rows: Sequence[int]) -> Tensor:
        """The ids of some rows, [row, position]."""
        import torch

        return torch.from_numpy(np.asarray(self.ids[list(rows)], dtype=np.int64))

    def batches(self, tokens: int) -> Iterator[list[int]]:
        """The numbers of the rows, at least one at a time, and as many as have at most that many tokens together."""
        size = max(1, tokens // self.width)
        for start in range(0, len(self), size):
            yield list(range(start, min(start + size, len(self))))

    def split(self, held_out: float) -> tuple[Contexts, Contexts]:
        """Rows to fit on and rows to test on: a share of them, in stretches spread over the text."""
        if not 0 < held_out < 1 or len(self) < 2:
            raise InnerworksError(
                f"held_out={held_out} of {len(self)} contexts: the share to test on lies between 0 and 1, and there "
                "must be a context for each part. Take more text, or shorter contexts."
            )
        stretch = max(1, len(self) // _BLOCKS)
        number = np.arange(len(self)) // stretch
        # A stretch is held out whenever the share of those so far gains a whole one; the first never is.
        tested = np.floor((number + 1) * held_out + _ROUNDING) > np.floor(number * held_out + _ROUNDING)
        if not tested.any():
            tested[-max(1, round(held_out * len(self))) :] = True
        return replace(self, ids=self.ids[~tested], left_over=0), replace(self, ids=self.ids[tested], left_over=0)

    def windows(self) -> tuple[Any, int]:
        """What text can be told by that holds some of this: a number for each stretch of so many tokens, and how many.

        The stretches lie end to end; `holding` finds them at any place of other rows, of whatever length. A token that
        begins every row is no text.
        """
        text = self.ids[:, 1:] if self.width > 1 and (self.ids[:, 0] == self.ids[0, 0]).all() else self.ids
        size = min(_WINDOW, text.shape[1])
        return np.unique(_numbered(text[:, : text.shape[1] // size * size].reshape(-1, size))), size

    def holding(self, windows: Any, size: int) -> Any:
        """Which rows hold one of the `windows` of other contexts, [row]."""
        if self.width < size:
            return np.zeros(len(self), dtype=bool)
        found = _numbered(np.lib.stride_tricks.sliding_window_view(self.ids, size, axis=1))
        return np.isin(found, windows).any(1)


def _numbered(stretches: Any) -> Any:
    """A number for each stretch of tokens [..., token], the same for the same tokens."""
    factors = np.cumprod(np.full(stretches.shape[-1], 0x9E3779B97F4A7C15, dtype=np.uint64), dtype=np.uint64)
    sums = (stretches.astype(np.uint64) * factors).sum(-1, dtype=np.uint64)
    return sums.view(np.int64)
