"""Edits of what lies in the span of given directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from innerworks.errors import EditError
from innerworks.model.edits.values import Context, Edit, Valued, fit

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ProjectOut", "Swap"]


def _orthonormal(directions: Tensor, x: Tensor, edit: Edit) -> Tensor:
    """Columns that span the directions, worked out in at least float32, for which alone QR exists."""
    import torch

    if directions.shape[-1] != x.shape[-1]:
        raise EditError(f"{edit}: directions of length {directions.shape[-1]} at a site of {x.shape[-1]} features.")
    precise = torch.promote_types(x.dtype, torch.float32)
    q: Tensor = torch.linalg.qr(directions.to(x.device, precise).mT).Q
    return q.to(x.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class ProjectOut(Edit):
    """Remove what lies along given directions (k×d): x - x·QᵀQ, with Q an orthonormal basis of their span."""

    directions: Tensor = field(kw_only=True)
    op: ClassVar[str] = "project_out"

    def apply(self, x: Tensor, context: Context) -> Tensor:
        """X without its part in the span."""
        q = _orthonormal(self.directions, x, self)
        return x - (x @ q) @ q.mT

    def tensors(self) -> Mapping[str, Tensor]:
        """The directions."""
        return {"directions": self.directions}


@dataclass(frozen=True, eq=False, repr=False)
class Swap(Valued):
    """Exchange the part inside a subspace (rows of `directions`) for that of given values: x + (v - x)·QᵀQ."""

    directions: Tensor = field(kw_only=True)
    op: ClassVar[str] = "swap"

    def apply(self, x: Tensor, context: Context) -> Tensor:
        """X with the subspace's part taken from the values."""
        q = _orthonormal(self.directions, x, self)
        return x + ((self.values_for(x, context, x) - x) @ q) @ q.mT

    def tensors(self) -> Mapping[str, Tensor]:
        """Values and directions."""
        return {"value": self.value, "directions": self.directions}

    def same_as(self, x: Tensor) -> bool:
        """Nothing to exchange where the values are there already."""
        import torch

        tracked = self.value.requires_grad or self.directions.requires_grad
        return not tracked and torch.equal(fit(self.value, x, self), x)
