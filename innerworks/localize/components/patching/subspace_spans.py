"""Subspaces: the span of some directions, and the part of it that what reads a place can see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from innerworks.errors import EditError
from innerworks.localize.components.direct.writes import dense_neuron_layers
from innerworks.results import Artifact

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model
    from innerworks.model.sites import Site

__all__ = ["as_directions", "read_part", "reading_matrix"]

_NOTHING = 1e-6
"""Of a direction of length one: how much of it is rounding."""


def as_directions(given: Any, size: int, site: Site) -> Tensor:
    """Orthonormal directions [k, d] that span what was given: one direction, several, or an artifact's only tensor."""
    if isinstance(given, Artifact):
        if len(given.tensors) != 1:
            raise EditError(f"{given!r} has several tensors: give the one that holds the directions, artifact['name'].")
        (given,) = given.tensors.values()
    try:
        rows = torch.as_tensor(given.copy() if isinstance(given, np.ndarray) else given).detach()
    except (TypeError, ValueError, RuntimeError) as problem:
        raise EditError(f"directions of type {type(given).__name__} are no numbers: {problem}.") from None
    rows = (rows[None] if rows.dim() == 1 else rows).double()
    if rows.dim() != 2 or not len(rows):
        raise EditError(f"directions of shape {tuple(rows.shape)}: give one direction [d] or several [k, d].")
    if rows.shape[1] != size:
        raise EditError(f"directions of length {rows.shape[1]}, and {site} has {size} features.")
    if not bool(rows.isfinite().all()):
        raise EditError("the directions hold NaN or infinite numbers.")
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny)
    if len(rows) > size or int(torch.linalg.matrix_rank(rows)) < len(rows):
        raise EditError(
            f"the {len(rows)} directions are not independent: drop those that are zero or follow from the others."
        )
    orthonormal: Tensor = torch.linalg.qr(rows.T).Q.T.contiguous()
    return orthonormal


def reading_matrix(model: Model, site: Site, layer: int) -> Tensor | None:
    """The one matrix [features, d] through which all that is read of a place goes; None where there is no such one."""
    if site.name != "neurons" or layer not in dense_neuron_layers(model):
        return None
    return model.weights.neuron_out(layer)


def read_part(directions: Tensor, matrix: Tensor) -> Tensor:
    """Orthonormal directions that span what is left of some when all is taken off that the matrix maps to zero.

    As many rows as are left: none where nothing of the directions is read.
    """
    matrix = matrix.double()
    values, vectors = torch.linalg.eigh(matrix.T @ matrix)
    kept = values > values[-1] * len(matrix) * torch.finfo(torch.float32).eps ** 2
    visible = (matrix @ vectors[:, kept]) / values[kept].sqrt()
    seen = directions.to(matrix) @ visible @ visible.T
    _, sizes, rows = torch.linalg.svd(seen, full_matrices=False)
    left: Tensor = rows[sizes > _NOTHING]
    return left
