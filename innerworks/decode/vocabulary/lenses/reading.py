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
    scales = [None if one.scale is None else one.scale.reshape(-1) for one in places]
    last = final.reshape(rows * width, -1)
    with torch.no_grad():
        for chunk in chunks(rows * width, model.n_vocab):
            ending = model.weights.logits(last[chunk]) if wanted.spread else None
            own = None if flat_targets is None else flat_targets[chunk]
            for number, place in enumerate(places):
                logits = _logits(model, place, flat[number][chunk], scales[number], chunk)
                for name, value in statistics(logits, wanted, ending, own).items():
                    if name not in filled:
                        shape = (len(places), rows * width, *value.shape[1:])
                        filled[name] = value.new_empty(shape, device="cpu")
                    filled[name][number, chunk] = value.cpu()
    return {
        name: value.reshape(len(places), rows, width, *value.shape[2:]).transpose(0, 1)
        for name, value in filled.items()
    }


def _logits(model: Model, place: Place, states: Tensor, scale: Tensor | None, chunk: slice) -> Tensor:
    weights = model.weights
    if place.translate is not None:
        states = place.translate(states)
    if scale is None:
        return weights.logits(states)
    read = weights.into_readout(states) / scale[chunk, None]
    return read.to(weights.unembed.dtype) @ weights.unembed
