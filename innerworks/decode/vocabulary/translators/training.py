"""Translators under way: what is read as what, where they begin, and the gradient of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from innerworks.decode.vocabulary.translators.descent import Descent, Recipe
from innerworks.decode.vocabulary.translators.divergence import divergences
from innerworks.decode.vocabulary.translators.moments import Moments
from innerworks.decode.vocabulary.translators.text_states import TextStates, text_states

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts
    from innerworks.model.model import Model
    from innerworks.model.sites import Site

__all__ = ["TOKENS_FOR_MOMENTS", "Reading", "Start", "Training", "moments"]

Start = Literal["least_squares", "identity"]
TOKENS_FOR_MOMENTS = 65536
_TOKENS_AT_ONCE = 2048
_RIDGE = 0.1


@dataclass(frozen=True)
class Reading:
    """What is read, and as what: places, and the stream behind so many blocks, so many tokens further on."""

    sites: tuple[Site, ...]
    end: int
    ahead: int
    adds: bool
    """Whether a translator's output is added to what it reads, as in the stream."""

    def states(
        self, model: Model, contexts: Contexts, rows: Sequence[int], positions: Sequence[int] | None = None
    ) -> TextStates:
        """The states of some rows of a corpus, and those they lead to."""
        return text_states(model, contexts, rows, self.sites, self.end, positions=positions, ahead=self.ahead)

    @property
    def said(self) -> dict[str, Any]:
        """All of it, as an artifact keeps it."""
        return {"places": list(map(str, self.sites)), "end": self.end, "ahead": self.ahead, "adds": self.adds}


class Training(Descent):
    """Translators: weight [place, d, n] and bias [place, d]."""

    def __init__(
        self, model: Model, contexts: Contexts, reading: Reading, recipe: Recipe, weight: Tensor, bias: Tensor
    ) -> None:
        super().__init__(contexts, recipe, {"weight": weight, "bias": bias}, contexts.width - reading.ahead)
        self.model, self.reading, self.weight, self.bias = model, reading, weight, bias

    @classmethod
    def begun(
        cls, model: Model, contexts: Contexts, reading: Reading, recipe: Recipe, start: Start, *, restored: bool
    ) -> Training:
        """From the beginning: no translation (also where what was kept will be restored), or least squares."""
        precise = torch.float64 if model.dtype == torch.float64 else torch.float32
        if start == "identity" or restored:
            n = reading.states(model, contexts, [0], [0]).places.shape[-1]
            weight = torch.zeros((len(reading.sites), model.d_model, n), dtype=precise, device=model.device)
            return cls(model, contexts, reading, recipe, weight, weight.new_zeros(weight.shape[:2]))
        maps, offsets = moments(model, contexts, reading).solved(_RIDGE, towards_same=reading.adds)
        if reading.adds:
            maps = maps - torch.eye(model.d_model, dtype=maps.dtype, device=maps.device)
        weight, bias = maps.transpose(1, 2).contiguous().to(precise), offsets.to(precise)
        return cls(model, contexts, reading, recipe, weight, bias)

    def gradients(self, rows: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Of KL(final ‖ lens), at every place."""
        states = self.reading.states(self.model, self.contexts, rows, positions)
        given = states.places.to(self.weight)
        translated = torch.bmm(given, self.weight.transpose(1, 2)) + self.bias[:, None]
        translated = translated + given if self.reading.adds else translated
        losses, gradients = divergences(self.model, list(translated.to(states.final.dtype)), states.final)
        back = torch.stack(gradients).to(self.weight)
        self.weight.grad, self.bias.grad = torch.bmm(back.transpose(1, 2), given), back.sum(1)
        return losses

    def fitted(self, held_out: Contexts) -> dict[str, Tensor]:
        """The translators."""
        return {"weight": self.weight, "bias": self.bias, "losses": self.curve}


def moments(
    model: Model, contexts: Contexts, reading: Reading, led_to: Callable[[Tensor], Tensor] | None = None
) -> Moments:
    """Sums over the text, as much of it as is plenty, without the first tokens of contexts: they are unlike others.

    `led_to` makes of the states that they lead to what they are held against, of the same size.
    """
    positions = list(range(1, contexts.width - reading.ahead))
    sums: Moments | None = None
    for rows in contexts.batches(_TOKENS_AT_ONCE):
        states = reading.states(model, contexts, rows, positions)
        sums = sums or Moments.none(len(reading.sites), states.places.shape[-1], model.d_model, model.device)
        sums.add(states.places, states.final if led_to is None else led_to(states.final))
        if sums.count >= TOKENS_FOR_MOMENTS:
            break
    assert sums is not None
    return sums
