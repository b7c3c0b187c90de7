"""The rotary rotation between two positions, with the frequencies that the model's own modules hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from innerworks.errors import AnatomyError, SiteError
from innerworks.model.weights.factored import at_least_float32

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy

__all__ = ["Rotation", "rotation"]


@dataclass(frozen=True)
class Rotation:
    """Turns each pair of coordinates by its angle; coordinates beyond the rotary ones stay as they are.

    `amplitude` is what a rotated query and a rotated key are multiplied with together (YaRN and its like).
    """

    cos: Tensor
    sin: Tensor
    pairs: Literal["halves", "neighbours"]
    amplitude: float = 1.0

    def __call__(self, rows: Tensor) -> Tensor:
        """Each row [..., d_head] as a query seen from `offset` positions further on."""
        import torch

        rows = at_least_float32(rows)
        cos, sin = (self.amplitude * part.to(rows) for part in (self.cos, self.sin))
        n = cos.shape[-1]
        turned, rest = rows[..., : 2 * n], rows[..., 2 * n :]
        if self.pairs == "halves":
            first, second = turned[..., :n], turned[..., n:]
        else:
            first, second = turned[..., 0::2], turned[..., 1::2]
        new = (first * cos - second * sin, second * cos + first * sin)
        joined = torch.cat(new, -1) if self.pairs == "halves" else torch.stack(new, -1).flatten(-2)
        return torch.cat([joined, rest], -1)


def rotation(anatomy: Anatomy, layer: int, offset: int) -> Rotation:
    """The rotation of a query `offset` positions after its key, in this layer."""
    pairs = anatomy.family.rotary_pairs
    attn: Any = anatomy.part(layer, anatomy.in_layer(layer).attn)
    # Models whose layers differ in their frequencies keep them under the layer's type.
    types = getattr(anatomy.config, "layer_types", None)
    prefixes = ("",) if types is None else ("", f"{types[layer]}_")
    for module in _near(anatomy, layer):
        for prefix in prefixes:
            frequencies = getattr(module, f"{prefix}inv_freq", None)
            if frequencies is not None:
                angles = _exact(frequencies.float()) * offset
                amplitude = float(getattr(module, f"{prefix}attention_scaling", 1.0)) ** 2
                return Rotation(angles.cos(), angles.sin(), pairs, amplitude)
    table = getattr(attn, "embed_positions", None)
    if table is None:
        raise AnatomyError(
            f"no module of {anatomy.family.model_type} holds rotary frequencies (inv_freq) or a table of "
            "them, so its rotation is not known."
        )
    return _from_table(table, offset, pairs)


def _near(anatomy: Anatomy, layer: int) -> Iterator[Any]:
    """Modules from the attention layer outwards, so that the nearest frequencies are found first."""
    yield from anatomy.part(layer, anatomy.in_layer(layer).attn).modules()
    stack = anatomy.family.blocks.rpartition(".")[0]
    yield from anatomy.module.get_submodule(stack).children()


def _from_table(table: Tensor, offset: int, pairs: Literal["halves", "neighbours"]) -> Rotation:
    """From rows of (sine, cosine) of each position's angles."""
    if abs(offset) >= table.shape[0]:
        raise SiteError(f"offset {offset} is beyond the {table.shape[0]} positions that this model's table holds.")
    sin, cos = _exact(table[abs(offset)]).chunk(2)
    return Rotation(cos, sin if offset >= 0 else -sin, pairs)


def _exact(values: Tensor) -> Tensor:
    """In float64, where every device has it: on the CPU (but values without storage stay where they are)."""
    values = values.detach()
    return (values if values.is_meta else values.cpu()).double()
