"""States read as next-token distributions: every place of a prompt, a few tokens at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from innerworks.decode.vocabulary.lenses.distributions import Ending, Wanted, chunks, statistics
from innerworks.model.sites import Site, at

if TYPE_CHECKING:
    from innerworks.model.model import Model

__all__ = ["Place", "Read", "read_places"]

Translate = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Place:
    """One place of the model, its states [row, position, d], and how they are read."""

    site: Site
    states: Tensor
    translate: Translate | None = None
    """What is done to states before they are read as those of the last layer."""
    scale: Tensor | None = None
    """The norm's denominators [row, position], where they are not the states' own."""
    words: Translate | None = None
    """What makes logits of states, where that is not the model's own head."""

    def some(self, chunk: slice) -> Tensor:
        """The states [token, n] of some tokens, rows one behind the other."""
        return self.states.flatten(0, 1)[chunk]

    def read(self, chunk: slice) -> Tensor:
        """The same, as states of the last layer [token, d]."""
        states = self.some(chunk)
        return states if self.translate is None else self.translate(states)

    def is_read_as(self, final: Tensor) -> bool:
        """Whether it shows what the last states show."""
        return self.states is final and self.translate is None and self.scale is None and self.words is None

    @property
    def head(self) -> str:
        """What makes logits of it; places that share a head are read together."""
        return "words" if self.words is not None else "own norm" if self.scale is None else "given norm"

    @property
    def depth(self) -> tuple[int, int]:
        """The last layer that has written to a stream here, and whether its MLP has."""
        before, half = self.site.name == "resid_pre", self.site.name == "resid_mid"
        return (self.layer - 1 if before else self.layer), 0 if half else 1

    @property
    def layer(self) -> int:
        """Its layer; the embeddings stand before the first, at -1."""
        return self.site.layer if isinstance(self.site.layer, int) else -1


@dataclass(frozen=True)
class Read:
    """What was read: statistics [row, place, position, …] of every place."""

    statistics: dict[str, Tensor]
    ends: Tensor | None
    """The logits [row, V] that the last states of rows were read as, where that was looked at."""


def read_places(model: Model, places: Sequence[Place], final: Tensor, wanted: Wanted, targets: Tensor | None) -> Read:
    """Statistics of every place.

    `final` are the last states; a place whose states these very ones are is not read twice. `targets` [row, position,
    any] are the ids to follow, or None for what is said in the end.
    """
    rows, width = final.shape[:2]
    reading = _Reading(model, places, final, wanted, None if targets is None else targets.flatten(0, 1))
    filled: dict[str, Tensor] = {}
    with torch.no_grad():
        for chunk in chunks(rows * width, model.n_vocab * (len(places) + 1)):
            for numbers, found in reading.of(chunk):
                for name, value in found.items():
                    if name not in filled:
                        shape = (len(places), rows * width, *value.shape[2:])
                        filled[name] = value.new_empty(shape, device="cpu")
                    for own, read in zip(numbers, value.cpu().unbind(1), strict=True):
                        filled[name][own, chunk] = read
    found = {
        name: value.reshape(len(places), rows, width, *value.shape[2:]).transpose(0, 1)
        for name, value in filled.items()
    }
    return Read(found, torch.cat(reading.ends) if reading.ends else None)


class _Reading:
    """Places and what is asked of them, with the final states before them: they are compared with what these say."""

    def __init__(
        self, model: Model, places: Sequence[Place], final: Tensor, wanted: Wanted, targets: Tensor | None
    ) -> None:
        self.model, self.wanted, self.targets, self.width = model, wanted, targets, final.shape[1]
        self.ends: list[Tensor] = []
        same = [number for number, one in enumerate(places) if one.is_read_as(final)]
        self.compares = wanted.spread or (wanted.targets and targets is None)
        self.read: list[tuple[list[int], Place]] = []
        """Which of the given places, and how they are read."""
        if self.compares or same:
            self.read.append((same, Place(at.resid_post[model.n_layers - 1], final)))
        self.read += [([number], one) for number, one in enumerate(places) if number not in same]

    def of(self, chunk: slice) -> Iterator[tuple[list[list[int]], dict[str, Tensor]]]:
        """For some tokens the statistics [token, place, …] of as many places at a time as are good, and which."""
        count = chunk.stop - chunk.start
        closing = [number for number in range(count) if (chunk.start + number + 1) % self.width == 0]
        ending, targets = None, None if self.targets is None else self.targets[chunk]
        for some in chunks(len(self.read), self.model.n_vocab * count):
            logits = _logits(self.model, [place for _, place in self.read[some]], chunk)
            if some.start == 0 and self.compares:
                ending = Ending.of(logits[:, 0]) if self.wanted.spread else None
                targets = self._said(logits[:, 0], chunk) if targets is None else targets
                self.ends.append(logits[closing, 0])
            yield [numbers for numbers, _ in self.read[some]], statistics(logits, self.wanted, ending, targets)

    def _said(self, logits: Tensor, chunk: slice) -> Tensor:
        """What is said in the end, [token, 1]; -1 where there is no end."""
        missing = self.read[0][1].some(chunk).isnan().any(-1)
        return logits.argmax(-1).masked_fill(missing, -1)[:, None]


def _logits(model: Model, places: Sequence[Place], chunk: slice) -> Tensor:
    """The logits [token, place, V] of some places."""
    parts = [_of_one_head(model, list(some), chunk) for _, some in groupby(places, lambda one: one.head)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _of_one_head(model: Model, places: Sequence[Place], chunk: slice) -> Tensor:
    straight = [one.words(one.some(chunk)) for one in places if one.words is not None]
    if straight:
        return torch.stack(straight, 1)
    weights = model.weights
    states = torch.stack([one.read(chunk) for one in places], 1)
    scales = [one.scale.flatten()[chunk] for one in places if one.scale is not None]
    if not scales:
        return weights.logits(states)
    read = weights.into_readout(states) / torch.stack(scales, 1)[..., None]
    return read.to(weights.unembed.dtype) @ weights.unembed
