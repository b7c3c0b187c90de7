"""Other coordinates for a site: a direction, a subspace, a rotation, or anything that encodes and decodes.

A basis reads a vector x as f = encode(x) and writes new coordinates f' as x + decode(f') - decode(f): what the
basis cannot express (the error term of a dictionary, the complement of a subspace) is left as it was, so that
writing back what was read changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from innerworks.errors import SiteError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Basis", "Linear", "direction", "rotation", "subspace"]


@runtime_checkable
class Basis(Protocol):
    """Coordinates for the last dimension of a site."""

    @property
    def name(self) -> str:
        """How the basis is called in text and in files."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """The coordinates of x, last dimension to last dimension."""
        ...

    def decode(self, f: Tensor) -> Tensor:
        """What those coordinates contribute to x."""
        ...


@dataclass(frozen=True, eq=False)
class Linear:
    """Coordinates along given rows: f = x·readᵀ, contribution f·write, where read·writeᵀ is the identity."""

    name: str
    read: Tensor
    write: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """Project on the read directions."""
        if x.shape[-1] != self.read.shape[-1]:
            raise SiteError(
                f"{self.name!r} is for vectors of {self.read.shape[-1]} numbers, and here they have {x.shape[-1]}: it "
                "was made for another place, or another model."
            )
        return x @ self.read.to(x).mT

    def decode(self, f: Tensor) -> Tensor:
        """Add up the write directions."""
        return f @ self.write.to(f)

    def tensors(self) -> Mapping[str, Tensor]:
        """The tensors a file needs to make this basis again."""
        return {"read": self.read, "write": self.write}


def subspace(name: str, rows: Any) -> Linear:
    """The span of `rows` (k×d), in their own coordinates; read is the pseudo-inverse, so any independent rows do."""
    import torch

    write = torch.as_tensor(rows)
    if write.dim() != 2:
        raise SiteError(f"a subspace takes a k×d matrix of directions, got shape {tuple(write.shape)}.")
    if torch.linalg.matrix_rank(write.detach().double()) < write.shape[0]:
        raise SiteError(f"the {write.shape[0]} directions of {name!r} are linearly dependent: drop the redundant ones.")
    precise = write if write.dtype.itemsize >= 4 else write.float()  # half precision has no pseudo-inverse
    return Linear(name, torch.linalg.pinv(precise).mT.to(write.dtype).contiguous(), write)


def direction(name: str, vector: Any) -> Linear:
    """One direction, normalised: the coordinate is the signed length along it."""
    import torch

    v = torch.as_tensor(vector)
    if v.dim() != 1:
        raise SiteError(f"a direction takes one vector, got shape {tuple(v.shape)}.")
    norm = v.norm()
    if not norm > 0:
        raise SiteError(f"the direction {name!r} has length zero.")
    return Linear(name, (v / norm)[None], (v / norm)[None])


def rotation(name: str, matrix: Any) -> Linear:
    """A full orthogonal change of basis, d×d, rows are the new axes."""
    import torch

    r = torch.as_tensor(matrix)
    if r.dim() != 2 or r.shape[0] != r.shape[1]:
        raise SiteError(f"a rotation takes a square matrix, got shape {tuple(r.shape)}.")
    off = (r.detach() @ r.detach().mT - torch.eye(r.shape[0], dtype=r.dtype, device=r.device)).abs().max()
    if off > 1e-3:
        raise SiteError(f"the rows of {name!r} are not orthonormal (off by {off:.2g}): use subspace() instead.")
    return Linear(name, r, r)
