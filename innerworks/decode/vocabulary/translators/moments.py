"""Sums over a corpus from which least-squares maps between states follow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Moments"]


@dataclass
class Moments:
    """Sums of products of states x [place, token, n] with themselves and with what they lead to, y [token, d]."""

    count: int
    x: Tensor
    """[place, n]"""
    y: Tensor
    """[d]"""
    xx: Tensor
    """[place, n, n]"""
    xy: Tensor
    """[place, n, d]"""

    @classmethod
    def none(cls, places: int, n: int, d: int, device: torch.device | str) -> Moments:
        """Sums of nothing yet, in double precision."""

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=device)

        return cls(0, zeros(places, n), zeros(d), zeros(places, n, n), zeros(places, n, d))

    def add(self, x: Tensor, y: Tensor) -> None:
        """Count more states."""
        self.count += y.shape[0]
        self.x += x.double().sum(1)
        self.y += y.double().sum(0)
        x, y = (one.float() if one.dtype.itemsize < 4 else one for one in (x, y))
        for place in range(len(x)):  # products of a few thousand states are exact enough in float32
            self.xx[place] += x[place].T @ x[place]
            self.xy[place] += x[place].T @ y

    def solved(self, ridge: float, *, towards_same: bool) -> tuple[Tensor, Tensor]:
        """For each place A [n, d] and b [d] with x A + b nearest to y, A held near the identity, or near nothing.

        The penalty is `ridge` times the middle variance of x's coordinates (a few are huge in most models). Where text
        says nothing, a state of the stream stays as it is, and another adds nothing.
        """
        target, size = self.y / self.count, self.x.shape[1]
        eye = torch.eye(size, dtype=self.xx.dtype, device=self.xx.device)
        prior = eye if towards_same else torch.zeros_like(self.xy[0])
        weights, biases = [], []
        for place in range(len(self.x)):
            mean = self.mean(place)
            covariance, penalty = self.penalised(place, ridge)
            across = self.xy[place] / self.count - torch.outer(mean, target)
            found = torch.linalg.solve(covariance, across + penalty * prior)
            weights.append(found)
            biases.append(target - mean @ found)
        return torch.stack(weights), torch.stack(biases)

    def mean(self, place: int) -> Tensor:
        """The mean state of a place, [n]."""
        return self.x[place] / self.count

    def penalised(self, place: int, ridge: float) -> tuple[Tensor, float]:
        """The covariance of a place's states [n, n] with a penalty on its diagonal, and the penalty."""
        mean = self.mean(place)
        covariance = self.xx[place] / self.count - torch.outer(mean, mean)
        penalty = ridge * float(covariance.diagonal().median().clamp(min=1e-30))
        eye = torch.eye(len(mean), dtype=covariance.dtype, device=covariance.device)
        return covariance + penalty * eye, penalty
