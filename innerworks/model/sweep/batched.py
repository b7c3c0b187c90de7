"""Many variants in one forward, as rows of a batch that join at the block their edits begin in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from innerworks.model.engine.forward import forward
from innerworks.model.engine.positions import keeper, metric_columns
from innerworks.model.sweep.joining import Joining
from innerworks.model.sweep.variants import EVERYTHING, Variant, beginning
from innerworks.model.taps import Session

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy
    from innerworks.model.batch import Batch
    from innerworks.model.metrics import Bound
    from innerworks.model.model import Model
    from innerworks.model.sweep.ties import Ties

__all__ = ["run_batched"]


def run_batched(
    model: Model, batch: Batch, variants: Sequence[Variant], bound: Bound, streams: dict[int, Tensor], ties: Ties
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
        for edit in [*standing, *variant.edits]:
            session.edit(edit, mine)
    ties.watch(session, first, wide.mask)
    prepare = []
    if first != EVERYTHING:
        counts = [prompts * sum(v.begin <= layer for v in rows) for layer in range(model.n_layers + 1)]
        prepare.append(_Rows(model.anatomy, session, counts, len(wide), streams).install)
    columns = metric_columns(batch, bound)
    keep = None if columns is None else keeper(columns * len(rows), batch.width)
    logits = forward(model.anatomy, session, wide, keep=keep, prepare=prepare)
    session.check_fired()
    assert logits is not None
    values = bound(logits)
    values = values.reshape(len(rows), prompts, *values.shape[1:])
    return values[[order.index(i) for i in range(len(order))]]


class _Rows(Joining):
    """Rows of a batch that join."""

    def __init__(
        self, anatomy: Anatomy, session: Session, counts: list[int], total: int, streams: dict[int, Tensor]
    ) -> None:
        super().__init__(anatomy, counts, total)
        self.session = session
        self.streams = streams

    def present(self, now: int) -> None:
        """The session's batch grows."""
        self.session.entries = now

    def joined(self, given: Tensor, layer: int, before: int, now: int) -> Tensor:
        """As many copies of the baseline's rows as variants begin here."""
        import torch

        stream = self.streams[layer].to(given)
        joining = stream.repeat((now - before) // stream.shape[0], 1, 1)
        return joining if before == 0 else torch.cat([given, joining])

    def cut(self, value: Tensor, now: int) -> Tensor:
        """The first rows of what has one per row (ALiBi: one per row and head)."""
        heads = self.anatomy.n_heads
        if value.shape[0] == self.total:
            return value[:now]
        if self.anatomy.family.alibi and value.shape[0] == self.total * heads:
            return value[: now * heads]
        return value
