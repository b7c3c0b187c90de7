"""Any weight matrix by its singular values, and which words each side of it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from innerworks.decode.vocabulary.words.sides import Embeddings, Logits, Side
from innerworks.errors import SiteError
from innerworks.model.weights.factored import SVD, at_least_float32, only_numbers

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model

__all__ = ["Apart", "Matrix", "apart", "gram_of_embedding", "gram_of_readout"]

Matrix = Literal[
    "ov", "qk", "q", "k", "v", "o", "neuron_in", "gate", "neuron_out", "router", "embed", "unembed"
]  # fmt: skip
_PER_HEAD = ("ov", "qk", "q", "k", "v", "o")
_OF_NEURONS = ("neuron_in", "gate", "neuron_out")
_OF_TOKENS = ("embed", "unembed")
_CHUNK = 4096


@dataclass(frozen=True)
class Apart:
    """A matrix taken apart. A side has the words of its vectors, or units (neurons, experts) by number, or nothing."""

    svd: SVD
    reads: Side | str | None
    """What the rows of the matrix are."""
    writes: Side | str | None
    """What its columns are."""
    name: str


def apart(
    model: Model, matrix: str, layer: int | None, head: int | None, expert: int | None, offset: int, effective: bool
) -> Apart:
    """A matrix, norms folded in, by its singular values."""
    _check(model, matrix, layer, head, expert)
    if matrix in _OF_TOKENS:
        return _of_tokens(model, matrix, effective)
    assert layer is not None
    weights = model.weights
    options: dict[str, Any] = {"folded": True}
    place = f"{layer % model.n_layers}" + ("" if head is None else f".{head % model.n_heads}")
    if matrix == "qk":
        options |= {"offset": offset, "norm_scales": None if model.family.qk_norm is None else (1.0, 1.0)}
    if matrix in _OF_NEURONS:
        options |= {"expert": expert}
    svd = weights.svd(layer, matrix, head, **options)
    norm = weights.attn_norm(layer) if matrix in _PER_HEAD else weights.mlp_norm(layer)
    read, logits = Embeddings(model, norm, effective=effective), Logits(model)
    sides: dict[str, tuple[Side | str | None, Side | str | None]] = {
        "ov": (read, logits),
        "qk": (read, read),
        "q": (read, None),
        "k": (read, None),
        "v": (read, None),
        "o": (None, logits),
        "neuron_in": (read, "neuron"),
        "gate": (read, "neuron"),
        "neuron_out": ("neuron", logits),
        "router": (read, "expert"),
    }
    whose = "" if expert is None else f" of expert {expert}"
    return Apart(svd, *sides[matrix], name=f"{matrix} {place}{whose}")


def _check(model: Model, matrix: str, layer: int | None, head: int | None, expert: int | None) -> None:
    needs = {"layer": matrix not in _OF_TOKENS, "head": matrix in _PER_HEAD}
    for name, given in (("layer", layer), ("head", head)):
        if needs[name] != (given is not None):
            raise SiteError(f"the matrix {matrix!r} takes {'a' if needs[name] else 'no'} {name}, got {name}={given!r}.")
    if expert is not None and matrix not in _OF_NEURONS:
        raise SiteError(f"the matrix {matrix!r} is no expert's: leave out expert={expert!r}.")


def _of_tokens(model: Model, matrix: str, effective: bool) -> Apart:
    """Through d × d, and the side of the tokens never formed: only what takes part in the stream is given."""
    gram = gram_of_readout(model) if matrix == "unembed" else gram_of_embedding(model)
    squares, vectors = torch.linalg.eigh(only_numbers(gram, matrix))
    values = squares.flip(0).clamp(min=0).sqrt()
    stream = vectors.flip(1).to(at_least_float32(model.weights.unembed[:, :1]))
    svd = SVD(stream, values.to(stream), stream.T)
    return Apart(svd, Embeddings(model, effective=effective), Logits(model), matrix)


def gram_of_readout(model: Model) -> Tensor:
    """W_U W_Uᵀ [d, d] in float64, final norm and logit scale folded in."""
    unembed = model.weights.unembed
    identity = torch.eye(model.d_model, dtype=torch.float64, device=unembed.device)
    folded = model.weights.into_readout(identity)
    chunks = (unembed[:, start : start + _CHUNK].T for start in range(0, unembed.shape[1], _CHUNK))
    return folded @ _gram(chunks) @ folded.T


def gram_of_embedding(model: Model) -> Tensor:
    """W_Eᵀ W_E [d, d] in float64."""
    return _gram(_embedding_rows(model))


def _embedding_rows(model: Model) -> Iterator[Tensor]:
    size = int(model.anatomy.embedding.weight.shape[0])
    for start in range(0, size, _CHUNK):
        yield model.weights.embed_rows(range(start, min(start + _CHUNK, size)))


def _gram(chunks: Iterator[Tensor]) -> Tensor:
    """Σ xᵀx over rows [tokens, d], in float64."""
    total: Any = 0
    for rows in chunks:
        rows = rows.detach().double()
        total = total + rows.T @ rows
    found: Tensor = total
    return found
