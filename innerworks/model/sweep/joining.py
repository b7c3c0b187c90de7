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
    """Hooks on the blocks: what begins at a block enters before it, and the block's arguments are cut to what is there.

    `counts[l]` is how much (rows, or tokens of one row) is present in block l, and behind the last block for the last
    entry, of `total` in the end. What begins at block l enters at the output of the block before, ahead of any edit
    there, so that an edit of a block's output can begin one block later. Subclasses say what joins and what is cut.
    """

    def __init__(self, anatomy: Anatomy, counts: Sequence[int], total: int) -> None:
        self.anatomy = anatomy
        self.counts = counts
        self.total = total
        self.first = next(layer for layer, count in enumerate(counts) if count)

    def install(self, patches: Patches) -> None:
        """Blocks before the first beginning hand on what they get; at the others what begins there is let in."""
        pass_through(patches, self.anatomy, self.first)
        for layer, block in enumerate(self.anatomy.blocks):
            if layer >= self.first:
                patches.pre_hook(block, self._entering(layer))
            if layer + 1 >= self.first:
                patches.post_hook(block, self._leaving(layer + 1))

    def _entering(self, layer: int) -> Any:
        now = self.counts[layer]

        def hook(_: Any, args: Any, kwargs: Any) -> Any:
            stream = first_input(args, kwargs)
            if layer == 0:
                stream = self._let_in(stream, 0, 0)
            rest = tuple(self._cut(a, now) for a in args[1:])
            named = {name: self._cut(value, now) for name, value in kwargs.items()}
            return with_first_input((None, *rest) if args else (), named, stream)

        return hook

    def _leaving(self, layer: int) -> Any:
        before = self.counts[layer - 1] if layer > self.first else 0

        def hook(_: Any, args: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (self._let_in(output[0], layer, before), *output[1:])
            return self._let_in(output, layer, before)

        return hook

    def _let_in(self, given: Tensor, layer: int, before: int) -> Tensor:
        now = self.counts[layer]
        if now != before:
            given = self.joined(given, layer, before, now)
        self.present(now)
        return given

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
