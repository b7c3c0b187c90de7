"""Scores of a head between single tokens: its QK matrix with its biases, and what its norms divide by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch

from innerworks.decode.vocabulary.words.embeddings import embedded
from innerworks.model.weights.norm import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model

__all__ = ["Attending", "looking"]

Which = Literal["q", "k"]


@dataclass(frozen=True)
class Attending:
    """Tokens as queries ("q") or keys ("k") of a head, each followed by the 1 that biases are multiplied with."""

    model: Model
    layer: int
    head: int
    which: Which
    effective: bool = False

    @property
    def size(self) -> int:
        """How many tokens have an embedding."""
        return int(self.model.anatomy.embedding.weight.shape[0])

    def rows(self, ids: Any) -> Tensor:
        """[token, d + 1], over the denominators of the norms before the head and inside it."""
        weights = self.model.weights
        rows = embedded(self.model, ids, self.effective).to(self._projection[0])
        norm = weights.attn_norm(self.layer)
        rows = rows if norm is None else rows / norm.scale(rows)[:, None]
        joined = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
        if self.model.family.qk_norm is None:
            return joined
        weight, bias = self._projection
        return joined / self._own_norm.scale(rows @ weight + bias)[:, None]

    def scores(self, vectors: Tensor, start: int, stop: int) -> Tensor:
        """Of vectors [n, d + 1] with some tokens."""
        return vectors @ self.rows(range(start, stop)).to(vectors).T

    @property
    def _own_norm(self) -> Norm:
        family = self.model.family
        assert family.qk_norm is not None
        path = family.qk_norm["qk".index(self.which)]
        return Norm(self.model.anatomy.part(self.layer, path), family.norm, family.norm_eps)

    @cached_property
    def _projection(self) -> tuple[Tensor, Tensor]:
        """What the head's own norm sees: this head's queries or keys, or those of all heads together."""
        weights, heads = self.model.weights, [self.head]
        read, bias = (weights.q, weights.q_bias) if self.which == "q" else (weights.k, weights.k_bias)
        own = read(self.layer, self.head, folded=True)
        if self.model.family.qk_norm is not None:
            gamma = self._own_norm.gamma
            if gamma is not None and gamma.shape[0] != own.shape[1]:
                groups = self.model.n_heads if self.which == "q" else self.model.anatomy.n_kv_heads
                heads = list(range(0, self.model.n_heads, self.model.n_heads // groups))
        every = [(read(self.layer, one, folded=True), bias(self.layer, one, folded=True)) for one in heads]
        return torch.cat([one for one, _ in every], 1), torch.cat([one for _, one in every])


def looking(model: Model, layer: int, head: int, offset: int | None) -> Any:
    """Functions from rows of queries to what they look for among keys, and from rows of keys to who looks for them."""
    scales = None if model.family.qk_norm is None else (1.0, 1.0)
    matrix = model.weights.qk(layer, head, offset, norm_scales=scales)
    bias = model.weights.qk_bias(layer, head, offset, norm_scales=scales)

    def of_queries(rows: Tensor) -> Tensor:
        rows = rows.to(matrix.left)
        read, one = rows[:, :-1], rows[:, -1:]
        return torch.cat(
            [read @ matrix.left @ matrix.right + one * bias.key, read @ bias.query[:, None] + one * bias.constant], 1
        )

    def of_keys(rows: Tensor) -> Tensor:
        rows = rows.to(matrix.left)
        read, one = rows[:, :-1], rows[:, -1:]
        back = (matrix.left @ (matrix.right @ read.T)).T
        return torch.cat([back + one * bias.query, read @ bias.key[:, None] + one * bias.constant], 1)

    return of_queries, of_keys
