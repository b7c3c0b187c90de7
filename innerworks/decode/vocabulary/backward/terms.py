"""The gradient of a matrix, a term for each token: what came in, times what the loss wants to come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Terms"]


@dataclass(frozen=True)
class Terms:
    """Σ_i x_iᵀ δ_i is the gradient of the loss with respect to a matrix that rows are multiplied with."""

    inputs: Tensor
    """x [row, position, in]"""
    deltas: Tensor
    """δ [row, position, out]: the gradient of the loss with respect to what comes out."""

    @property
    def norms(self) -> Tensor:
        """The Frobenius norm of each token's term, [row, position]."""
        found: Tensor = self.inputs.norm(dim=-1) * self.deltas.norm(dim=-1)
        return found

    @property
    def norm(self) -> Tensor:
        """That of the whole gradient, [row], which is not formed."""
        alike = (self.inputs @ self.inputs.mT) * (self.deltas @ self.deltas.mT)
        return alike.sum((1, 2)).clamp(min=0).sqrt()

    @property
    def given(self) -> Tensor:
        """What came in, [row, position, in]."""
        return self.inputs

    @property
    def moved(self) -> Tensor:
        """What the loss wants to come out, with the other sign, [row, position, out]."""
        return self.deltas

    def dense(self, row: int) -> Tensor:
        """The gradient itself, [in, out]."""
        return self.inputs[row].T @ self.deltas[row]
