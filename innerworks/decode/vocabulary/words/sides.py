"""The two sides on which a vector meets the vocabulary: logits that it raises, embeddings that it is like."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from innerworks.decode.vocabulary.words.embeddings import embedded
from innerworks.model.weights.factored import at_least_float32

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model
    from innerworks.model.weights.norm import Norm

__all__ = ["Embeddings", "Logits", "Side"]


class Side(Protocol):
    """Scores of vectors with tokens, some tokens at a time."""

    @property
    def size(self) -> int:
        """How many tokens there are."""
        ...

    def scores(self, vectors: Tensor, start: int, stop: int) -> Tensor:
        """Of vectors [n, d] with tokens [start, stop), [n, tokens]."""
        ...


@dataclass(frozen=True)
class Logits:
    """What adding a vector to the stream adds to logits, up to the division by the final norm's denominator."""

    model: Model

    @cached_property
    def _unembed(self) -> Tensor:
        """Looked up once: where it is quantised, each look unpacks all of it."""
        return self.model.weights.unembed

    @property
    def size(self) -> int:
        """How many tokens have a logit."""
        return self.model.n_vocab

    def scores(self, vectors: Tensor, start: int, stop: int) -> Tensor:
        """Through the final norm's linear part, the logit scale and the unembedding."""
        columns = at_least_float32(self._unembed[:, start:stop])
        return self.model.weights.into_readout(vectors) @ columns.to(vectors)


@dataclass(frozen=True)
class Embeddings:
    """How much the embedding of each token holds of a vector: x @ vector.

    With a `norm`, each token is divided by the denominator that the norm has for it alone; with `cosine`, by both
    lengths. `effective` embeddings are those behind the first MLP.
    """

    model: Model
    norm: Norm | None = None
    cosine: bool = False
    effective: bool = False

    @property
    def size(self) -> int:
        """How many tokens have an embedding."""
        return int(self.model.anatomy.embedding.weight.shape[0])

    def scores(self, vectors: Tensor, start: int, stop: int) -> Tensor:
        """The products."""
        rows = embedded(self.model, range(start, stop), self.effective).to(vectors)
        if self.norm is not None:
            rows = rows / self.norm.scale(rows)[:, None]
        if self.cosine:
            rows, vectors = (one / one.norm(dim=-1, keepdim=True).clamp(min=1e-30) for one in (rows, vectors))
        return vectors @ rows.T
