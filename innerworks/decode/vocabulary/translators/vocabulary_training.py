"""A map from states straight into the vocabulary under way: begun by least squares, improved word by word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.decode.vocabulary.lenses.distributions import chunks
from innerworks.decode.vocabulary.translators.descent import Descent, Recipe
from innerworks.decode.vocabulary.translators.training import Reading, moments

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts
    from innerworks.decode.vocabulary.translators.moments import Moments
    from innerworks.model.model import Model

__all__ = ["VocabularyTraining", "directions"]

_RIDGE = 0.1


class VocabularyTraining(Descent):
    """words [place, V, r] and bias [place, V] on r fixed coordinates of the state, into h + offset."""

    def __init__(
        self, model: Model, contexts: Contexts, reading: Reading, recipe: Recipe, rank: int, *, restored: bool
    ) -> None:
        precise = torch.float64 if model.dtype == torch.float64 else torch.float32
        places, r, d, v = len(reading.sites), rank, model.d_model, model.n_vocab
        shapes = {"into": (places, r, d), "offset": (places, r), "words": (places, v, r), "bias": (places, v)}
        begun = {name: torch.zeros(shape, dtype=precise, device=model.device) for name, shape in shapes.items()}
        parameters = {name: begun[name] for name in ("words", "bias")}
        super().__init__(contexts, recipe, parameters, contexts.width - reading.ahead)
        self.model, self.reading, self.into, self.offset = model, reading, begun["into"], begun["offset"]
        self.words, self.bias = begun["words"], begun["bias"]
        if not restored:
            self._begin()

    def _begin(self) -> None:
        """Least squares between the states and the normed last ones, whose readout in words is linear."""
        norm = self.model.anatomy.final_norm
        with torch.no_grad():
            sums = moments(self.model, self.contexts, self.reading, norm)
            unembed, none = _linear_head(self.model)
            for place in range(len(self.into)):
                into, out = directions(sums, place, unembed, self.into.shape[1], _RIDGE)
                self.into[place] = into
                self.offset[place] = -(into @ sums.mean(place))
                for part in chunks(len(unembed), self.model.d_model):
                    self.words[place, part] = (unembed[part].to(out) @ out.T).to(self.words)
                    self.bias[place, part] = (unembed[part].to(out) @ (sums.y / sums.count)).to(self.bias)
                self.bias[place] += none.to(self.bias)

    def gradients(self, rows: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Of KL(final ‖ softmax of the words), at every place."""
        states = self.reading.states(self.model, self.contexts, rows, positions)
        tokens, losses = len(states.final), torch.zeros(len(self.into), dtype=torch.float64)
        self.words.grad, self.bias.grad = torch.zeros_like(self.words), torch.zeros_like(self.bias)
        with torch.no_grad():
            for chunk in chunks(tokens, self.model.n_vocab):
                target = self.model.weights.logits(states.final[chunk]).to(self.words).log_softmax(-1)
                there = target.exp()
                for place in range(len(self.into)):
                    given = states.places[place, chunk].to(self.into) @ self.into[place].T + self.offset[place]
                    here = (given @ self.words[place].T + self.bias[place]).log_softmax(-1)
                    losses[place] += float((there * (target - here)).sum())
                    back = here.exp_().sub_(there).div_(tokens)
                    self.words.grad[place] += back.T @ given
                    self.bias.grad[place] += back.sum(0)
        return losses / tokens

    def fitted(self, held_out: Contexts) -> dict[str, Tensor]:
        """The maps."""
        return {**self._fixed, "words": self.words, "bias": self.bias, "losses": self.curve}

    @property
    def _fixed(self) -> dict[str, Tensor]:
        return {"into": self.into, "offset": self.offset}

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a later step depends on."""
        return {**super().tensors(), **self._fixed}

    def restore(self, step: int, tensors: Mapping[str, Any]) -> None:
        """Go on from what `tensors` gave after that step."""
        super().restore(step, tensors)
        for name, own in self._fixed.items():
            own.copy_(torch.as_tensor(tensors[name]))


def directions(sums: Moments, place: int, unembed: Tensor, rank: int, ridge: float) -> tuple[Tensor, Tensor]:
    """`rank` coordinates of a place's states, [rank, n], and what each says of the normed last state, [rank, d].

    Of all maps of that rank theirs is nearest, in its logits, to what least squares find: a regression of reduced rank.
    The coordinates have about unit variance and no correlation.
    """
    covariance, _ = sums.penalised(place, ridge)
    across = sums.xy[place] / sums.count - torch.outer(sums.mean(place), sums.y / sums.count)
    lower = torch.linalg.cholesky(covariance)
    whitened = torch.linalg.solve_triangular(lower, across, upper=False)  # coordinates L⁻¹x to the last state
    left, _, _ = torch.linalg.svd(whitened @ _root_of_words(unembed))
    chosen = left[:, :rank].T
    return torch.linalg.solve_triangular(lower.T, chosen.T, upper=True).T, chosen @ whitened


def _root_of_words(unembed: Tensor) -> Tensor:
    """A square root [d, d] of W Wᵀ, W the unembedding less its mean word: distances in logits."""
    size = unembed.shape[1]
    total, product = unembed.new_zeros(size, dtype=torch.float64), unembed.new_zeros((size, size), dtype=torch.float64)
    for part in chunks(len(unembed), size):
        some = unembed[part].double()
        total += some.sum(0)
        product += some.T @ some
    values, vectors = torch.linalg.eigh(product - torch.outer(total, total) / len(unembed))
    root: Tensor = vectors * values.clamp(min=0).sqrt()
    return root


def _linear_head(model: Model) -> tuple[Tensor, Tensor]:
    """The unembedding as a matrix [V, d] with the logit scale in it, and the logits of a normed state of nothing."""
    weights = model.weights
    none = model.anatomy.unembedding(torch.zeros(1, model.d_model, dtype=model.dtype, device=model.device))[0]
    return weights.unembed.T.detach() * weights.logit_scale, none.detach() * weights.logit_scale
