"""Which variants go into which forward, by an estimate of what each way costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from innerworks.model.sweep.packed import Suffix, can_pack
from innerworks.model.sweep.variants import EVERYTHING, Variant, first_position

if TYPE_CHECKING:
    from innerworks.model.batch import Batch
    from innerworks.model.metrics import Bound
    from innerworks.model.model import Model

__all__ = ["Limits", "chunks", "limits_for", "suffixes"]

_PACKING_OVERHEAD = 1.15
"""What a packed token costs more than a batched one: an explicit mask, keys of the prompt beside its own."""


@dataclass
class Limits:
    """How many tokens one forward may have, and how many bytes of activations."""

    tokens: int
    bytes: int

    def halve(self) -> bool:
        """Take smaller steps from now on; False when they cannot get smaller."""
        if self.tokens <= 1:
            return False
        self.tokens //= 2
        self.bytes //= 2
        return True


def limits_for(model: Model, tokens: int | None, memory: int | None) -> Limits:
    """Defaults for the device: enough tokens to be compute-bound, half of the memory that is free."""
    device = model.device.type
    default = 8192 if device == "cuda" else 640
    return Limits(tokens or default, memory or _free_memory(model.device) // 2)


def _free_memory(device: Any) -> int:
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo") as file:
            rows = dict(line.split(":", 1) for line in file)
        return int(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return 4 << 30


def row_bytes(model: Model, width: int, kept: int) -> int:
    """What one row of a batch takes while a block runs, and its logits."""
    a, size = model.anatomy, model.dtype.itemsize
    d_mlp = 4 * a.d_model if a.family.down is None and a.family.experts is None else a.d_mlp
    activations = width * (8 * a.d_model + 3 * d_mlp + 2 * a.n_heads * width) * size
    return int(activations + kept * a.n_vocab * (size + 8))


def suffixes(model: Model, batch: Batch, row: int, variants: Sequence[Variant], bound: Bound) -> list[Suffix] | None:
    """The variants with their first edited position on one prompt, if packing is exact and pays; else None."""
    across_prompts = len(batch) > 1 and any(edit.op == "call" for v in variants for edit in v.edits)
    if bound.where == "all" or across_prompts or not can_pack(model.anatomy, batch.lengths[row], model.resolved(())):
        return None
    end = batch.layout.positions(bound.where, row)[0] + 1
    found, packed, batched = [], 0.0, 0
    for variant in variants:
        first = first_position(variant, model.anatomy, batch.layout, row)
        if first is None:
            return None
        layers = model.n_layers - max(variant.begin, 0)
        found.append(Suffix(variant, first))
        packed += max(end - first, 0) * layers
        batched += batch.lengths[row] * layers
    return found if packed * _PACKING_OVERHEAD < batched else None


def chunks(
    items: Sequence[Any], begin: Callable[[Any], int], cost: Callable[[Any], int], limit: int
) -> list[list[Any]]:
    """Items in the order of their beginning, as many together as the limit allows, never mixing in the embeddings."""
    out: list[list[Any]] = []
    spent = 0
    for item in sorted(items, key=begin):
        fits = bool(out) and spent + cost(item) <= limit
        same = bool(out) and (begin(out[-1][0]) == EVERYTHING) == (begin(item) == EVERYTHING)
        if fits and same:
            out[-1].append(item)
            spent += cost(item)
        else:
            out.append([item])
            spent = cost(item)
    return out
