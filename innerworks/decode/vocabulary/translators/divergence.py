"""The loss of a lens, KL(final ‖ lens), and its gradient: a few tokens at a time, no graph over the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from innerworks.decode.vocabulary.lenses.distributions import Ending, chunks, nearby

if TYPE_CHECKING:
    from innerworks.model.model import Model

__all__ = ["Readout", "divergences"]


@dataclass(frozen=True)
class Readout:
    """The model's head, frozen: its final norm, and its unembedding as a matrix [V, d] with a bias."""

    model: Model

    def losses(self, states: Tensor, ending: Ending) -> tuple[Tensor, Tensor]:
        """KL(ending ‖ what states [token, d] say), [token], and its gradient to the states.

        Only the norm is differentiated by autograd: the softmax' gradient is known, so that nothing of the vocabulary's
        size is kept for the way back.
        """
        weights = self.model.weights
        norm, cap, scale = self.model.anatomy.final_norm, weights.logit_softcap, weights.logit_scale
        with torch.enable_grad():
            leaf = states.detach().requires_grad_()
            normed = leaf if norm is None else norm(leaf)
        with torch.no_grad():
            raw = self.model.anatomy.unembedding(normed)
            raw = raw if scale == 1.0 else raw * scale
            squashed = None if cap is None else torch.tanh(raw / cap)
            logits = raw if squashed is None or cap is None else squashed * cap
            loss, back = _softmax_losses(logits, ending)
            if squashed is not None:
                back = back * (1 - squashed.float().square())
            unembed = weights.unembed
            to_normed = (back.to(unembed.dtype) @ unembed.T) * scale
        [gradient] = torch.autograd.grad(normed, leaf, to_normed.to(normed.dtype))
        return loss, gradient


def _softmax_losses(logits: Tensor, ending: Ending) -> tuple[Tensor, Tensor]:
    """KL(ending ‖ softmax(logits)), [token], and its gradient to the logits [token, V], in whose place it is put."""
    back = logits if logits.dtype == ending.logits.dtype else logits.to(ending.logits)
    loss = torch.empty_like(ending.norm)
    for some in nearby(*back.shape):
        few, there = back[some], ending.probs[some]
        probs = few.softmax(-1)
        norm = few.amax(-1) - probs.amax(-1).log()
        further = torch.linalg.vecdot(there, few.sub_(ending.logits[some]))  # of differences: KL may be very small
        loss[some] = norm - ending.norm[some] - further
        torch.sub(probs, there, out=few)
    return loss, back


def divergences(model: Model, states: Sequence[Tensor], final: Tensor) -> tuple[Tensor, list[Tensor]]:
    """For each of some states [token, d] the mean KL(final ‖ state), [state], and the gradients of those means.

    `final` [token, d] are the states that are read as they are.
    """
    readout, tokens = Readout(model), final.shape[0]
    totals = torch.zeros(len(states), dtype=torch.float64)
    gradients = [torch.empty_like(one) for one in states]
    for chunk in chunks(tokens, model.n_vocab):
        with torch.no_grad():
            ending = Ending.of(model.weights.logits(final[chunk]))
        for number, one in enumerate(states):
            loss, gradient = readout.losses(one[chunk], ending)
            totals[number] += loss.double().sum().cpu()
            gradients[number][chunk] = gradient / tokens
    return totals / tokens, gradients
