"""A linear map at a lower rank, as an edit of what it gives or of what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from innerworks.errors import EditError
from innerworks.model.edits.values import Context, Edit

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LowRank"]


@dataclass(frozen=True, eq=False, repr=False)
class LowRank(Edit):
    """Leave out what lies along orthonormal directions (k×n) of a place's n features, heads joined, about a point."""

    directions: Tensor = field(kw_only=True)
    about: Tensor | None = field(default=None, kw_only=True)
    op: ClassVar[str] = "low_rank"

    def apply(self, x: Tensor, context: Context) -> Tensor:
        """X less the part along the directions, worked out in at least float32."""
        import torch

        units = sum(dim not in ("batch", "pos") for dim in self.site.remaining_dims)
        flat = x.flatten(x.dim() - units)
        if flat.shape[-1] != self.directions.shape[-1]:
            raise EditError(
                f"{self}: directions of {self.directions.shape[-1]} at a site of {flat.shape[-1]} features."
            )
        flat = flat.to(torch.promote_types(x.dtype, torch.float32))
        left_out = self.directions.to(flat)
        away = flat if self.about is None else flat - self.about.to(flat)
        return (flat - (away @ left_out.mT) @ left_out).reshape(x.shape).to(x.dtype)

    def tensors(self) -> Mapping[str, Tensor]:
        """The directions, and the point."""
        return {"directions": self.directions} | ({} if self.about is None else {"about": self.about})
