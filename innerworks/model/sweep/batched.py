"""Many variants in one forward, as rows of a batch that join at the block their edits begin in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from innerworks.model.engine.forward import forward, pass_through
from innerworks.model.engine.positions import keeper, logit_columns
from innerworks.model.sweep.variants import EVERYTHING, Variant, beginning
from innerworks.model.taps import Session

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy
    from innerworks.model.batch import Batch
    from innerworks.model.metrics import Bound
    from innerworks.model.model import Model
    from innerworks.model.taps.patched import Patches

__all__ = ["run_batched"]


def run_batched(
    model: Model, batch: Batch, variants: Sequence[Variant], bound: Bound, streams: dict[int, Tensor]
) -> Tensor:
    """The metric of each variant, (variants, prompts). `streams` has the baseline's input of every beginning block."""
    order = sorted(range(len(variants)), key=lambda i: variants[i].begin)
    rows, prompts = [variants[i] for i in order], len(batch)
    wide = batch.repeated(len(rows))
    session = Session(model.anatomy, batch.layout.repeated(len(rows)), batch.width)
    first = rows[0].begin
    for number, variant in enumerate(rows):
        mine = range(number * prompts, (number + 1) * prompts)
        standing = [e for e in model.resolved(()) if beginning(e.site, model.anatomy) >= variant.begin]
        for edit in [*variant.edits, *standing]:
            session.edit(edit, mine)
    prepare = []
    if first != EVERYTHING:
        counts = [prompts * sum(v.begin <= layer for v in rows) for layer in range(model.n_layers)]
        join = _Join(model.anatomy, session, counts, len(wide), streams)
        prepare.append(join.install)
    columns = None if bound.where == "all" else logit_columns(batch, bound.where)
    keep = None if columns is None else keeper(columns * len(rows), batch.width)
    logits = forward(model.anatomy, session, wide, keep=keep, prepare=prepare)
    session.check_fired()
    assert logits is not None
    values = bound(logits).reshape(len(rows), prompts)
    return values[[order.index(i) for i in range(len(order))]]


class _Join:
    """Pre-hooks on the blocks: rows enter at their own block, and the arguments are cut to the rows present."""

    def __init__(
        self, anatomy: Anatomy, session: Session, counts: list[int], total: int, streams: dict[int, Tensor]
    ) -> None:
        self.anatomy = anatomy
        self.session = session
        self.counts = counts
        self.total = total
        self.streams = streams
        self.first = next(layer for layer, count in enumerate(counts) if count)

    def install(self, patches: Patches) -> None:
        """Blocks before the first beginning pass on; the others take in their rows."""
        pass_through(patches, self.anatomy, self.first)
        for layer in range(self.first, self.anatomy.n_layers):
            patches.pre_hook(self.anatomy.blocks[layer], self._entering(layer))

    def _entering(self, layer: int) -> Any:
        before = self.counts[layer - 1] if layer > self.first else 0
        now = self.counts[layer]

        def hook(_: Any, args: Any, kwargs: Any) -> Any:
            given = args[0] if args else kwargs["hidden_states"]
            stream = self._joined(given, layer, before, now)
            self.session.entries = now
            rest = tuple(self._cut(a, now) for a in args[1:])
            named = {k: self._cut(v, now) for k, v in kwargs.items()}
            return ((stream, *rest), named) if args else (args, {**named, "hidden_states": stream})

        return hook

    def _joined(self, given: Tensor, layer: int, before: int, now: int) -> Tensor:
        if now == before:
            return given
        import torch

        stream = self.streams[layer].to(given)
        joining = stream.repeat((now - before) // stream.shape[0], 1, 1)
        return joining if before == 0 else torch.cat([given, joining])

    def _cut(self, value: Any, now: int) -> Any:
        if isinstance(value, tuple):
            return tuple(self._cut(v, now) for v in value)
        if now == self.total or getattr(value, "dim", lambda: 0)() < 2:
            return value
        if value.shape[0] == self.total:
            return value[:now]
        heads = self.anatomy.n_heads
        if self.anatomy.family.alibi and value.shape[0] == self.total * heads:
            return value[: now * heads]
        return value
