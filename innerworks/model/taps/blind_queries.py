"""The check that attention knocked out leaves every query a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from innerworks.errors import EditError

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.edits.values import Edit
    from innerworks.model.taps.layout import Layout

__all__ = ["refuse_blind_queries"]


def refuse_blind_queries(edit: Edit, before: Tensor, after: Tensor, layout: Layout, rows: range, offset: int) -> None:
    """Raise where a real query lost its last key: softmax would let it see every key alike, the future included."""
    import torch

    lowest = torch.finfo(after.dtype).min / 2
    lost = (before > lowest).any(-1) & ~(after > lowest).any(-1)
    if not bool(lost.any()):
        return
    for entry, head, query in lost.nonzero().tolist():
        for row in rows:
            position = layout.position_at(row, query + offset) if layout.batch_entry(row) == entry else -1
            if 0 <= position < layout.lengths[row] + layout.room[row]:
                raise EditError(
                    f"{edit} leaves the query at position {position} (head {head}) no key to attend to: name only "
                    "queries that keep one, such as query=slice(1, None)."
                )
