"""Least-squares maps between the states of two places, of one model or two, summed up over a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.decode.vocabulary.translators.moments import Moments

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts
    from innerworks.model.model import Model
    from innerworks.model.sites import Site

__all__ = ["StatePairs", "StateSums"]

_TOKENS_AT_ONCE = 2048
_SUMS = ("x", "y", "xx", "xy")


@dataclass(frozen=True)
class StatePairs:
    """Which states lead to which: those of a model's places to those of another's (or its own), token by token."""

    source: Model
    sources: tuple[Site, ...]
    into: Model
    targets: tuple[Site, ...]
    """For each source its own."""

    def states(self, contexts: Contexts, rows: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """For each map the states [token, d] and what they lead to, but those of first tokens, which are unlike."""
        ids = contexts.tensor(rows)
        own = self._run(self.source, self.sources, ids)
        other = self._run(self.into, self.targets, ids)
        device = self.source.device
        for source, target in zip(self.sources, self.targets, strict=True):
            yield own[source][:, 1:].flatten(0, 1), other[target][:, 1:].flatten(0, 1).to(device)

    @staticmethod
    def _run(model: Model, sites: Sequence[Site], ids: Tensor) -> Any:
        return model.run(ids.to(model.device), capture=list(dict.fromkeys(sites)), logits=None)


class StateSums:
    """The sums of a text under way, some rows at a time; at its end the maps and how well they do on other text."""

    def __init__(self, contexts: Contexts, pairs: StatePairs, ridge: float, tokens: int) -> None:
        rows = max(1, -(-tokens // (contexts.width - 1)))
        self.contexts, self.pairs, self.ridge = contexts, pairs, ridge
        self.batches = [part for part in contexts.batches(_TOKENS_AT_ONCE) if part[0] < rows]
        widths = pairs.source.d_model, pairs.into.d_model
        self.sums = [Moments.none(1, *widths, pairs.source.device) for _ in pairs.sources]
        self.step = 0

    @property
    def steps(self) -> int:
        """How many parts of the text there are."""
        return len(self.batches)

    def advance(self) -> None:
        """Count one more part."""
        for sums, (x, y) in zip(self.sums, self.pairs.states(self.contexts, self.batches[self.step]), strict=True):
            sums.add(x[None].double(), y.double())
        self.step += 1

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a later step depends on."""
        found = {f"{name}.{number}": getattr(sums, name) for number, sums in enumerate(self.sums) for name in _SUMS}
        return {**found, "count": torch.tensor([sums.count for sums in self.sums])}

    def restore(self, step: int, tensors: Mapping[str, Any]) -> None:
        """Go on from what `tensors` gave after that step."""
        for number, sums in enumerate(self.sums):
            for name in _SUMS:
                getattr(sums, name).copy_(torch.as_tensor(tensors[f"{name}.{number}"]))
            sums.count = int(tensors["count"][number])
        self.step = step

    def fitted(self, held_out: Contexts) -> dict[str, Tensor]:
        """`matrix` [map, d, d'] and `bias` [map, d'], with x A + b nearest to y, and their R² on text left out.

        `r2` [map] is of all coordinates together, `r2_each` [map, d'] of each by itself.
        """
        precise = torch.float64 if self.pairs.source.dtype == torch.float64 else torch.float32
        solved = [sums.solved(self.ridge, towards_same=False) for sums in self.sums]
        matrix, bias = (torch.cat(parts) for parts in zip(*solved, strict=True))
        left, whole = self._squares(held_out, matrix, bias)
        return {
            "matrix": matrix.to(precise),
            "bias": bias.to(precise),
            "r2": 1 - left.sum(1) / whole.sum(1),
            "r2_each": 1 - left / whole.clamp(min=torch.finfo(whole.dtype).tiny),
        }

    def _squares(self, held_out: Contexts, matrix: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """For each map and coordinate the squares that are left, and those about the mean, [map, d']."""
        left = torch.zeros_like(bias)
        square, total, count = torch.zeros_like(bias), torch.zeros_like(bias), 0
        middle = torch.stack([sums.y / sums.count for sums in self.sums])
        for rows in held_out.batches(_TOKENS_AT_ONCE):
            for number, (x, y) in enumerate(self.pairs.states(held_out, rows)):
                wide = y.double() - middle[number]
                left[number] += (x.double() @ matrix[number] + bias[number] - y.double()).square().sum(0)
                square[number] += wide.square().sum(0)
                total[number] += wide.sum(0)
            count += len(y)
        return left, square - total.square() / count
