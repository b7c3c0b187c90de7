"""Means, deviations and correlations while a corpus goes by: numbers whose size does not depend on the text."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

__all__ = ["RunningMean", "RunningPair"]


@dataclass(frozen=True)
class RunningMean:
    """Count, mean and squared deviations of numbers, place by place; NaN is left out."""

    count: Tensor
    mean: Tensor
    squares: Tensor
    """Σ (x - mean)²"""

    @classmethod
    def none(cls, *shape: int) -> RunningMean:
        """Nothing seen yet."""
        return cls(*(torch.zeros(shape, dtype=torch.float64) for _ in range(3)))

    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def after(self, values: Tensor) -> RunningMean:
        """What is known when values [number, *places] were seen besides."""
        values = values.detach().cpu().double()
        there = ~values.isnan()
        count = there.sum(0).double()
        mean = values.where(there, 0.0).sum(0) / count.clamp(min=1)
        squares = (values - mean).where(there, 0.0).square().sum(0)
        total = self.count + count
        apart = mean - self.mean
        share = count / total.clamp(min=1)
        return RunningMean(
            total, self.mean + apart * share, self.squares + squares + apart.square() * self.count * share
        )

    @property
    def known(self) -> Tensor:
        """The mean; NaN where nothing was seen."""
        return self.mean.where(self.count > 0, torch.nan)

    def interval(self, deviations: float = 1.96) -> tuple[Tensor, Tensor]:
        """The ends of the normal interval of the mean; NaN of fewer than two."""
        spread = (self.squares / (self.count - 1) / self.count).sqrt() * deviations
        spread = spread.where(self.count > 1, torch.nan)
        return self.known - spread, self.known + spread


@dataclass(frozen=True)
class RunningPair:
    """Two numbers that come together, place by place, and how they go together; a pair with a NaN is left out."""

    one: RunningMean
    other: RunningMean
    together: Tensor
    """Σ (x - mean)(y - mean)"""

    @classmethod
    def none(cls, *shape: int) -> RunningPair:
        """Nothing seen yet."""
        return cls(RunningMean.none(*shape), RunningMean.none(*shape), torch.zeros(shape, dtype=torch.float64))

    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        parts = {
            f"{name}.{key}": value for name in ("one", "other") for key, value in getattr(self, name).tensors().items()
        }
        return parts | {"together": self.together}

    def after(self, one: Tensor, other: Tensor) -> RunningPair:
        """What is known when pairs [number, *places] were seen besides."""
        one, other = (each.detach().cpu().double() for each in (one, other))
        there = ~(one.isnan() | other.isnan())
        one, other = (each.where(there, torch.nan) for each in (one, other))
        new = [RunningMean.none(*self.together.shape).after(each) for each in (one, other)]
        away = [(each - part.mean).where(there, 0.0) for each, part in zip((one, other), new, strict=True)]
        weight = self.one.count * new[0].count / (self.one.count + new[0].count).clamp(min=1)
        between = (new[0].mean - self.one.mean) * (new[1].mean - self.other.mean) * weight
        together = self.together + (away[0] * away[1]).sum(0) + between
        return RunningPair(self.one.after(one), self.other.after(other), together)

    def correlation(self, first: int = 0) -> Tensor:
        """Pearson's over all that was seen at the places of the last dimension from `first` on.

        NaN of fewer than three pairs, and where either is constant.
        """
        count, together = self.one.count[..., first:], self.together[..., first:]
        number = count.sum(-1, keepdim=True)
        away, squares = [], []
        for part in (self.one, self.other):
            mean, own = part.mean[..., first:], part.squares[..., first:]
            off = mean - (mean * count).sum(-1, keepdim=True) / number.clamp(min=1)
            away.append(off)
            squares.append((own + count * off.square()).sum(-1))
        found: Tensor = (together + count * away[0] * away[1]).sum(-1) / (squares[0] * squares[1]).sqrt()
        return found.where((number.squeeze(-1) > 2) & found.isfinite(), torch.nan)
