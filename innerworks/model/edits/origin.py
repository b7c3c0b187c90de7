"""Values that one run had at every position, found again in a pass whose rows may stand elsewhere.

A run's rows begin at some column and have some length; so do those of the pass that is running, which while
generating shows only the positions it is fed. Values belong to positions, not to columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from innerworks.errors import EditError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Origin", "Stretch"]


@dataclass(frozen=True)
class Stretch:
    """A dimension of positions that an edit is given whole, as far as the running pass shows it."""

    dim: str
    axis: int
    firsts: tuple[int, ...]
    """Which position of each row comes first."""
    lengths: tuple[int, ...]
    longest: int
    """The longest row of the whole pass, whichever rows the edit is about."""
    growing: bool
    """Whether positions are written behind the prompts."""


@dataclass(frozen=True)
class Origin:
    """Where the rows of the run that gave an edit its values begin and how long they are; `dims` have its positions."""

    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    dims: tuple[str, ...]

    def drawn(self, rows: Sequence[int]) -> Origin:
        """The origin of some of the rows."""
        if len(self.starts) == 1:
            return self
        starts, lengths = tuple(self.starts[r] for r in rows), tuple(self.lengths[r] for r in rows)
        return Origin(starts, lengths, self.dims)

    def options(self) -> dict[str, Any]:
        """The origin as JSON."""
        return {"starts": list(self.starts), "lengths": list(self.lengths), "dims": list(self.dims)}

    @staticmethod
    def of(options: Mapping[str, Any]) -> Origin:
        """The origin that `options` described."""
        return Origin(*(tuple(options[name]) for name in ("starts", "lengths", "dims")))

    def placed(
        self, value: Tensor, x: Tensor, stretches: Sequence[Stretch], said: object
    ) -> tuple[Tensor, Tensor | None]:
        """The values where x has their positions, and where there are any; None if everywhere."""
        import torch

        known: Tensor | None = None
        for stretch in stretches:
            if stretch.dim not in self.dims:
                continue
            axis, rows = stretch.axis, len(stretch.firsts)
            starts, lengths = self._rows(rows, said)
            self._check(stretch, lengths, said)
            size = x.shape[axis]
            firsts = torch.tensor(stretch.firsts)[:, None]
            positions = firsts + torch.arange(size)
            columns = positions + torch.tensor(starts)[:, None]
            if size == value.shape[axis] and bool((columns == torch.arange(size)).all()) and not stretch.growing:
                continue
            there = (positions >= 0) & (positions < torch.tensor(lengths)[:, None])
            shape = [rows if d == 0 else size if d == axis else 1 for d in range(value.dim())]
            index = columns.clamp(0, value.shape[axis] - 1).reshape(shape).to(value.device)
            value = torch.take_along_dim(value, index, axis)
            own = there.reshape([rows if d == 0 else size if d == axis else 1 for d in range(x.dim())]).to(x.device)
            known = own if known is None else known & own
        return value, known

    def _rows(self, rows: int, said: object) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if len(self.starts) == 1:
            return self.starts * rows, self.lengths * rows
        if len(self.starts) != rows:
            raise EditError(
                f"{said} has the values of a run of {len(self.starts)} prompts, and here are {rows}: "
                "give one prompt's values, or those of as many prompts."
            )
        return self.starts, self.lengths

    @staticmethod
    def _check(stretch: Stretch, lengths: tuple[int, ...], said: object) -> None:
        """Outside of generation a run's values are for prompts of its own lengths."""
        if stretch.growing:
            return
        short = [(have, need) for have, need in zip(lengths, stretch.lengths, strict=True) if have < need]
        if short or max(lengths) > stretch.longest:
            have, need = short[0] if short else (max(lengths), stretch.longest)
            raise EditError(
                f"{said} has the values of a prompt of {have} tokens at every position, which do not fit one of "
                f"{need}: "
                "name the positions, as in edit.set(at.resid_pre[5] @ 3, run), or take prompts of one length."
            )
