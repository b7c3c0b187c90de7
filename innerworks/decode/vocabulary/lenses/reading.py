"""States read as next-token distributions: every place of a prompt, a few tokens at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from innerworks.decode.vocabulary.lenses.distributions import Wanted, chunks, statistics

if TYPE_CHECKING:
    from innerworks.model.model import Model
    from innerworks.model.sites import Site

__all__ = ["Place", "read_places"]

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

    @property
    def layer(self) -> int:
        """Its layer; the embeddings stand before the first, at -1."""
        return self.site.layer if isinstance(self.site.layer, int) else -1


def read_places(
    model: Model, places: Sequence[Place], final: Tensor, wanted: Wanted, targets: Tensor | None
) -> dict[str, Tensor]:
    """Statistics [row, place, position, …] of every place.

    `final` are the last states, `targets` [row, position, any].
    """
    rows, width = final.shape[:2]
    flat_targets = None if targets is None else targets.flatten(0, 1)
    filled: dict[str, Tensor] = {}
    flat = [one.states.reshape(rows * width, -1) for one in places]
    last = final.reshape(rows * width, -1)
    with torch.no_grad():
        for chunk in chunks(rows * width, model.n_vocab):
            count = len(last[chunk])
            ending = model.weights.logits(last[chunk]) if wanted.spread else None
            for some in chunks(len(places), model.n_vocab * count):
                logits = _logits(model, places[some], [one[chunk] for one in flat[some]], chunk)
                repeats = len(logits) // count
                own = None if flat_targets is None else flat_targets[chunk].repeat(repeats, 1)
                against = None if ending is None else ending.repeat(repeats, 1)
                for name, value in statistics(logits, wanted, against, own).items():
                    if name not in filled:
                        shape = (len(places), rows * width, *value.shape[1:])
                        filled[name] = value.new_empty(shape, device="cpu")
                    filled[name][some, chunk] = value.reshape(repeats, count, *value.shape[1:]).cpu()
    return {
        name: value.reshape(len(places), rows, width, *value.shape[2:]).transpose(0, 1)
        for name, value in filled.items()
    }


def _read(place: Place, states: Tensor) -> Tensor:
    """Some of a place's states [token, n], as those of the last layer [token, d]."""
    return states if place.translate is None else place.translate(states)


def _logits(model: Model, places: Sequence[Place], states: Sequence[Tensor], chunk: slice) -> Tensor:
    """The logits of several places' states, one place behind the other; all are read in one way."""
    straight = [one.words(own) for one, own in zip(places, states, strict=True) if one.words is not None]
    if straight:
        return torch.cat(straight)
    together = torch.cat([_read(one, own) for one, own in zip(places, states, strict=True)])
    weights = model.weights
    if places[0].scale is None:
        return weights.logits(together)
    scale = torch.cat([one.scale.flatten()[chunk] for one in places if one.scale is not None])
    read = weights.into_readout(together) / scale[:, None]
    return read.to(weights.unembed.dtype) @ weights.unembed
