"""Tokens of each unit's whole range: contexts drawn at random, kept whole, and gone through by rank at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Drawn", "Sample"]


@dataclass(frozen=True)
class Drawn:
    """For one unit and each quantile: its value, and the tokens nearest to it in rank."""

    quantile: NDArray[np.float64]
    """[quantile]"""
    rows: NDArray[np.int64]
    """[quantile, draw], the number of the drawn context; -1 where there are no more."""
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """Contexts drawn at random, before any was seen, and every unit's activation on all their tokens."""

    rows: Tensor
    """The numbers of the contexts, rising."""
    values: Tensor
    """[unit, drawn context, position]; NaN where it was not seen yet."""
    order: Tensor
    """A random order of the drawn tokens, in which equal activations follow one another."""

    @classmethod
    def none(cls, units: int, contexts: int, width: int, tokens: int, seed: int, like: Tensor) -> Sample:
        """Nothing seen yet: contexts of so many tokens together, or all there are."""
        random = np.random.default_rng(seed)
        size = min(contexts, max(1, -(-tokens // width)))
        rows = np.sort(random.choice(contexts, size, replace=False))
        order = random.permutation(size * width)
        kept = like.new_full((units, size, width), torch.nan)
        return cls(torch.from_numpy(rows).to(like.device), kept, torch.from_numpy(order).to(like.device))

    def tensors(self) -> dict[str, Tensor]:
        """What is found while the corpus goes by."""
        return {"values": self.values}

    def after(self, values: Tensor, first: int) -> Sample:
        """The same with what was drawn among values [unit, row, position] of the contexts from `first` on.

        It is written where it belongs: doing so twice changes nothing.
        """
        here = ((self.rows >= first) & (self.rows < first + values.shape[1])).nonzero()[:, 0]
        if len(here):
            self.values[:, here] = values[:, self.rows[here] - first]
        return self

    def drawn(self, unit: int, quantiles: Sequence[float], draws: int, keys: Tensor, skip: int) -> Drawn:
        """The tokens of one unit at each quantile; `keys` [drawn context, position] tell contexts apart."""
        width = self.values.shape[2]
        order = self.order[(self.order % width >= skip)]
        values = self.values[unit].flatten()[order]
        order, values = order[~values.isnan()], values[~values.isnan()]
        ranked = values.sort(dim=0, stable=True)
        places = order[ranked.indices].cpu().numpy()
        numbers, names = ranked.values.double().cpu().numpy(), keys.flatten().cpu().numpy()
        found = np.full((2, len(quantiles), draws), -1, dtype=np.int64)
        if not len(places):
            return Drawn(np.full(len(quantiles), np.nan), found[0], found[1])
        middle = [round(one * (len(places) - 1)) for one in quantiles]
        for line, rank in enumerate(middle):
            for slot, place in enumerate(_nearest(places, names, rank, draws)):
                found[:, line, slot] = divmod(place, width)
        return Drawn(numbers[middle], found[0], found[1])


def _nearest(places: NDArray[np.int64], names: NDArray[np.int64], rank: int, draws: int) -> list[int]:
    """The places nearest in rank, each with a name of its own: at the rank, one below, one above, two below, …"""
    found: dict[int, int] = {}
    for step in count():
        sides = [rank] if step == 0 else [rank - step, rank + step]
        inside = [one for one in sides if 0 <= one < len(places)]
        for one in inside:
            found.setdefault(int(names[places[one]]), int(places[one]))
            if len(found) == draws:
                return list(found.values())
        if not inside:
            return list(found.values())
    raise AssertionError
