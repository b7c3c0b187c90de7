"""Prompts that carry a state: learned or of words, with the state at their last token, and what follows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from innerworks.decode.vocabulary.translators.affine import on_device, refuse_other_models
from innerworks.errors import InnerworksError, OutOfMemoryError
from innerworks.model.edits import make
from innerworks.model.sites import at
from innerworks.model.sweep.plan import is_out_of_memory, limits_for, row_bytes

if TYPE_CHECKING:
    from innerworks.model.edits.values import Edit
    from innerworks.model.model import Model
    from innerworks.model.tokens import Prompt
    from innerworks.results import Artifact

__all__ = ["LEARNED_PROMPT", "Carrier", "of_artifact", "of_words"]

LEARNED_PROMPT = "learned-prompt"


@dataclass(frozen=True)
class Carrier:
    """A prompt of a model, in whose last token's place a state of a layer is put."""

    model: Model
    ids: tuple[int, ...]
    """Its tokens; of a learned one any, for their embeddings are replaced."""
    layer: int
    learned: Tensor | None = None
    """[token, d], what stands for the embeddings of all of its tokens."""

    def _edits(self, states: Tensor) -> list[Edit]:
        size = len(self.ids)
        found: list[Edit] = [make.set(at.resid_post[self.layer] @ (size - 1), states)]
        if self.learned is not None:
            found.insert(0, make.set(at.token_embed @ tuple(range(size)), self.learned))
        return found

    def _rows(self, following: Tensor) -> Tensor:
        own = torch.tensor(self.ids, device=following.device).expand(len(following), -1)
        return torch.cat([own, following], 1)

    def streams(self, states: Tensor, following: Tensor, *, grad: bool = False) -> Tensor:
        """The last states [row, 1 + n, d] at its last token and at n tokens that follow.

        `states` [row, d] are put in, `following` [row, n] are the ids behind it.
        """
        last = at.resid_post[self.model.n_layers - 1]
        run = self.model.run(self._rows(following), capture=[last], edits=self._edits(states), logits=None, grad=grad)
        found: Tensor = run[last][:, len(self.ids) - 1 :]
        return found

    def parts(self, states: Tensor, following: Tensor, max_tokens: int | None = None) -> Iterator[Tensor]:
        """`streams` of many rows, as many at a time as memory allows."""
        width, start = len(self.ids) + following.shape[1], 0
        limits = limits_for(self.model, max_tokens, None)
        size = max(1, min(limits.tokens // width, limits.bytes // row_bytes(self.model, width, 1)))
        while start < len(states):
            part = slice(start, min(start + size, len(states)))
            try:
                found = self.streams(states[part], following[part])
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if size == 1:
                    raise OutOfMemoryError(
                        f"not enough memory for one prompt of {width} tokens: load the model in a smaller dtype."
                    ) from error
                size = max(1, size // 2)
                continue
            yield found
            start = part.stop

    def forced(self, states: Tensor, following: Tensor, max_tokens: int | None = None) -> Tensor:
        """The last states [row, 1 + n, d] where each next token is predicted, behind the text's own n tokens."""
        return torch.cat(list(self.parts(states, following, max_tokens)))

    def written(
        self, states: Tensor, count: int, max_tokens: int | None = None, *, first: Tensor | None = None
    ) -> Tensor:
        """The last states [row, 1 + count, d] behind `count` tokens that it writes itself.

        `first` [row, d] are those at its own last token, where they are known.
        """
        following = torch.zeros((len(states), 0), dtype=torch.long, device=states.device)
        if first is not None and count:
            following = self._likeliest(first)[:, None]
        while following.shape[1] < count:
            ids = [self._likeliest(streams[:, -1]) for streams in self.parts(states, following, max_tokens)]
            following = torch.cat([following, torch.cat(ids)[:, None]], 1)
        return self.forced(states, following, max_tokens)

    def _likeliest(self, stream: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = self.model.weights.logits(stream).argmax(-1)
        return found


def of_words(model: Model, text: str | Prompt | Sequence[int], layers: Sequence[int]) -> list[Carrier]:
    """A prompt of the user's own words, for each layer: a state is put in its last token's place."""
    ids = tuple(model.prompt(text).ids)
    return [Carrier(model, ids, layer) for layer in layers]


def of_artifact(model: Model, artifact: Artifact, layers: Sequence[int] | None = None) -> list[Carrier]:
    """The learned prompts of an artifact, for some of its layers or all; an error where it has none."""
    if artifact.kind != LEARNED_PROMPT:
        raise InnerworksError(f"prompt= takes a fitted {LEARNED_PROMPT}, and this is a {artifact.kind}.")
    learned = on_device(artifact["prompt"], model)
    refuse_other_models(artifact, model, learned.shape[2])
    known = list(artifact.config["layers"])
    missing = [layer for layer in layers or () if layer not in known]
    if missing:
        raise InnerworksError(
            f"this {artifact.kind} has no prompt for layer {missing[0]}; it has {', '.join(map(str, known))}."
        )
    found = []
    for layer in known if layers is None else layers:
        own = learned[known.index(layer)]
        found.append(Carrier(model, (0,) * len(own), layer, own))
    return found
