"""What a sweep would cost: the forwards its plan makes, without making them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from innerworks.model.batch import Batch
from innerworks.model.engine.positions import metric_columns
from innerworks.model.estimate.dry import Dry
from innerworks.model.estimate.result import Estimate
from innerworks.model.sweep.plan import Limits, Probes, batch_limit, chosen_plan, chunks, limits_for, packing, row_bytes
from innerworks.model.sweep.variants import Variant, comes_too_late, prepare

if TYPE_CHECKING:
    from innerworks.model.metrics import Bound
    from innerworks.model.model import Model
    from innerworks.model.sweep.packed import Suffix

__all__ = ["sweep_cost"]


class _Counted:
    """Forwards, tokens and tokens times layers."""

    def __init__(self, n_layers: int) -> None:
        self.n_layers = n_layers
        self.forwards = 0
        self.tokens = 0
        self.depth = 0.0
        self.largest = 0
        self.probes = Probes()

    def add(self, tokens: Sequence[int], begins: Sequence[int]) -> None:
        """One forward of parts with so many tokens each, which begin at these blocks."""
        self.forwards += 1
        self.tokens += sum(tokens)
        self.largest = max(self.largest, sum(tokens))
        for count, begin in zip(tokens, begins, strict=True):
            self.depth += count * (self.n_layers - max(begin, 0)) / self.n_layers


def sweep_cost(
    model: Model,
    dry: Dry,
    batch: Batch,
    variants: Mapping[Any, Any],
    metric: Any,
    weights: int,
    plan: Any,
    max_tokens: int | None,
    memory: int | None,
) -> Estimate:
    """At the most: variants that turn out to change nothing are not run."""
    import torch

    bound = model.bind(metric, batch)
    ready = prepare(model, batch, variants)
    left = [variant for variant in ready if not comes_too_late(variant, model.anatomy, batch, bound)]
    limits, plan = limits_for(model, max_tokens, memory), chosen_plan(model, plan)
    counted, width = _Counted(model.n_layers), batch.width * len(batch)
    counted.add([width], [0])
    run = len(left)
    packed = None if plan not in ("auto", "packed") else packing(model, batch, left, bound, plan)
    if plan == "single":
        how = "one by one"
        for _ in left:
            counted.add([width], [0])
    elif packed is not None:
        how = "packed"
        run = sum(_packed(counted, batch, row, suffixes, bound, limits) for row, suffixes in enumerate(packed))
    else:
        how = "batched"
        _batched(counted, model, batch, left, bound, limits)
    columns = metric_columns(batch, bound)
    meta = dry.batch(batch)
    with torch.no_grad(), dry.tracking() as whole:
        dry.forward(dry.session(meta, {})[0], meta, columns=columns)
    kept = bound.reads(batch.width)
    return Estimate(
        "a sweep",
        int(whole.flops * counted.depth / width),
        counted.forwards,
        counted.tokens,
        weights,
        working=row_bytes(model, batch.width, kept) * len(batch) * counted.largest // width,
        plans={how: run} if run else {},
        notes=(f"{len(ready) - len(left)} variants come too late to change anything",)
        if len(ready) > len(left)
        else (),
    )


def _batched(
    counted: _Counted, model: Model, batch: Batch, left: Sequence[Variant], bound: Bound, limits: Limits
) -> None:
    width = batch.width * len(batch)
    limit = batch_limit(model, batch, bound, limits)
    for chunk in chunks(left, lambda v: v.begin, lambda _: width, limit):
        begins = [v.begin for v in [*chunk, *chunk[: counted.probes.due(len(chunk))]]]
        counted.add([width] * len(begins), begins)


def _packed(counted: _Counted, batch: Batch, row: int, suffixes: Sequence[Suffix], bound: Bound, limits: Limits) -> int:
    """One prompt's variants; how many of them run."""
    end = batch.layout.positions(bound.last, row)[0] + 1
    todo = [suffix for suffix in suffixes if suffix.first < end]
    if not todo:
        return 0
    counted.forwards += 1  # the prompt's keys
    counted.depth += batch.lengths[row]
    for chunk in chunks(todo, lambda s: s.variant.begin, lambda s: end - s.first, limits.tokens):
        tokens = [end - s.first for s in chunk]
        probe = counted.probes.due(len(chunk))
        counted.add([*tokens, *[max(tokens)] * probe], [s.variant.begin for s in [*chunk, *chunk[:probe]]])
    return len(todo)
