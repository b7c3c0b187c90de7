"""`Weights`: the circuits that a model's matrices form, factored and virtually folded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from innerworks.errors import AnatomyError, SiteError
from innerworks.model.weights.composition import Composition, compose
from innerworks.model.weights.copying import Between, between, replaced, score_of, small_eigenvalues
from innerworks.model.weights.factored import SVD, Factored, at_least_float32, only_numbers
from innerworks.model.weights.low_rank import LowRanks
from innerworks.model.weights.norm import Norm
from innerworks.model.weights.rotation import rotation
from innerworks.model.weights.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Embeddings = Callable[[Any], Tensor]

__all__ = ["QueryKeyBias", "Weights"]

Scales = tuple[float, float]


class QueryKeyBias(NamedTuple):
    """What biases add to `x_query @ qk @ x_key`: `x_query @ query + x_key @ key + constant`.

    `key` is what a head prefers to look at whatever the query; `query` and `constant` cancel in the softmax.
    """

    query: Tensor
    key: Tensor
    constant: Tensor


class Weights(LowRanks, Vocabulary):
    """A model's weights as matrices that rows are multiplied with (x is 1 × d), and the circuits they form.

    Single matrices (`q`, `k`, `v`, `o`, `neuron_in`, `gate`, `neuron_out`, `router`) come as stored unless
    `folded=True`; the unembedding is `unembed` as stored and `readout` folded; circuits (`ov`, `qk`, `full_ov`,
    copying scores, `composition`) go from stream to stream and are folded unless `folded=False`. Nothing is changed
    in the model and nothing is kept. No d × d or V × V matrix is formed unless `.dense()` asks for it, but for the
    one d × d matrix of `copying_scores`.
    """

    def ov(self, layer: int, head: int, *, folded: bool = True) -> Factored:
        """W_V W_O, d × d of rank d_head: what a head writes when it attends to a position.

        Folded, `x / attn_norm.scale(x) @ ov` is the write; the division by a post-norm's scale, which
        depends on all heads together, is left out.
        """
        self._check_circuits()
        return self._product(self.v(layer, head, folded=folded), self.o(layer, head, folded=folded))

    def ov_bias(self, layer: int, head: int, *, folded: bool = True) -> Tensor:
        """b_V W_O, [d]: what a head writes wherever it attends, as a row of attention sums to 1.

        (Not quite so for models with attention sinks, whose rows over real keys sum to less.)
        """
        bias = at_least_float32(self.v_bias(layer, head, folded=folded))
        return bias @ at_least_float32(self.o(layer, head, folded=folded)).to(bias)

    def qk(
        self,
        layer: int,
        head: int,
        offset: int | None = None,
        *,
        folded: bool = True,
        norm_scales: Scales | None = None,
    ) -> Factored:
        """W_Q R W_Kᵀ times the model's score scale, d × d of rank d_head: rows are queries, columns keys.

        `offset` is the query's position less the key's. R is the model's own rotation over that distance:
        rotary models need it, in others the matrix is the same at every offset. A model that normalises its
        queries and keys has no such matrix unless the two denominators are given as `norm_scales=(query's,
        key's)`. Before a soft cap and the mask; ALiBi's term is `alibi_slope`, that of the biases
        `qk_bias`.
        """
        query, key, scale = self._query_key(layer, head, offset, folded, norm_scales)
        return self._product(query[:-1] * scale, key[:-1].T)

    def qk_bias(
        self,
        layer: int,
        head: int,
        offset: int | None = None,
        *,
        folded: bool = True,
        norm_scales: Scales | None = None,
    ) -> QueryKeyBias:
        """What the query's and the key's biases add to a score, for the same arguments as `qk`."""
        query, key, scale = self._query_key(layer, head, offset, folded, norm_scales)
        q_bias, k_bias = query[-1] * scale, key[-1]
        return QueryKeyBias(query[:-1] @ k_bias * scale, key[:-1] @ q_bias, q_bias @ k_bias)

    def _query_key(
        self, layer: int, head: int, offset: int | None, folded: bool, norm_scales: Scales | None
    ) -> tuple[Tensor, Tensor, float]:
        """Rotated queries and keys, [d + 1, d_head] with the bias as last row, and the score scale."""
        import torch

        self._check_circuits()
        layer, head = self._layer_with(layer, "z"), self._head(head)
        pair = []
        for which in ("q", "k"):
            weight = at_least_float32(self._read(which, layer, head, folded))
            bias = at_least_float32(self._read_bias(which, layer, head, folded))
            pair.append(torch.cat([weight, bias[None]]))
        if self.anatomy.qkv_clip(layer) is not None:
            raise AnatomyError(
                f"{self.anatomy.family.model_type} cuts queries and keys to a range: there is no matrix."
            )
        query, key = self._query_key_normed(layer, head, pair, norm_scales)
        if self.anatomy.rotates(layer):
            if self.anatomy.family.guessed:
                raise AnatomyError(
                    f"the record of {self.anatomy.family.model_type!r} was guessed, and a guess does not know how it "
                    "rotates queries and keys: pass a record of your own with load(..., family=...)."
                )
            if offset is None:
                raise SiteError(
                    f"{self.anatomy.family.model_type} rotates queries and keys by their positions, so its "
                    "QK matrix depends on their distance: give offset = query position - key position "
                    "(0 is allowed)."
                )
            query = rotation(self.anatomy, layer, int(offset))(query)
        return query, key, self.score_scale(layer)

    def _query_key_normed(self, layer: int, head: int, pair: list[Tensor], norm_scales: Scales | None) -> list[Tensor]:
        family = self.anatomy.family
        if family.qk_norm is None:
            return pair
        if norm_scales is None:
            raise SiteError(
                f"{family.model_type} normalises queries and keys, so its scores are not bilinear: "
                "freeze the two norms with norm_scales=(query's denominator, key's denominator), (1, 1) for "
                "directions alone."
            )
        if family.qk_norm_after_rotary:
            raise AnatomyError(
                f"{family.model_type} normalises queries and keys after their rotation, so its scores depend on both "
                "positions and not on their distance alone."
            )
        if family.norm.startswith("layer"):
            raise AnatomyError(f"{family.model_type}: a LayerNorm on queries and keys cannot be folded.")
        normed, width = [], pair[0].shape[1]
        groups = (head, head * self.anatomy.n_kv_heads // self.anatomy.n_heads)
        for rows, path, scale, group in zip(pair, family.qk_norm, norm_scales, groups, strict=True):
            gamma = Norm(self.anatomy.part(layer, path), family.norm).gamma
            assert gamma is not None
            own = gamma if gamma.shape[0] == width else gamma[group * width : (group + 1) * width]
            normed.append(rows * own.to(rows) / scale)
        return normed

    def score_scale(self, layer: int) -> float:
        """What the product of a query and a key is multiplied with: usually 1/√d_head."""
        layer = self._layer_with(layer, "z")
        attn = self.anatomy.part(layer, self.anatomy.in_layer(layer).attn)
        scale = self.anatomy.family.score_scale.of(attn)
        if scale is None:
            raise AnatomyError(
                f"{type(attn).__name__} has no {self.anatomy.family.score_scale.name!r}, which the record of "
                f"{self.anatomy.family.model_type!r} gives as its score scale."
            )
        return float(scale)

    def alibi_slope(self, layer: int, head: int) -> float:
        """m where a score falls by m per position between query and key (ALiBi)."""
        import torch

        family = self.anatomy.family
        self._layer(layer)
        if not family.alibi:
            raise SiteError(f"{family.model_type} has no ALiBi: its scores do not fall with distance by a slope.")
        stack: Any = self.anatomy.module.get_submodule(family.blocks.rpartition(".")[0])
        if family.alibi_table is None:
            raise AnatomyError(f"{family.model_type} has ALiBi, but how it works out the slopes is not known.")
        table = getattr(stack, family.alibi_table)(torch.ones(1, 2), self.anatomy.n_heads, torch.float32)
        per_head = table.reshape(self.anatomy.n_heads, 2)[self._head(head)]
        return float(per_head[1] - per_head[0])

    def full_ov(self, layer: int, head: int, tokens: Any, outputs: Any = None, *, folded: bool = True) -> Tensor:
        """W_E W_OV W_U between some tokens: what attending to one (rows) does to another's logit (columns).

        `outputs` are `tokens` themselves by default. Up to the divisions by the norms' scales.
        """
        ov = self.ov(layer, head, folded=folded)
        read = at_least_float32(self.embed_rows(tokens)).to(ov.left) @ ov.left
        columns = self.unembed[:, _ids(tokens if outputs is None else outputs, self.unembed)]
        written = self.into_readout(ov.right) if folded else ov.right
        return read @ (written @ at_least_float32(columns).to(written))

    def copying_score(self, layer: int, head: int, *, folded: bool = True) -> float:
        """Σ Re λ / Σ |λ| of W_E W_OV W_U: +1 where attending to tokens raises their logits, -1 where it lowers.

        Elhage 2021. The eigenvalues come from a d_head × d_head matrix. NaN where they vanish: a head that
        writes nothing, or nothing that logits read, neither copies nor suppresses.
        """
        ov = self.ov(layer, head, folded=folded)
        written = self.into_readout(ov.right) if folded else ov.right
        inner = written.new_zeros(ov.rank, ov.rank)
        read_size, unembed_size = 0.0, 0.0
        for rows, columns in self._vocabulary_chunks(ov.device):
            read = rows.to(ov.left) @ ov.left
            inner += (written @ columns.to(written)) @ read
            read_size += float(read.square().sum())
            unembed_size += float(columns.square().sum())
        return float(score_of(small_eigenvalues(inner, math.sqrt(read_size * unembed_size) * float(written.norm()))))

    def copying_scores(self, *, folded: bool = True) -> Tensor:
        """`copying_score` of every head, [layer, head], in one pass over the vocabulary.

        Forms W_U W_E, which is d × d, to do so.
        """
        layers = range(self.anatomy.n_layers)
        eigenvalues = self.copying_core(folded=folded).eigenvalues(self, layers, self.anatomy.n_heads, folded=folded)
        return score_of(eigenvalues).cpu()

    def copying_core(self, *, folded: bool = True, layer: int = 0, embeddings: Embeddings | None = None) -> Between:
        """W_U W_E, [d, d], in one pass over the vocabulary; `embeddings` of token ids, where they are other ones.

        Its `eigenvalues` are those of heads' full OV circuits. It lies where that layer's matrices do.
        """
        left = self.ov(layer, 0, folded=folded).left
        chunks = self._vocabulary_chunks(left.device)
        return between(chunks if embeddings is None else replaced(chunks, embeddings), left)

    def composition(self, kind: Literal["Q", "K", "V"], *, offset: int = 0, folded: bool = True) -> Composition:
        """How much every head's queries, keys or values read of what every earlier head writes.

        ‖W_OV W_QK‖, ‖W_OV W_QKᵀ‖ or ‖W_OV W_OV'‖ in Frobenius norms over the norms of the two (Elhage
        2021), with two baselines. The scales that depend on the data (norms', post-norms', of normalised
        queries and keys) cancel. In rotary models W_QK is taken at `offset`, by default at distance 0.
        """
        if kind not in ("Q", "K", "V"):
            raise SiteError(f"there is no composition {kind!r}: the kinds are 'Q', 'K' and 'V'.")
        scales = None if self.anatomy.family.qk_norm is None else (1.0, 1.0)

        def writer(layer: int, head: int) -> Factored:
            return self.ov(layer, head, folded=folded)

        def reader(layer: int, head: int) -> Factored:
            if kind == "V":
                return self.ov(layer, head, folded=folded)
            both = self.qk(layer, head, offset, folded=folded, norm_scales=scales)
            return both if kind == "Q" else both.T

        return compose(kind, self.anatomy.n_layers, self.anatomy.n_heads, writer, reader)

    def svd(self, layer: int, kind: str, head: int | None = None, **options: Any) -> SVD:
        """The singular value decomposition of a head's "ov", "qk", "q", "k", "v" or "o", or of an MLP matrix.

        The MLP's are "neuron_in", "gate", "neuron_out" and "router". `options` are those of the method of
        that name.
        """
        import torch

        if kind not in (*_PER_HEAD, *_PER_LAYER):
            raise SiteError(f"there are no weights {kind!r}: svd takes {', '.join((*_PER_HEAD, *_PER_LAYER))}.")
        if (head is None) == (kind in _PER_HEAD):
            raise SiteError(f"svd of {kind!r} takes {'a' if head is None else 'no'} head, got {head!r}.")
        found = getattr(self, kind)(layer, *(() if head is None else (head,)), **options)
        if isinstance(found, Factored):
            return found.svd()
        return SVD(
            *torch.linalg.svd(only_numbers(at_least_float32(found), f"{kind} of layer {layer}"), full_matrices=False)
        )

    @staticmethod
    def _product(left: Tensor, right: Tensor) -> Factored:
        left = at_least_float32(left)
        return Factored(left, at_least_float32(right).to(left))


_PER_HEAD = ("ov", "qk", "q", "k", "v", "o")
_PER_LAYER = ("neuron_in", "gate", "neuron_out", "router")


def _ids(tokens: Any, like: Tensor) -> Tensor:
    import torch

    return torch.as_tensor(tokens, device=like.device)
