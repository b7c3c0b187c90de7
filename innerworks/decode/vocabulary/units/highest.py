"""The highest activations of many units, kept while a corpus goes by."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from innerworks.decode.vocabulary.units.windows import windows

__all__ = ["Highest"]


@dataclass(frozen=True)
class Highest:
    """Each unit's highest tokens: of each context its highest, and of contexts that read the same, the first of them.

    A value: `after` gives a new one, so that what was kept is whole whenever the work is stopped.
    """

    values: Tensor
    """[unit, rank], falling; -inf where there are no more."""
    rows: Tensor
    """[unit, rank], which context; -1 where there are no more."""
    positions: Tensor
    keys: Tensor
    """[unit, rank], the same for tokens before which the same is read."""
    windows: Tensor
    """[unit, rank, offset]"""

    @classmethod
    def none(cls, units: int, top: int, window: int, like: Tensor) -> Highest:
        """Nothing seen yet."""
        whole = torch.full((units, top), -1, dtype=torch.long, device=like.device)
        return cls(
            like.new_full((units, top), -torch.inf),
            whole,
            whole.clone(),
            torch.zeros_like(whole),
            like.new_full((units, top, 2 * window + 1), torch.nan),
        )

    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def after(self, values: Tensor, keys: Tensor, first: int, skip: int) -> Highest:
        """What is kept when values [unit, row, position] of the contexts from number `first` on were seen."""
        best, where = values[:, :, skip:].max(-1)
        lines = (best > self.values[:, -1:]).any(1).nonzero()[:, 0]
        if not len(lines):
            return self
        best, where = best[lines], where[lines] + skip
        rows = torch.arange(values.shape[1], device=values.device).expand_as(where)
        merged = {
            "values": torch.cat([self.values[lines], best], 1),
            "rows": torch.cat([self.rows[lines], rows + first], 1),
            "positions": torch.cat([self.positions[lines], where], 1),
            "keys": torch.cat([self.keys[lines], keys[rows, where]], 1),
        }
        found, chosen = _distinct_highest(merged["values"], merged["keys"], self.values.shape[1])
        none = found == -torch.inf
        kept = {name: one.gather(1, chosen).masked_fill(none, -1) for name, one in merged.items()}
        kept |= {"values": found, "windows": self._windows(values, lines, where, chosen)}
        kept["windows"].masked_fill_(none[:, :, None], torch.nan)
        return replace(self, **{name: getattr(self, name).index_copy(0, lines, one) for name, one in kept.items()})

    def _windows(self, values: Tensor, lines: Tensor, where: Tensor, chosen: Tensor) -> Tensor:
        """The windows of what was chosen: those kept before, and new ones cut out of the values."""
        top, size = self.windows.shape[1:]
        old = chosen.clamp(max=top - 1)[:, :, None].expand(-1, -1, size)
        found = self.windows[lines].gather(1, old)
        line, slot = (chosen >= top).nonzero(as_tuple=True)
        row = chosen[line, slot] - top
        flat = values.flatten(0, 1)
        cut = windows(flat, lines[line] * values.shape[1] + row, where[line, row], size // 2)
        found[line, slot] = cut.to(found)
        return found


def _distinct_highest(values: Tensor, keys: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """The highest values in each row with a key of their own, and their places; of equal ones the first.

    Where there are not enough, the rest is -inf.
    """
    order = values.sort(dim=1, descending=True, stable=True)
    ordered = keys.gather(1, order.indices)
    by_key = ordered.sort(dim=1, stable=True)
    again = torch.zeros_like(by_key.values, dtype=torch.bool)
    again[:, 1:] = by_key.values[:, 1:] == by_key.values[:, :-1]
    repeated = torch.zeros_like(again).scatter(1, by_key.indices, again)
    first = order.values.masked_fill(repeated, -torch.inf).sort(dim=1, descending=True, stable=True)
    return first.values[:, :top], order.indices.gather(1, first.indices[:, :top])
