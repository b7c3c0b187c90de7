"""Sums over a corpus from which least-squares maps between layers follow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Moments"]


@dataclass
class Moments:
    """Sums of products of states x [depth, token, d] with themselves and with what they lead to, y [token, d]."""

    count: int
    x: Tensor
    """[depth, d]"""
    y: Tensor
    """[d]"""
    xx: Tensor
    """[depth, d, d]"""
    xy: Tensor
    """[depth, d, d]"""

    @classmethod
    def none(cls, depths: int, d: int, device: torch.device | str) -> Moments:
        """Sums of nothing yet, in double precision."""

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=device)

        return cls(0, zeros(depths, d), zeros(d), zeros(depths, d, d), zeros(depths, d, d))

    def add(self, x: Tensor, y: Tensor) -> None:
        """Count more states."""
        self.count += y.shape[0]
        self.x += x.double().sum(1)
        self.y += y.double().sum(0)
        for depth in range(len(x)):  # products of a few thousand states are exact enough as they are
            self.xx[depth] += x[depth].T @ x[depth]
            self.xy[depth] += x[depth].T @ y

    def solved(self, ridge: float) -> tuple[Tensor, Tensor]:
        """For each depth A [d, d] and b [d] with x A + b nearest to y, ‖A - I‖² held small by `ridge`.

        The penalty is `ridge` times the middle variance of x's coordinates (a few are huge in most models). It pulls to
        the identity: where text says nothing, a state stays as it is.
        """
        means, target = self.x / self.count, self.y / self.count
        size = self.x.shape[1]
        eye = torch.eye(size, dtype=self.xx.dtype, device=self.xx.device)
        weights, biases = [], []
        for depth in range(len(means)):
            mean = means[depth]
            covariance = self.xx[depth] / self.count - torch.outer(mean, mean)
            across = self.xy[depth] / self.count - torch.outer(mean, target)
            penalty = ridge * float(covariance.diagonal().median().clamp(min=1e-30))
            found = torch.linalg.solve(covariance + penalty * eye, across + penalty * eye)
            weights.append(found)
            biases.append(target - mean @ found)
        return torch.stack(weights), torch.stack(biases)
