"""A static cache holds room for keys that are still to be written: they are hidden from sites, and kept as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["of_written_keys"]


def of_written_keys(
    process: Callable[[Tensor], Tensor], raw: Tensor, dim: int, written: int, behind: int = 0
) -> Tensor:
    """What `process` makes of a tensor's first `written` entries along a dimension, and of the last `behind` ones.

    Behind the keys a sink may have its column. Where nothing is unwritten, or nothing was changed, that is all.
    """
    room = raw.shape[dim] - behind
    if room <= written:
        return process(raw)
    import torch

    last = raw.narrow(dim, room, behind)
    shown = torch.cat([raw.narrow(dim, 0, written), last], dim)
    new = process(shown)
    if new is shown:
        return raw
    unwritten = raw.narrow(dim, written, room - written)
    return torch.cat([new.narrow(dim, 0, written), unwritten, new.narrow(dim, written, behind)], dim)
