"""How the residual stream of a hand-built model is divided, and how weights read and write its blocks.

Each block is a set of coordinates that holds a one-hot vector: ``tok`` the current token, ``prev`` the token
before, ``out`` the prediction. A LayerNorm model stores every vector h as [h, -h]: its mean is then 0, so
centring changes nothing and LayerNorm only divides. The divisor is known as well, because every write has a
known length, so the reading weights multiply it back and the stream behaves as if there were no normalisation
at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

VOCABULARY = 50
POSITIONS = 64
BOS = 0

PREDICTION = 3.0
SUPPRESSION = 1.0
SELF_COPY = 0.2
UNEMBEDDING = 4.0

# A vector's squared length where each layer reads it, in the half [h] of a mirrored stream: tok and pos (or
# one); then prev; then the prediction of head 1.0. It holds where induction found its match. Elsewhere head
# 1.0 writes nothing, the vector is half as long, and whatever layer 2 reads there counts twice.
SQUARED_LENGTHS = (2.0, 3.0, 3.0 + PREDICTION**2)

# With these two, the closed forms of the table do not depend on how wide the stream happens to be.
REFERENCE_WIDTH = 214
REFERENCE_EPSILON = 1e-5


@dataclass(frozen=True)
class Stream:
    """The blocks of a residual stream, in order; ``mirrored`` says that every vector is stored as [h, -h]."""

    widths: Mapping[str, int]
    hidden_size: int
    mirrored: bool

    @property
    def half_width(self) -> int:
        """Coordinates in h, without its mirror image."""
        return self.hidden_size // 2 if self.mirrored else self.hidden_size

    @property
    def epsilon(self) -> float:
        """The epsilon to give to the model's norms."""
        return REFERENCE_EPSILON * REFERENCE_WIDTH / self.half_width

    def slices(self, block: str) -> tuple[slice, ...]:
        """Where a block lies in the stream: one slice, or two (h and -h) in a mirrored stream."""
        start = 0
        for name, width in self.widths.items():
            if name == block:
                break
            start += width
        first = slice(start, start + self.widths[block])
        if not self.mirrored:
            return (first,)
        return (first, slice(first.start + self.half_width, first.stop + self.half_width))

    def write(self, block: str) -> Tensor:
        """Rows that put a one-hot vector into a block: [block, hidden] in float64."""
        import torch

        rows = torch.zeros(self.widths[block], self.hidden_size, dtype=torch.float64)
        for sign, where in zip((1.0, -1.0), self.slices(block), strict=False):
            rows[:, where] = sign * torch.eye(self.widths[block], dtype=torch.float64)
        return rows

    def read(self, block: str) -> Tensor:
        """Columns that read a block back as the one-hot that was written: [hidden, block] in float64."""
        return self.write(block).T / (2 if self.mirrored else 1)

    def basis(self, block: str) -> Tensor:
        """An orthonormal basis of the subspace in which a block's vectors lie: [hidden, block] in float64."""
        return self.write(block).T / (math.sqrt(2) if self.mirrored else 1)

    def divisor(self, layer: int) -> float:
        """What the norm of this layer divides by, and reading weights therefore multiply with."""
        return math.sqrt(SQUARED_LENGTHS[layer] / self.half_width + self.epsilon)

    def unembedding(self) -> Tensor:
        """The unembedding [hidden, vocabulary]: it reads ``out`` alone, and the final norm is not undone."""
        return UNEMBEDDING * math.sqrt(REFERENCE_WIDTH / self.half_width) * self.read("out")


@dataclass(frozen=True)
class HeadWeights:
    """One head's weights in float64: query, key, value [hidden, head_dim] and output [head_dim, hidden]."""

    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor


def empty_head(hidden_size: int, head_dim: int) -> HeadWeights:
    """A head that attends evenly and writes nothing, to be filled in."""
    import torch

    def zeros(rows: int, columns: int) -> Tensor:
        return torch.zeros(rows, columns, dtype=torch.float64)

    return HeadWeights(
        query=zeros(hidden_size, head_dim),
        key=zeros(hidden_size, head_dim),
        value=zeros(hidden_size, head_dim),
        output=zeros(head_dim, hidden_size),
    )
