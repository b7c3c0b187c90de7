"""The matrices between tokens and the stream: embeddings in, the unembedding out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from innerworks.errors import SiteError
from innerworks.model.stored import device_of, stored
from innerworks.model.weights.factored import at_least_float32
from innerworks.model.weights.projections import bias_of, matrix_of
from innerworks.model.weights.views import Views

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ReadOut", "Vocabulary"]

_CHUNK = 8192


class ReadOut(NamedTuple):
    """`x / scale @ weight + bias` are the logits before a soft cap; `weight` is [d, n], `bias` [n]."""

    weight: Tensor
    bias: Tensor


class Vocabulary(Views):
    """What each token puts into the stream, and what the stream must hold to give it a logit."""

    @property
    def embed(self) -> Tensor:
        """What each token puts into the stream, [V, d], the family's scale and embedding norm included.

        A view of the embedding's memory where nothing has to be applied, otherwise computed at each access.
        """
        import torch

        module = self.anatomy.embedding
        weight = _table(module)
        if type(module) is torch.nn.Embedding and self._embed_scale == 1.0 and self._embed_norm is None:
            return weight
        return self.embed_rows(torch.arange(weight.shape[0], device=weight.device))

    def embed_rows(self, tokens: Any) -> Tensor:
        """The rows of `embed` for some token ids, [tokens, d]."""
        import torch

        module = self.anatomy.embedding
        ids = torch.as_tensor(tokens, device=device_of(module))
        with torch.no_grad():
            # The module is called because some scale their output themselves.
            rows: Tensor = module(ids)
            rows = rows if self._embed_scale == 1.0 else rows * self._embed_scale
            return rows if self._embed_norm is None else self._embed_norm(rows)

    @property
    def pos_embed(self) -> Tensor:
        """The learned embedding of each position, [positions, d], a view; an error where there is none."""
        path = self.anatomy.family.pos_embed
        if path is None:
            raise SiteError(f"{self.anatomy.family.model_type} has no pos_embed: {self.anatomy.missing['pos_embed']}.")
        module: Any = self.anatomy.module.get_submodule(path)
        # Sinusoids are no parameter, and have another name.
        weight = _table(module, "weights" if hasattr(module, "weights") else "weight")
        # OPT keeps rows in front of position 0 that no position uses.
        return weight[int(getattr(module, "offset", 0)) :]

    @property
    def unembed(self) -> Tensor:
        """The unembedding as stored, [d, V], a view."""
        return matrix_of(self.anatomy.unembedding)

    @property
    def unembed_bias(self) -> Tensor:
        """The unembedding's bias as stored, [V]; zeros where there is none."""
        return bias_of(self.anatomy.unembedding)

    def readout(self, tokens: Any = None) -> ReadOut:
        """The unembedding of some tokens (all by default), the final norm and the logit scale folded in.

        `x / final_norm.scale(x) @ weight + bias` are the model's logits; where it has a `logit_softcap` c
        they still go through c·tanh(logit / c).
        """
        import torch

        weight, bias = self.unembed, self.unembed_bias
        if tokens is not None:
            ids = torch.as_tensor(tokens, device=weight.device)
            weight, bias = weight[:, ids], bias[ids]
        norm, scale = self.final_norm, self.logit_scale
        folded = self._reading(weight, norm, True)
        folded_bias = self._reading_bias(weight, bias, norm, True)
        return ReadOut(folded if scale == 1.0 else folded * scale, folded_bias * scale)

    def logits(self, stream: Tensor) -> Tensor:
        """What the model would predict from vectors of the stream, [..., d] to [..., V].

        Through its own final norm and unembedding, then the logit scale and the soft cap: each vector is normed by its
        own statistics. Of the stream behind the last block these are the model's logits.
        """
        import torch

        norm = self.anatomy.final_norm
        logits: Tensor = self.anatomy.unembedding(stream if norm is None else norm(stream))
        scale, cap = self.logit_scale, self.logit_softcap
        logits = logits if scale == 1.0 else logits * scale
        return logits if cap is None else torch.tanh(logits / cap) * cap

    def into_readout(self, written: Tensor) -> Tensor:
        """Vectors [..., d] through the final norm's linear part and the logit scale, ready for `unembed`.

        `into_readout(x) @ unembed` is `x @ readout().weight`, at the cost of the vectors and not of the
        vocabulary.
        """
        norm = self.final_norm
        read = at_least_float32(written) if norm is None else norm.into_writer(written)
        return read * self.logit_scale

    @property
    def _embed_scale(self) -> float:
        return self._number("embed_scale") or 1.0

    @property
    def _embed_norm(self) -> Any:
        path = self.anatomy.family.embed_norm
        return None if path is None else self.anatomy.module.get_submodule(path)

    def _vocabulary_chunks(self, device: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Embedding rows and the same tokens' unembedding columns, a few thousand tokens at a time."""
        import torch

        both = min(self.anatomy.embedding.weight.shape[0], self.anatomy.n_vocab)
        unembed = self.unembed
        for start in range(0, both, _CHUNK):
            stop = min(start + _CHUNK, both)
            rows = self.embed_rows(torch.arange(start, stop))
            columns = unembed[:, start:stop]
            yield at_least_float32(rows).to(device), at_least_float32(columns).to(device)


def _table(module: Any, name: str = "weight") -> Tensor:
    table = stored(module, name)
    assert table is not None
    return table
