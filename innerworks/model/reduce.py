"""Reducers: small answers taken from a site while the model runs, so that long prompts need no storage.

Use as `model.run(prompt, capture={at.pattern[:]: reduce.attention_to(0)})`. Any function of the tensor will do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from innerworks.model.sites import pick

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["attention_to", "mean", "norm", "top"]


class attention_to:
    """Of a pattern: how much every query attends to one key position of its row, (rows, heads, queries)."""

    def __init__(self, key: int) -> None:
        self.key = key

    def by_row(self, pattern: Tensor, starts: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """The reduction where rows begin at different columns."""
        import torch

        columns = [start + pick(self.key, length, "key")[0] for start, length in zip(starts, lengths, strict=True)]
        if len(set(columns)) == 1:
            return pattern[..., columns[0]].clone()
        return torch.stack([row[..., column] for row, column in zip(pattern, columns, strict=True)])

    def __call__(self, pattern: Tensor) -> Tensor:
        """The reduction of a pattern whose rows begin at its first column."""
        rows = pattern.shape[0]
        return self.by_row(pattern, [0] * rows, [pattern.shape[-1]] * rows)


def norm(values: Tensor) -> Tensor:
    """The length of each vector, in at least float32."""
    precise = values.float() if values.dtype.itemsize < 4 else values
    length: Tensor = precise.norm(dim=-1)
    return length


def mean(*dims: int) -> Callable[[Tensor], Tensor]:
    """The mean over given dimensions of the site's tensor (0 is rows)."""
    return lambda values: values.mean(dims)


def top(k: int) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """The k largest entries of the last dimension, and which they are."""

    def reduce(values: Tensor) -> tuple[Tensor, Tensor]:
        found = values.topk(k, dim=-1)
        return found.values, found.indices

    return reduce
