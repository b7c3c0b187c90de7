"""How much each head reads of what each earlier head writes, from weights alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from innerworks.model.weights.factored import Factored, only_numbers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Composition", "Null", "compose"]


@dataclass(frozen=True)
class Null:
    """Scores of random matrices: a sample, with its mean and standard deviation."""

    scores: Tensor
    mean: float
    std: float

    def z(self, scores: Tensor) -> Tensor:
        """How many standard deviations scores lie above the random ones."""
        return (scores - self.mean) / self.std


@dataclass(frozen=True)
class Composition:
    """‖A·B‖ / (‖A‖ ‖B‖) in Frobenius norms, of every head A that writes and every later head B that reads.

    `scores` and `z` are [layer, head, later layer, later head], NaN where the second layer is not the later
    one and where a matrix is zero; `deviation` is that of the squared score under the null. Scores are small
    even for heads that compose perfectly: compare them by rank or by `z`, never with an absolute threshold.
    """

    kind: str
    scores: Tensor
    deviation: Tensor
    d_model: int
    d_head: int

    @property
    def expected(self) -> float:
        """The root mean square score if either matrix were turned at random: 1/√d, whatever their spectra."""
        return 1 / math.sqrt(self.d_model)

    @property
    def z(self) -> Tensor:
        """(score² - 1/d) over its exact standard deviation if one of the two matrices were turned at random.

        The null keeps each head's own singular values, so a head of low effective rank is not called special.
        """
        return (self.scores.square() - 1 / self.d_model) / self.deviation

    def sampled(self, matrices: int = 16, seed: int = 0) -> Null:
        """Scores among random Gaussian matrices of the same shapes and ranks: `matrices`² of them."""
        import torch

        generator = torch.Generator().manual_seed(seed)

        def gaussian(*shape: int) -> Tensor:
            return torch.randn(matrices, *shape, generator=generator)

        tall, wide = (self.d_model, self.d_head), (self.d_head, self.d_model)
        writers = _Stack.of_writers(gaussian(*tall), gaussian(*wide))
        readers = _Stack.of_readers(gaussian(*tall), gaussian(*wide))
        scores = _scores(writers, readers)
        return Null(scores, scores.mean().item(), scores.std().item())


@dataclass(frozen=True)
class _Stack:
    """Heads reduced to one thin matrix each, with the same singular values and the side that matters."""

    thin: Tensor
    norm: Tensor
    quartic: Tensor

    @classmethod
    def of_writers(cls, left: Tensor, right: Tensor) -> _Stack:
        """From [head, d, r] and [head, r, d]: an orthonormal basis in front does not change a norm."""
        return cls._of(_triangle(left) @ right, writes=True)

    @classmethod
    def of_readers(cls, left: Tensor, right: Tensor) -> _Stack:
        """From [head, d, r] and [head, r, d]: an orthonormal basis behind does not change a norm."""
        return cls._of(left @ _triangle(right.mT).mT, writes=False)

    @classmethod
    def _of(cls, thin: Tensor, writes: bool) -> _Stack:
        gram = thin @ thin.mT if writes else thin.mT @ thin
        return cls(thin, thin.square().sum((-2, -1)).sqrt(), gram.square().sum((-2, -1)))


def _triangle(tall: Tensor) -> Tensor:
    """R of a QR decomposition, for a stack of tall matrices."""
    import torch

    triangle: Tensor = torch.linalg.qr(only_numbers(tall), mode="r").R
    return triangle


def _scores(writers: _Stack, readers: _Stack) -> Tensor:
    """[writing head, reading head]; NaN where either is zero."""
    count, rank = writers.thin.shape[:2]
    others, other_rank = readers.thin.shape[0], readers.thin.shape[2]
    flat = readers.thin.transpose(0, 1).reshape(readers.thin.shape[1], -1)
    product = writers.thin.reshape(-1, flat.shape[0]) @ flat
    squares = product.reshape(count, rank, others, other_rank).square().sum((1, 3))
    return squares.sqrt() / (writers.norm[:, None] * readers.norm)


def _deviation(writers: _Stack, readers: _Stack, d: int) -> Tensor:
    """The standard deviation of score² under a random rotation between the two, [writing head, reading head].

    For M = AᵀA, N = BBᵀ and a rotation U drawn uniformly, Var tr(UᵀMUN) = 2 ‖M₀‖² ‖N₀‖² / ((d - 1)(d + 2)),
    with M₀ and N₀ the traceless parts.
    """
    spread = [(s.quartic / s.norm**4 - 1 / d).clamp(min=0) for s in (writers, readers)]
    return (2 * spread[0][:, None] * spread[1] / ((d - 1) * (d + 2))).sqrt()


def compose(
    kind: str,
    n_layers: int,
    n_heads: int,
    writer: Callable[[int, int], Factored],
    reader: Callable[[int, int], Factored],
) -> Composition:
    """All pairs, with one small matrix product per pair of heads and one large one per pair of layers."""
    import torch

    readers = {layer: _Stack.of_readers(*_stacked(reader, layer, n_heads)) for layer in range(1, n_layers)}
    sample = writer(0, 0)
    d, shape = sample.shape[0], (n_layers, n_heads, n_layers, n_heads)
    scores = torch.full(shape, math.nan, dtype=sample.dtype)
    deviation = torch.full(shape, math.nan, dtype=sample.dtype)
    for earlier in range(n_layers - 1):
        writers = _Stack.of_writers(*_stacked(writer, earlier, n_heads))
        for later in range(earlier + 1, n_layers):
            reading = _to(readers[later], writers.thin.device)
            scores[earlier, :, later] = _scores(writers, reading).cpu()
            deviation[earlier, :, later] = _deviation(writers, reading, d).cpu()
    return Composition(kind, scores, deviation, d, sample.rank)


def _stacked(head_of: Callable[[int, int], Factored], layer: int, n_heads: int) -> tuple[Tensor, Tensor]:
    import torch

    heads = [head_of(layer, head) for head in range(n_heads)]
    return torch.stack([h.left for h in heads]), torch.stack([h.right for h in heads])


def _to(stack: _Stack, device: torch.device) -> _Stack:
    return _Stack(stack.thin.to(device), stack.norm.to(device), stack.quartic.to(device))
