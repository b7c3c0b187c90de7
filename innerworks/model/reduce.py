"""Reducers: small answers taken from a site while the model runs, so that long prompts need no storage.

Use as `model.run(prompt, capture={at.pattern[:]: reduce.attention_to(0)})`. Any function of the tensor will do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from innerworks.errors import SiteError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["attention_to", "mean", "norm", "top"]


def attention_to(key: int) -> Callable[[Tensor], Tensor]:
    """Of a pattern: how much every query attends to one key position, (rows, heads, queries)."""

    def reduce(pattern: Tensor) -> Tensor:
        if not -pattern.shape[-1] <= key < pattern.shape[-1]:
            raise SiteError(f"attention_to({key}): there are {pattern.shape[-1]} key positions.")
        return pattern[..., key].clone()

    return reduce


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
