"""How each unit's activations are spread: counted over every token, while a corpus goes by."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from innerworks.errors import NonFiniteError

__all__ = ["BINS", "Spread"]

BINS = 128
"""Bins of a histogram: half of them below 0, all of one width, which is a power of two."""
_HALF = BINS // 2
_FINEST = -100


@dataclass(frozen=True)
class Spread:
    """Sums, ends, counts and a histogram of each unit. A bin is as wide as the largest activation needs it to be.

    When a larger one comes, neighbouring bins are added up: counts are exact, in whatever order the tokens came.
    """

    total: Tensor
    squares: Tensor
    low: Tensor
    high: Tensor
    active: Tensor
    """On how many tokens the unit was active."""
    exponent: Tensor
    """Bins are 2^exponent wide."""
    counts: Tensor
    """[unit, bin]"""

    @classmethod
    def none(cls, units: int, like: Tensor) -> Spread:
        """Nothing seen yet."""
        zero = torch.zeros(units, dtype=torch.float64, device=like.device)
        none = torch.zeros(units, dtype=torch.long, device=like.device)
        low, high = (like.new_full((units,), sign * torch.inf) for sign in (1, -1))
        counts = torch.zeros(units, BINS, dtype=torch.long, device=like.device)
        return cls(zero, zero.clone(), low, high, none, torch.full_like(none, _FINEST), counts)

    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def after(self, values: Tensor, active_above: float) -> Spread:
        """What is known when values [unit, token] were seen besides."""
        low, high = values.aminmax(dim=1)
        peak = torch.maximum(low.abs(), high.abs())
        if bool(peak.isinf().any()):
            raise NonFiniteError("an activation is infinite: run the model in float32 or bfloat16 (load(dtype=...)).")
        precise = values.double()
        exponent = torch.maximum(self.exponent, _needed(peak))
        return Spread(
            self.total + precise.sum(1),
            self.squares + precise.square().sum(1),
            torch.minimum(self.low, low),
            torch.maximum(self.high, high),
            self.active + (values > active_above).sum(1),
            exponent,
            _coarser(self.counts, exponent - self.exponent) + _counted(values, exponent),
        )


def _needed(peak: Tensor) -> Tensor:
    """The exponent of bins of which the outermost holds the peak."""
    needed = torch.frexp(peak).exponent.long() - int(math.log2(_HALF))
    return needed.where(peak > 0, _FINEST).clamp(min=_FINEST)


def _coarser(counts: Tensor, doublings: Tensor) -> Tensor:
    """The same counts in bins that are twice as wide, so many times over."""
    if not bool(doublings.any()):
        return counts
    bins = torch.arange(-_HALF, _HALF, device=counts.device)
    into = (bins[None] >> doublings[:, None].clamp(max=BINS.bit_length())) + _HALF
    return torch.zeros_like(counts).scatter_add(1, into, counts)


def _counted(values: Tensor, exponent: Tensor) -> Tensor:
    # A power of two made by Python is exact, so that a value on an edge falls where it belongs.
    scale = values.new_tensor([2.0**-one for one in exponent.tolist()])
    bins = (values * scale[:, None]).floor_().clamp_(-_HALF, _HALF - 1).long() + _HALF
    units = len(values)
    bins += torch.arange(units, device=values.device)[:, None] * BINS
    return torch.bincount(bins.flatten(), minlength=units * BINS).reshape(units, BINS)
