"""The first and last tokens of many vectors, the vocabulary streamed past them: no vector's scores are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from innerworks.decode.vocabulary.lenses.distributions import largest
from innerworks.decode.vocabulary.words.tokens import texts
from innerworks.results import Check, labelled

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.decode.vocabulary.words.sides import Side
    from innerworks.model.model import Model

__all__ = ["ENDS", "Words", "arrays", "by_chance", "stacked", "words_of"]

ENDS = ("most", "least")
_NUMBERS_AT_ONCE = 2**22
_TOKENS_AT_ONCE = 4096
_RANDOM = 64


@dataclass(frozen=True)
class Words:
    """The tokens with the largest and smallest scores for each vector, and what scores are like over all tokens."""

    tokens: Tensor
    """[vector, end, rank], ids; the ends are the most and the least. -1 for a vector that tells no tokens apart"""
    scores: Tensor
    """[vector, end, rank]"""
    mean: Tensor
    """[vector]"""
    deviation: Tensor
    """[vector]"""

    @property
    def standing(self) -> Tensor:
        """How far the first token of each end is from the mean, in standard deviations, [vector, end]."""
        away = (self.scores[:, :, 0] - self.mean[:, None]) / self.deviation[:, None]
        return away.masked_fill(self.deviation[:, None] <= 0, torch.nan)

    def listed(self, model: Model, end: str = "most") -> list[str]:
        """Each vector's tokens in one text; none for a vector that tells no tokens apart."""
        rows = self.tokens[:, ENDS.index(end)].tolist()
        flat = (self.deviation <= 0).tolist()
        return ["" if same else " ".join(texts(model, row)) for row, same in zip(rows, flat, strict=True)]

    def turned(self, sign: Tensor) -> Words:
        """The words of the vectors times +1 or -1 each."""
        flip = (sign < 0).to(self.tokens.device)
        tokens = torch.where(flip[:, None, None], self.tokens.flip(1), self.tokens)
        scores = torch.where(flip[:, None, None], -self.scores.flip(1), self.scores)
        return Words(tokens, scores, torch.where(flip, -self.mean, self.mean), self.deviation)

    def __getitem__(self, rows: Any) -> Words:
        return Words(self.tokens[rows], self.scores[rows], self.mean[rows], self.deviation[rows])


def words_of(side: Side, vectors: Tensor, top: int) -> Words:
    """The words of vectors [vector, d] on a side of the vocabulary."""
    count = min(top, side.size)
    size = max(1, min(_TOKENS_AT_ONCE, _NUMBERS_AT_ONCE // max(1, len(vectors))))
    total = torch.zeros(len(vectors), dtype=torch.float64, device=vectors.device)
    squares, shift = total.clone(), total.clone()
    best: list[tuple[Tensor, Tensor] | None] = [None, None]
    for start in range(0, side.size, size):
        stop = min(start + size, side.size)
        with torch.no_grad():
            scores = side.scores(vectors, start, stop)
        if not start:
            shift = scores.double().mean(1)  # squares of what is far from 0 would lose what tells tokens apart
        away = scores.double() - shift[:, None]
        total += away.sum(1)
        squares += away.square().sum(1)
        best = [_better(old, scores * sign, start, count) for old, sign in zip(best, (1, -1), strict=True)]
    (highest, first), (lowest, last) = (one for one in best if one is not None)
    mean = total / side.size
    variance = (squares / side.size - mean.square()).clamp(min=0)
    noise = torch.finfo(vectors.dtype).eps * (highest[:, 0].abs() + lowest[:, 0].abs()).double()
    deviation = torch.where(variance.sqrt() <= noise, torch.zeros_like(variance), variance.sqrt())
    tokens = torch.stack([first, last], 1).masked_fill((deviation <= 0)[:, None, None], -1)
    stacks = tokens, torch.stack([highest, -lowest], 1)
    return Words(*stacks, (mean + shift).to(vectors), deviation.to(vectors))


def _better(old: tuple[Tensor, Tensor] | None, scores: Tensor, start: int, count: int) -> tuple[Tensor, Tensor]:
    """The largest so far and the largest of these, as values and ids."""
    values, places = largest(scores, min(count, scores.shape[1]))
    places = places + start
    if old is not None:
        values, places = torch.cat([old[0], values], 1), torch.cat([old[1], places], 1)
    order = values.sort(dim=1, descending=True, stable=True).indices[:, :count]
    return values.gather(1, order), places.gather(1, order)


def by_chance(side: Side, like: Tensor) -> list[Check]:
    """Where the first words of random vectors stand, of the same width as `like`, with a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(_RANDOM, like.shape[-1], generator=generator, dtype=torch.float64).to(like)
    first = words_of(side, vectors, 1).standing[:, 0]
    return [
        Check("standing by chance", float(first.mean()), note=f"of the first words of {_RANDOM} random vectors"),
        Check("largest standing by chance", float(first.max()), note="of the same"),
    ]


def arrays(words: Words, dim: str, names: Sequence[Any]) -> dict[str, Any]:
    """Labelled arrays of the words of named vectors."""
    stacks = stacked([words], ("only", dim), {"only": [0], dim: list(names)})
    return {name: array.isel(only=0, drop=True) for name, array in stacks.items()}


def stacked(found: Sequence[Words], dims: Sequence[str], coords: dict[str, Any]) -> dict[str, Any]:
    """Labelled arrays of several Words over the same vectors: `dims` name what they are of, then the vectors."""
    ends = {**coords, "end": list(ENDS)}
    parts = {
        "token": (torch.stack([one.tokens for one in found]), (*dims, "end", "rank"), ends),
        "score": (torch.stack([one.scores for one in found]), (*dims, "end", "rank"), ends),
        "mean": (torch.stack([one.mean for one in found]), tuple(dims), coords),
        "deviation": (torch.stack([one.deviation for one in found]), tuple(dims), coords),
        "standing": (torch.stack([one.standing for one in found]), (*dims, "end"), ends),
    }
    return {name: labelled(values, named, coords=own) for name, (values, named, own) in parts.items()}
