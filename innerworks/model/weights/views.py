"""What all weight views stand on: the anatomy, checked indices, and the norms next to each matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from innerworks.errors import AnatomyError, NonFiniteError, SiteError
from innerworks.model.sites.selectors import as_selector, pick
from innerworks.model.stored import no_numbers
from innerworks.model.weights.factored import at_least_float32
from innerworks.model.weights.norm import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy

__all__ = ["Views"]


class Views:
    """Views of one model's weights. Nothing is computed before it is asked for, and nothing is kept."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy

    def check_finite(self, layers: Iterable[int] | None = None) -> None:
        """Raise, with its name, where a parameter holds NaN or infinity: outside the blocks, and in these (all)."""
        blocks = f"{self.anatomy.family.blocks}."
        looked = range(self.anatomy.n_layers) if layers is None else map(self._layer, layers)
        inside = tuple(f"{blocks}{layer}." for layer in looked)
        found = no_numbers(self.anatomy.module, lambda name: not name.startswith(blocks) or name.startswith(inside))
        if found is not None:
            raise NonFiniteError(found)

    def attn_norm(self, layer: int) -> Norm | None:
        """The norm attention reads the stream through; None where it reads the stream itself."""
        return self._norm(layer, self.anatomy.in_layer(self._layer(layer)).attn_norm)

    def mlp_norm(self, layer: int) -> Norm | None:
        """The norm the MLP reads the stream through; None where it reads the stream itself."""
        return self._norm(layer, self.anatomy.in_layer(self._layer(layer)).mlp_norm)

    def attn_post(self, layer: int) -> Norm | None:
        """The norm on attention's output, before it is added to the stream; None where there is none."""
        return self._norm(layer, self.anatomy.in_layer(self._layer(layer)).attn_post)

    def mlp_post(self, layer: int) -> Norm | None:
        """The norm on the MLP's output, before it is added to the stream; None where there is none."""
        return self._norm(layer, self.anatomy.in_layer(self._layer(layer)).mlp_post)

    @property
    def final_norm(self) -> Norm | None:
        """The norm before the unembedding; None where there is none."""
        module = self.anatomy.final_norm
        return None if module is None else self._as_norm(module)

    @property
    def residual_scale(self) -> float:
        """What every contribution to the stream is multiplied with (1 for most families)."""
        return self.anatomy.residual_scale

    @property
    def score_softcap(self) -> float | None:
        """c where attention scores pass through c·tanh(score / c); None for most families."""
        return self._number("score_softcap")

    @property
    def logit_scale(self) -> float:
        """What the unembedding's output is multiplied with (1 for most families)."""
        return self._number("logit_scale") or 1.0

    @property
    def logit_softcap(self) -> float | None:
        """c where logits pass through c·tanh(logit / c); None for most families."""
        return self._number("logit_softcap")

    def _number(self, field: str) -> float | None:
        value = self.anatomy.family.setting(field, self.anatomy.config)
        return None if value is None else float(value)

    def _norm(self, layer: int, path: str | None) -> Norm | None:
        layer = self._layer(layer)
        return None if path is None else self._as_norm(self.anatomy.part(layer, path))

    def _as_norm(self, module: Any) -> Norm:
        return Norm(module, self.anatomy.family.norm, self.anatomy.family.norm_eps)

    def _layer(self, layer: Any) -> int:
        return _index(layer, self.anatomy.n_layers, "layer")

    def _layer_with(self, layer: Any, *kinds: str) -> int:
        """The layer's number, if it has these kinds of site; otherwise the reason why not."""
        number = self._layer(layer)
        for kind in kinds:
            self.anatomy.check_layer(kind, number)
        return number

    def _check_circuits(self) -> None:
        """Raise where matrices alone do not say what goes from stream to stream."""
        why = self.anatomy.family.no_circuits
        if why is not None:
            raise AnatomyError(f"{self.anatomy.family.model_type}: {why}. Matrices as stored (folded=False) are there.")

    def _head(self, head: Any) -> int:
        return _index(head, self.anatomy.n_heads, "head")

    def _neuron(self, neuron: Any, size: int) -> int:
        return _index(neuron, size, "neuron")

    def _expert(self, expert: Any) -> int:
        return _index(expert, self.anatomy.n_experts, "expert")

    def _reading(self, weight: Tensor, norm: Norm | None, folded: bool) -> Tensor:
        if not folded:
            return weight
        self._check_circuits()
        return at_least_float32(weight) if norm is None else norm.into_reader(weight)

    def _reading_bias(self, weight: Tensor, bias: Tensor, norm: Norm | None, folded: bool) -> Tensor:
        if not folded:
            return bias
        return at_least_float32(bias) if norm is None else norm.into_reader_bias(weight, bias)

    def _writing(self, weight: Tensor, post: Norm | None, folded: bool) -> Tensor:
        if not folded:
            return weight
        self._check_circuits()
        written = at_least_float32(weight) if post is None else post.into_writer(weight)
        return written if self.residual_scale == 1.0 else written * self.residual_scale


def _index(value: Any, size: int, what: str) -> int:
    selector = as_selector(value, what)
    if not isinstance(selector, int):
        raise SiteError(f"weights are looked at one {what} at a time: give a number, not {value!r}.")
    return pick(selector, size, what)[0]
