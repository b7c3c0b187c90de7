"""What techniques that turn weights into words are asked: how many words, and which vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from innerworks.decode.vocabulary.words.embeddings import embedded
from innerworks.errors import SiteError
from innerworks.model.sites.basis import Linear
from innerworks.model.weights.factored import at_least_float32

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model

__all__ = ["at_least_one", "checked_vectors", "named_vectors", "unembedded"]


def at_least_one(**counts: int) -> None:
    """Raise where one of these is no number of things to list."""
    for name, count in counts.items():
        if count < 1:
            raise SiteError(f"{name}={count}: say how many to list, 1 or more.")


def checked_vectors(model: Model, given: Any, name: str = "vectors") -> Tensor:
    """One vector or several of the stream's width as [vector, d]."""
    try:
        vectors = torch.as_tensor(given.write if isinstance(given, Linear) else given)
    except (TypeError, ValueError, RuntimeError):
        raise SiteError(f"{name}={given!r}: give a vector of {model.d_model} numbers, or several.") from None
    if vectors.dim() not in (1, 2) or vectors.shape[-1] != model.d_model or not len(vectors):
        raise SiteError(
            f"{name} has the shape {list(vectors.shape)}, and this model's stream has {model.d_model} numbers: give "
            f"[{model.d_model}] or [n, {model.d_model}]. Vectors of another model mean nothing here."
        )
    vectors = vectors.detach().to(model.weights.unembed.device)
    vectors = at_least_float32(vectors) if vectors.is_floating_point() else vectors.float()
    vectors = vectors[None] if vectors.dim() == 1 else vectors
    for row, vector in enumerate(vectors):
        if not vector.isfinite().all() or not vector.any():
            what = "is all 0" if vector.isfinite().all() else "holds NaN or infinity"
            raise SiteError(f"{name}: vector {row} {what}, and has no words.")
    return vectors


def unembedded(model: Model, ids: Any) -> Tensor:
    """The directions of the stream that raise tokens' logits against those of all tokens, [token, d]."""
    weights = model.weights
    return (weights.readout(ids).weight - weights.readout().weight.mean(1, keepdim=True)).T


def named_vectors(model: Model, given: Any, table: str) -> tuple[list[str], Tensor]:
    """Names and vectors of whatever was given: a tensor, a basis, vectors by name, tokens, or tokens with weights."""
    if isinstance(given, Linear):
        return _rows_of(model, {given.name: given})
    if hasattr(given, "encode") and hasattr(given, "decode"):
        raise SiteError(f"{given!r} has no fixed directions: give its decoder's rows as a tensor [n, {model.d_model}].")
    if isinstance(given, Mapping) and given:
        if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given.values()):
            rows = _of_tokens(model, list(given), table)
            factors = torch.tensor([float(value) for value in given.values()]).to(rows)
            name = " ".join(f"{value:+g}·{token!r}" for token, value in given.items())
            return [name], checked_vectors(model, factors @ rows)
        return _rows_of(model, given)
    tokens = [given] if isinstance(given, (str, int)) else given
    if isinstance(tokens, (list, tuple)) and tokens and all(isinstance(one, (str, int)) for one in tokens):
        return [repr(one) for one in tokens], checked_vectors(model, _of_tokens(model, list(tokens), table))
    vectors = checked_vectors(model, given)
    return [str(row) for row in range(len(vectors))], vectors


def _rows_of(model: Model, given: Mapping[Any, Any]) -> tuple[list[str], Tensor]:
    """Vectors by name; of several under one name, each by its number."""
    rows = {str(name): checked_vectors(model, one, str(name)) for name, one in given.items()}
    names = [name if len(own) == 1 else f"{name}.{row}" for name, own in rows.items() for row in range(len(own))]
    return names, torch.cat(list(rows.values()))


def _of_tokens(model: Model, tokens: list[Any], table: str) -> Tensor:
    ids = [model.token(one) for one in tokens]
    return embedded(model, ids) if table == "embedding" else unembedded(model, ids)
