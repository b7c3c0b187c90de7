"""Which variants go into which forward, by an estimate of what each way costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from innerworks.errors import EditError
from innerworks.model.stored import rows_share_rounding
from innerworks.model.sweep.packed import Suffix, can_pack
from innerworks.model.sweep.variants import EVERYTHING, Variant, first_position

if TYPE_CHECKING:
    from innerworks.model.batch import Batch
    from innerworks.model.metrics import Bound
    from innerworks.model.model import Model

__all__ = [
    "Limits",
    "Probes",
    "batch_limit",
    "chosen_plan",
    "chunks",
    "is_out_of_memory",
    "limits_for",
    "packing",
    "row_bytes",
    "suffixes",
]

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


@dataclass
class Probes:
    """Which forwards have a row without edits: the first, and then one for every few variants: it costs as much."""

    since: int = 8
    every: int = 8

    def due(self, variants: int) -> bool:
        """Whether such a row goes with the next variants."""
        self.since += variants
        if self.since < self.every:
            return False
        self.since = 0
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


def chosen_plan(model: Model, plan: str) -> str:
    """The plan asked for, or one by one where rows of a batch are not independent of each other."""
    return "single" if plan == "auto" and rows_share_rounding(model.module) else plan


def batch_limit(model: Model, batch: Batch, bound: Bound, limits: Limits) -> int:
    """How many tokens a batch of whole variants may have."""
    width = batch.width * len(batch)
    kept = bound.reads(batch.width)
    per_variant = row_bytes(model, batch.width, kept) * len(batch)
    return min(limits.tokens, max(1, limits.bytes * width // per_variant))


def packing(model: Model, batch: Batch, left: Sequence[Variant], bound: Bound, plan: str) -> list[list[Suffix]] | None:
    """Every prompt's variants with their first positions, where they are to share its keys; else None."""
    import torch

    if not left or (plan == "auto" and model.dtype == torch.float64):
        return None  # softmax is in float32 in most models, and over more keys it differs in its last bits
    rows = [suffixes(model, batch, row, left, bound) for row in range(len(batch))]
    if any(row is None for row in rows):
        if plan == "packed":
            raise EditError(
                "these variants cannot share the prompt's keys (edits of whole sites or attention, a metric over "
                "several positions, ALiBi, a short sliding window, a token mixer that is no attention, or nothing to "
                "gain): use plan='auto'."
            )
        return None
    return [row for row in rows if row is not None]


def suffixes(model: Model, batch: Batch, row: int, variants: Sequence[Variant], bound: Bound) -> list[Suffix] | None:
    """The variants with their first edited position on one prompt, if packing is exact and pays; else None."""
    across_prompts = len(batch) > 1 and any(edit.op == "call" for v in variants for edit in v.edits)
    if (
        not isinstance(bound.where, int)
        or across_prompts
        or not can_pack(model.anatomy, batch.lengths[row], model.resolved(()))
    ):
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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch has several, and on a CPU only the text tells."""
    import torch

    text = str(error)
    return (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "not enough memory" in text
        or "out of memory" in text
    )
