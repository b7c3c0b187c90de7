"""`Factored`: a low-rank matrix kept as the product of two thin ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from innerworks.errors import InnerworksError, NonFiniteError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["SVD", "Factored", "at_least_float32", "only_numbers"]


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor itself, or a float32 copy of a half-precision one: products of those lose too much."""
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor


def only_numbers(matrix: Tensor, what: str = "a product of weights") -> Tensor:
    """The matrix, which is about to be taken apart; LAPACK may end the process where one holds NaN or infinity."""
    if not bool(matrix.isfinite().all()):
        raise NonFiniteError(
            f"{what}, {' x '.join(map(str, matrix.shape))} numbers, holds NaN or infinity and cannot be taken apart: "
            "model.weights.check_finite() names the weight that does; if none does, products are too large for "
            f"{matrix.dtype}: load the model in a wider one."
        )
    return matrix


class SVD(NamedTuple):
    """A singular value decomposition `U @ diag(S) @ Vh`; S falls."""

    U: Tensor
    S: Tensor
    Vh: Tensor

    def truncated(self, rank: int) -> Factored:
        """The closest matrix of that rank: what the largest singular values make, the others left out."""
        if not 1 <= rank <= len(self.S):
            raise InnerworksError(f"rank={rank}: this matrix can be cut to 1 to {len(self.S)} singular values.")
        return Factored(self.U[:, :rank] * self.S[:rank], self.Vh[:rank])


class Factored:
    """The matrix `left @ right`, never multiplied out unless `dense()` is called.

    `@` with another matrix, factored or not, is again factored and keeps the smaller rank; `@` with a
    vector, or with a stack of them of more than two dimensions, gives a tensor. Factors are held in at
    least float32.
    """

    # Without it torch would try to make a tensor of the right operand of `tensor @ factored`.
    __torch_function__: Any = None

    def __init__(self, left: Tensor, right: Tensor) -> None:
        if left.dim() != 2 or right.dim() != 2 or left.shape[1] != right.shape[0]:
            raise InnerworksError(
                f"a factored matrix needs [n, r] and [r, m], got {list(left.shape)} and {list(right.shape)}."
            )
        self.left = at_least_float32(left)
        self.right = at_least_float32(right)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the product."""
        return self.left.shape[0], self.right.shape[1]

    @property
    def rank(self) -> int:
        """The inner dimension: the product's rank is at most this."""
        return self.left.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """The type it computes in."""
        return self.left.dtype

    @property
    def device(self) -> torch.device:
        """Where its factors are."""
        return self.left.device

    @property
    def T(self) -> Factored:
        """The transpose."""
        return Factored(self.right.T, self.left.T)

    def dense(self) -> Tensor:
        """The product as one tensor."""
        return self.left @ self.right

    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, Factored):
            return self._times(other)
        other = at_least_float32(other)
        if other.dim() == 2:
            return Factored(self.left, self.right @ other)._thin()
        return self.left @ (self.right @ other)

    def __rmatmul__(self, other: Any) -> Any:
        other = at_least_float32(other)
        if other.dim() == 2:
            return Factored(other @ self.left, self.right)._thin()
        return (other @ self.left) @ self.right

    def _times(self, other: Factored) -> Factored:
        inner = self.right @ other.left
        if self.rank <= other.rank:
            return Factored(self.left, inner @ other.right)
        return Factored(self.left @ inner, other.right)

    def _thin(self) -> Factored:
        """The same product through its narrower side, where a side has become narrower than the rank."""
        import torch

        rows, columns = self.shape
        if min(rows, columns) >= self.rank:
            return self
        identity = torch.eye(min(rows, columns), dtype=self.dtype, device=self.device)
        return Factored(identity, self.dense()) if rows <= columns else Factored(self.dense(), identity)

    def __mul__(self, factor: float | Tensor) -> Factored:
        return Factored(self.left * factor, self.right)

    __rmul__ = __mul__

    def __neg__(self) -> Factored:
        return self * -1.0

    def __getitem__(self, index: Any) -> Any:
        """Rows and columns as in a tensor: `m[rows]`, `m[rows, columns]`; with an integer, a plain tensor."""
        rows, columns = index if isinstance(index, tuple) else (index, slice(None))
        left, right = self.left[rows], self.right[:, columns]
        return Factored(left, right) if left.dim() == 2 and right.dim() == 2 else left @ right

    def norm(self) -> Tensor:
        """The Frobenius norm, from r × r triangles."""
        import torch

        norm: Tensor = torch.linalg.matrix_norm(self._core()[1])
        return norm

    def trace(self) -> Tensor:
        """The sum of the diagonal."""
        self._square("a trace")
        return (self.left * self.right.T).sum()

    def eigenvalues(self) -> Tensor:
        """The eigenvalues that can differ from 0, complex, from the r × r matrix `right @ left`."""
        import torch

        self._square("eigenvalues")
        small = self.right @ self.left if self.rank <= self.shape[0] else self.dense()
        found: Tensor = torch.linalg.eigvals(only_numbers(small))
        return found

    def svd(self) -> SVD:
        """The exact decomposition, of rank min(r, rows, columns), through QR of the factors."""
        import torch

        rows, core, columns = self._core()
        inner = SVD(*torch.linalg.svd(only_numbers(core), full_matrices=False))
        return SVD(rows @ inner.U, inner.S, inner.Vh @ columns.T)

    def _core(self) -> tuple[Tensor, Tensor, Tensor]:
        """Orthonormal rows-basis, small core and columns-basis: the product is rows @ core @ columns.T."""
        import torch

        rows, left = torch.linalg.qr(only_numbers(self.left))
        columns, right = torch.linalg.qr(only_numbers(self.right.T))
        return rows, left @ right.T, columns

    def _square(self, what: str) -> None:
        if self.shape[0] != self.shape[1]:
            raise InnerworksError(f"only a square matrix has {what}; this one is {list(self.shape)}.")

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"Factored({rows} x {columns}, rank <= {self.rank}, {self.dtype}, {self.device})"
