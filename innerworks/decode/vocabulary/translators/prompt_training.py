"""A learned prompt under way: k embeddings before a state, so that the model goes on as the state's context does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.decode.vocabulary.translators.carriers import Carrier
from innerworks.decode.vocabulary.translators.descent import Descent, Recipe
from innerworks.decode.vocabulary.translators.divergence import divergences
from innerworks.decode.vocabulary.translators.text_states import continued_states
from innerworks.model.sites import at

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts
    from innerworks.model.model import Model

__all__ = ["PromptTraining", "prompt_gradient"]

_ROWS_AT_ONCE = 64


class PromptTraining(Descent):
    """For each layer a prompt [layer, token, d], in units of how much the embeddings of the text's tokens vary."""

    def __init__(
        self, model: Model, contexts: Contexts, layers: Sequence[int], ahead: int, length: int, recipe: Recipe
    ) -> None:
        begun = _drawn_embeddings(model, contexts, len(layers), length, recipe.seed)
        self.spread = float(begun.std())
        super().__init__(contexts, recipe, {"prompt": begun / self.spread}, contexts.width - ahead)
        self.model, self.layers, self.ahead = model, tuple(layers), ahead

    def gradients(self, rows: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Of the mean KL(model ‖ patched prompt) over the tokens that follow, for each layer."""
        sites = [at.resid_post[layer] for layer in self.layers]
        text = continued_states(self.model, self.contexts, rows, sites, positions, self.ahead)
        prompt = self.parameters["prompt"]
        prompt.grad = torch.zeros_like(prompt)
        losses = torch.zeros(len(self.layers), dtype=torch.float64)
        count = len(text.following)
        for number, layer in enumerate(self.layers):
            for start in range(0, count, _ROWS_AT_ONCE):
                part = slice(start, min(start + _ROWS_AT_ONCE, count))
                share = (part.stop - part.start) / count
                loss, gradient = prompt_gradient(
                    self.model,
                    layer,
                    prompt[number] * self.spread,
                    text.places[number, part],
                    text.following[part],
                    text.final[part],
                )
                losses[number] += share * loss
                prompt.grad[number] += share * self.spread * gradient
        return losses

    def fitted(self, held_out: Contexts) -> dict[str, Tensor]:
        """The prompts, as embeddings."""
        return {"prompt": self.parameters["prompt"] * self.spread, "losses": self.curve}

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a later step depends on."""
        return {**super().tensors(), "spread": torch.tensor(self.spread, dtype=torch.float64)}

    def restore(self, step: int, tensors: Mapping[str, Any]) -> None:
        """Go on from what `tensors` gave after that step."""
        super().restore(step, tensors)
        self.spread = float(tensors["spread"])


def prompt_gradient(
    model: Model, layer: int, prompt: Tensor, states: Tensor, following: Tensor, final: Tensor
) -> tuple[float, Tensor]:
    """The mean KL(model ‖ what follows a prompt [token, d] with a state in its last place), and its gradient.

    `states` [row, d] are put in at a layer, `following` [row, n] are the text's tokens behind them, and `final`
    [row, 1 + n, d] the last states there in the text.
    """
    leaf = prompt.detach().clone().requires_grad_()
    carrier = Carrier(model, (0,) * len(prompt), layer, leaf)
    found = carrier.streams(states, following, grad=True)
    [loss], [back] = divergences(model, [found.detach().flatten(0, 1)], final.flatten(0, 1))
    [gradient] = torch.autograd.grad(found, leaf, back.reshape(found.shape).to(found.dtype))
    return float(loss), gradient


def _drawn_embeddings(model: Model, contexts: Contexts, layers: int, length: int, seed: int) -> Tensor:
    """What each layer's prompt begins as: the embeddings of tokens drawn from the text, [layer, token, d]."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(contexts), (layers * length,), generator=generator)
    columns = torch.randint(contexts.width, (layers * length,), generator=generator)
    ids = contexts.tensor(rows.tolist())[torch.arange(layers * length), columns].reshape(layers, length)
    run = model.run(ids.to(model.device), capture=[at.token_embed], logits=None)
    found: Tensor = run[at.token_embed]
    return found if found.dtype == torch.float64 else found.float()
