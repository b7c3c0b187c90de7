"""Whether attending to a token raises that token: the eigenvalues of W_E W_OV W_U, from small matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from innerworks.model.weights.factored import only_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor

    from innerworks.model.weights.factored import Factored

__all__ = ["Between", "between", "replaced", "score_of", "small_eigenvalues"]


class Circuits(Protocol):
    """What eigenvalues need of weights."""

    def ov(self, layer: int, head: int, *, folded: bool = True) -> Factored: ...
    def into_readout(self, written: Tensor) -> Tensor: ...


class Between(NamedTuple):
    """W_U W_E, [d, d]: what lies between a head's writes and its reads, and how large its products' terms are."""

    matrix: Tensor
    size: float
    shared: Tensor
    """The part that is the mean unembedding times the mean embedding, as often as there are tokens."""

    @property
    def centred(self) -> Between:
        """Without what all tokens share: their mean embedding, and what raises all logits alike."""
        return self._replace(matrix=self.matrix - self.shared)

    def eigenvalues(
        self, weights: Circuits, layers: Sequence[int], heads: int, *, folded: bool = True, mixed: bool = False
    ) -> Tensor:
        """Of the circuit of every head, [layer, head, d_head], complex; NaN for a head whose circuit vanishes.

        `mixed` is chance: each head's reads with the writes of the head of that number in the next of the layers.
        """
        import torch

        found = []
        for number, layer in enumerate(layers):
            writer = layers[(number + 1) % len(layers)] if mixed else layer
            for head in range(heads):
                left = weights.ov(layer, head, folded=folded).left.to(self.matrix)
                right = weights.ov(writer, head, folded=folded).right
                written = (weights.into_readout(right) if folded else right).to(self.matrix)
                size = self.size * float(written.norm() * left.norm())
                found.append(small_eigenvalues(written @ self.matrix @ left, size))
        widest = max(len(one) for one in found)
        padded = [torch.nn.functional.pad(one, (0, widest - len(one))) for one in found]
        return torch.stack(padded).reshape(len(layers), heads, widest)


def between(chunks: Iterable[tuple[Tensor, Tensor]], like: Tensor) -> Between:
    """Of the embeddings and unembedding columns of some tokens at a time."""
    import torch

    d, tokens = like.shape[0], 0
    middle = torch.zeros(d, d, dtype=like.dtype, device=like.device)
    rows_sum = columns_sum = torch.zeros(d, dtype=torch.float64, device=like.device)
    read, unread = 0.0, 0.0
    for rows, columns in chunks:
        middle += columns.to(middle) @ rows.to(middle)
        rows_sum = rows_sum + rows.double().sum(0)
        columns_sum = columns_sum + columns.double().sum(1)
        read += float(rows.square().sum())
        unread += float(columns.square().sum())
        tokens += len(rows)
    shared = (columns_sum[:, None] * rows_sum / tokens).to(middle)
    return Between(middle, float(middle.norm()) + math.sqrt(read * unread / tokens), shared)


def replaced(
    chunks: Iterator[tuple[Tensor, Tensor]], embeddings: Callable[[Any], Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same tokens with other embeddings than the model's."""
    start = 0
    for rows, columns in chunks:
        yield embeddings(range(start, start + len(rows))).to(rows), columns
        start += len(rows)


def small_eigenvalues(inner: Tensor, size: float) -> Tensor:
    """The eigenvalues of a small matrix; NaN where they are rounding errors for products of this size."""
    import torch

    eigenvalues: Tensor = torch.linalg.eigvals(only_numbers(inner))
    if float(eigenvalues.abs().sum()) <= torch.finfo(inner.dtype).eps * size:
        return torch.full_like(eigenvalues, torch.nan)
    return eigenvalues


def score_of(eigenvalues: Tensor) -> Tensor:
    """Σ Re λ / Σ |λ| over the last dimension."""
    return eigenvalues.real.sum(-1) / eigenvalues.abs().sum(-1)
