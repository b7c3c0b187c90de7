"""Reducers: small answers taken from a site while the model runs, so that long prompts need no storage.

Use as `model.run(prompt, capture={at.pattern[:]: reduce.attention_to(0)})`. Any function of the tensor will do.
A reducer that has `joined`, as those here have, is given the pattern of a long prompt some queries at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from innerworks.model.sites import pick

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Piecewise", "attention_to", "mean", "norm", "top"]


@runtime_checkable
class Piecewise(Protocol):
    """A reducer that can be given a site's tensor in pieces, some queries at a time, and put the answers together.

    A piece's answer is that of `piece(values, dim)` where there is such a method, otherwise the reducer's own.
    """

    def __call__(self, values: Tensor) -> Any:
        """The answer, of the whole tensor."""

    def joined(self, pieces: Sequence[Any], dim: int) -> Any:
        """One answer from those of the pieces, which lay one behind the other along dimension `dim`."""


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

    def joined(self, pieces: Sequence[Tensor], dim: int) -> Tensor:
        """The queries one behind the other."""
        return _cat(pieces, dim)


class _Norm:
    """The length of each vector, in at least float32."""

    __name__ = "norm"

    def __call__(self, values: Tensor) -> Tensor:
        """Over the last dimension."""
        length: Tensor = _precise(values).norm(dim=-1)
        return length

    def joined(self, pieces: Sequence[Tensor], dim: int) -> Tensor:
        """The queries one behind the other."""
        return _cat(pieces, dim)


norm = _Norm()


class mean:
    """The mean over given dimensions of the site's tensor (0 is rows), in at least float32."""

    def __init__(self, *dims: int) -> None:
        self.dims = dims

    def __call__(self, values: Tensor) -> Tensor:
        """The mean."""
        return _precise(values).mean(self.dims)

    def piece(self, values: Tensor, dim: int) -> tuple[Tensor, int, int]:
        """The sum, of how many entries along the pieces' dimension, and how many dimensions before it are gone."""
        gone = {d % values.dim() for d in self._over(values)}
        others = [values.shape[d] for d in gone if d != dim]
        count = 1
        for size in others:
            count *= size
        total = _precise(values).sum(tuple(gone)) / count
        return total, values.shape[dim] if dim in gone else 0, sum(d < dim for d in gone)

    def joined(self, pieces: Sequence[tuple[Tensor, int, int]], dim: int) -> Tensor:
        """The sums over all entries; or, where the pieces' dimension stays, one behind the other."""
        counted = sum(count for _, count, _ in pieces)
        if counted:
            total = pieces[0][0]
            for part, _, _ in pieces[1:]:
                total = total + part
            return total / counted
        return _cat([part for part, _, _ in pieces], dim - pieces[0][2])

    def _over(self, values: Tensor) -> Sequence[int]:
        return self.dims or range(values.dim())


class top:
    """The k largest entries of the last dimension, and which they are."""

    def __init__(self, k: int) -> None:
        self.k = k

    def __call__(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Values and indices."""
        found = values.topk(self.k, dim=-1)
        return found.values, found.indices

    def joined(self, pieces: Sequence[tuple[Tensor, Tensor]], dim: int) -> tuple[Tensor, Tensor]:
        """The queries one behind the other."""
        return _cat([values for values, _ in pieces], dim), _cat([indices for _, indices in pieces], dim)


def _precise(values: Tensor) -> Tensor:
    return values.float() if values.dtype.itemsize < 4 else values


def _cat(pieces: Sequence[Tensor], dim: int) -> Tensor:
    import torch

    return torch.cat(list(pieces), dim)
