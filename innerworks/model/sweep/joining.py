"""Rows or tokens that join a forward at the block their edits begin in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from innerworks.model.engine.forward import pass_through
from innerworks.model.taps.patched import first_input, with_first_input

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy
    from innerworks.model.taps.patched import Patches

__all__ = ["Joining"]


class Joining:
    """Pre-hooks on the blocks: what begins there enters, and the block's arguments are cut to what is present.

    `counts[l]` is how much (rows, or tokens of one row) is present in block l, of `total` in the end. Subclasses say
    what joins and how a tensor is cut.
    """

    def __init__(self, anatomy: Anatomy, counts: Sequence[int], total: int) -> None:
        self.anatomy = anatomy
        self.counts = counts
        self.total = total
        self.first = next(layer for layer, count in enumerate(counts) if count)

    def install(self, patches: Patches) -> None:
        """Blocks before the first beginning hand on what they get; the others take in what begins there."""
        pass_through(patches, self.anatomy, self.first)
        for layer in range(self.first, self.anatomy.n_layers):
            patches.pre_hook(self.anatomy.blocks[layer], self._entering(layer))

    def _entering(self, layer: int) -> Any:
        before = self.counts[layer - 1] if layer > self.first else 0
        now = self.counts[layer]

        def hook(_: Any, args: Any, kwargs: Any) -> Any:
            stream = first_input(args, kwargs)
            if now != before:
                stream = self.joined(stream, layer, before, now)
            self.present(now)
            rest = tuple(self._cut(a, now) for a in args[1:])
            named = {name: self._cut(value, now) for name, value in kwargs.items()}
            return with_first_input((None, *rest) if args else (), named, stream)

        return hook

    def _cut(self, value: Any, now: int) -> Any:
        if isinstance(value, tuple):
            return tuple(self._cut(v, now) for v in value)
        if now == self.total or getattr(value, "dim", lambda: 0)() < 2:
            return value
        return self.cut(value, now)

    def present(self, now: int) -> None:
        """Take note of how much is present from here on."""

    def joined(self, given: Tensor, layer: int, before: int, now: int) -> Tensor:
        """The stream with what begins in a block put behind what is there."""
        raise NotImplementedError

    def cut(self, value: Tensor, now: int) -> Tensor:
        """An argument made for everything, for what is present."""
        raise NotImplementedError
