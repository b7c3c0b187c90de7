"""How projections lie in their modules, seen as matrices [input, output] that rows are multiplied with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from innerworks.errors import AnatomyError, SiteError
from innerworks.model.anatomy.record import Fused
from innerworks.model.stored import stored

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy

__all__ = ["bias_of", "head_columns", "matrix_of", "output_rows", "qkv_projection"]


def matrix_of(projection: Any) -> Tensor:
    """A linear module's weight as [input, output]: a view, or a copy where it is quantised or offloaded."""
    weight = stored(projection)
    assert weight is not None
    return weight if type(projection).__name__ == "Conv1D" else weight.T


def bias_of(projection: Any) -> Tensor:
    """A linear module's bias [output]; zeros where it has none."""
    bias = stored(projection, "bias")
    if bias is not None:
        return bias
    matrix = matrix_of(projection)
    return matrix.new_zeros(matrix.shape[1])


def qkv_projection(anatomy: Anatomy, layer: int, which: str) -> Any:
    """The module that computes "q", "k" or "v"."""
    qkv = anatomy.in_layer(layer).qkv
    if anatomy.family.latent is not None:
        raise AnatomyError(
            f"{anatomy.family.model_type} makes queries, keys and values of latent vectors behind norms: no "
            f"matrix takes the stream to {which}."
        )
    path = qkv.path if isinstance(qkv, Fused) else {"q": qkv.q, "k": qkv.k, "v": qkv.v}[which]
    if not path:
        raise SiteError(f"{anatomy.family.model_type} has no {which}: its projections are not known.")
    return anatomy.part(layer, path)


def head_columns(anatomy: Anatomy, which: str, head: int, width: int) -> slice:
    """Where a query head's "q", "k" or "v" lies among the `width` outputs of its projection.

    Heads that share keys and values are given their group's.
    """
    heads = anatomy.n_heads if which == "q" else anatomy.n_kv_heads
    group = head * heads // anatomy.n_heads
    qkv = anatomy.family.qkv
    if not isinstance(qkv, Fused):
        if qkv.gated and which == "q":
            return slice(head * width // heads, head * width // heads + anatomy.d_head)
        size = width // heads
        return slice(group * size, (group + 1) * size)
    size = anatomy.d_head
    start = qkv.slots(which, anatomy.n_heads, anatomy.n_kv_heads)[group]
    return slice(start * size, (start + 1) * size)


def output_rows(anatomy: Anatomy, head: int, width: int) -> slice:
    """Where a head's values lie among the `width` inputs of the output projection."""
    size = width // anatomy.n_heads
    return slice(head * size, (head + 1) * size)
