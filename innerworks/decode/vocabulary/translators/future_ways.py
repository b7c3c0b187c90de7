"""The ways to read later tokens from one state, and what usually comes, as logits of a text's later tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from innerworks.decode.vocabulary.lenses.distributions import Wanted, chunks, statistics
from innerworks.model.sites import at

if TYPE_CHECKING:
    from innerworks.decode.vocabulary.translators.affine import Translators
    from innerworks.decode.vocabulary.translators.carriers import Carrier
    from innerworks.decode.vocabulary.translators.counted import Counted
    from innerworks.decode.vocabulary.translators.text_states import Continued
    from innerworks.decode.vocabulary.translators.vocabulary_maps import VocabularyMaps
    from innerworks.model.model import Model

__all__ = ["Ways", "measured"]

Logits = Callable[[slice], Tensor]
_KEPT = ("precision_1", "precision_5", "surprisal", "agreement")


@dataclass(frozen=True)
class Ways:
    """What reads the tokens `ahead` behind the next one, at some layers."""

    model: Model
    layers: tuple[int, ...]
    ahead: int
    counted: Counted
    states: Translators | None
    words: VocabularyMaps | None
    prompts: Mapping[str, list[Carrier]]
    """By name, one for each layer."""
    max_tokens: int | None = None

    def read(self, text: Continued, here: Tensor) -> dict[str, dict[int, Logits]]:
        """For each way and layer the logits of some tokens; -1 is a way that reads no layer.

        `here` [token] are the tokens whose states these are.
        """
        before = here if self.ahead == 0 else text.following[:, self.ahead - 1]
        told = self.counted.unigram()
        found: dict[str, dict[int, Logits]] = {
            "unigram": {-1: lambda part: told.expand(len(here[part]), -1)},
            "the token alone": {-1: lambda part: self.counted.behind(here[part], self.ahead + 1)},
        }
        if self.ahead:
            found["the token before"] = {-1: lambda part: self.counted.behind(before[part], 1)}
        found["the model"] = {-1: lambda part: self.model.weights.logits(text.final[part, self.ahead])}
        for name, fitted in (("linear to words", self.words), ("linear to states", self.states)):
            if fitted is not None:
                found[name] = {
                    layer: self._linear(fitted, layer, text.places[number]) for number, layer in enumerate(self.layers)
                }
        return {**found, **self._carried(text)}

    def _linear(self, fitted: Translators | VocabularyMaps, layer: int, states: Tensor) -> Logits:
        place = fitted.place(at.resid_post[layer], states)

        def logits(part: slice) -> Tensor:
            if place.words is not None:
                return place.words(states[part])
            given = states[part] if place.translate is None else place.translate(states[part])
            return self.model.weights.logits(given)

        return logits

    def _carried(self, text: Continued) -> dict[str, dict[int, Logits]]:
        found: dict[str, dict[int, Logits]] = {}
        for name, carriers in self.prompts.items():
            for number, carrier in enumerate(carriers):
                given = text.following[:, : self.ahead]
                streams = carrier.forced(text.places[number], given, self.max_tokens)
                found.setdefault(name, {})[carrier.layer] = self._of(streams)
                if self.ahead:
                    first, own = streams[:, 0], text.places[number]
                    written = carrier.written(own, self.ahead, self.max_tokens, first=first)
                    found.setdefault(f"{name}, on its own", {})[carrier.layer] = self._of(written)
        return found

    def _of(self, streams: Tensor) -> Logits:
        return lambda part: self.model.weights.logits(streams[part, self.ahead])


def measured(logits: Logits, targets: Tensor, said: Tensor, n_vocab: int) -> dict[str, Tensor]:
    """For each token whether the text's is first, or of the first five, its surprisal, and whether the model's is."""
    parts = []
    with torch.no_grad():
        for chunk in chunks(len(targets), n_vocab):
            own = targets[chunk, None]
            read = statistics(logits(chunk).to(own.device)[:, None], Wanted(top=1, targets=True), None, own)
            found = {name: value[:, 0] for name, value in read.items()}
            hit = (found["top_token"][:, 0] == said[chunk]).double()
            one, five = ((found["rank"] < k).double() for k in (1, 5))
            parts.append(torch.stack([one, five, -found["log_prob"].double(), hit], 1))
    return dict(zip(_KEPT, torch.cat(parts).T.cpu(), strict=True))
