"""The loop that fits a tuned lens: which tokens each step sees, the optimiser, and what is kept to go on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from innerworks.decode.vocabulary.translators.divergence import divergences
from innerworks.decode.vocabulary.translators.text_states import TextStates, text_states

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts
    from innerworks.model.model import Model
    from innerworks.model.sites import Site

__all__ = ["Optimiser", "Reading", "Recipe", "Training"]

Optimiser = Literal["adam", "sgd"]


@dataclass(frozen=True)
class Recipe:
    """How a lens is fitted."""

    steps: int
    contexts: int
    """How many contexts a step reads."""
    positions: int
    """At how many positions of each."""
    optimiser: Optimiser
    rate: float
    decay: float
    seed: int


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


@dataclass
class Training:
    """Translators under way: weight [place, d, n] and bias [place, d], changed in place."""

    model: Model
    contexts: Contexts
    reading: Reading
    recipe: Recipe
    weight: Tensor
    bias: Tensor
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)
    """For each step the mean divergence at every place, in nats."""

    def __post_init__(self) -> None:
        parameters, recipe = [self.weight, self.bias], self.recipe
        self.optimiser: torch.optim.Optimizer
        if recipe.optimiser == "adam":
            self.optimiser = torch.optim.Adam(parameters, lr=recipe.rate, betas=(0.9, 0.99))
        else:
            self.optimiser = torch.optim.SGD(
                parameters, lr=recipe.rate, momentum=0.9, nesterov=True, weight_decay=recipe.decay
            )

    def advance(self) -> None:
        """One step."""
        rows, positions = self._drawn()
        states = self.reading.states(self.model, self.contexts, rows, positions)
        given = states.places.to(self.weight)
        translated = torch.bmm(given, self.weight.transpose(1, 2)) + self.bias[:, None]
        translated = translated + given if self.reading.adds else translated
        losses, gradients = divergences(self.model, list(translated.to(states.final.dtype)), states.final)
        back = torch.stack(gradients).to(self.weight)
        self.weight.grad, self.bias.grad = torch.bmm(back.transpose(1, 2), given), back.sum(1)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate * (1 - self.step / self.recipe.steps)
        self.optimiser.step()
        self.step += 1
        self.losses.append(losses)

    def _drawn(self) -> tuple[list[int], list[int]]:
        """The contexts and positions of this step: they follow from the seed and the step's number."""
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step)
        rows = torch.randint(len(self.contexts), (self.recipe.contexts,), generator=generator)
        width = self.contexts.width - self.reading.ahead
        positions = torch.randperm(width, generator=generator)[: self.recipe.positions]
        return rows.tolist(), sorted(positions.tolist())

    @property
    def curve(self) -> Tensor:
        """The losses, [step, depth]."""
        return torch.stack(self.losses) if self.losses else torch.zeros(0, len(self.weight), dtype=torch.float64)

    # -- to go on from --------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a later step depends on."""
        found = {"weight": self.weight, "bias": self.bias, "losses": self.curve}
        for name, parameter in (("weight", self.weight), ("bias", self.bias)):
            for key, value in self.optimiser.state.get(parameter, {}).items():
                if value is not None:
                    found[f"{name}.{key}"] = torch.as_tensor(value)
        return found

    def restore(self, step: int, tensors: Mapping[str, Any]) -> None:
        """Go on from what `tensors` gave after that step."""
        with torch.no_grad():
            self.weight.copy_(torch.as_tensor(tensors["weight"]))
            self.bias.copy_(torch.as_tensor(tensors["bias"]))
        for name, parameter in (("weight", self.weight), ("bias", self.bias)):
            own = {key: torch.as_tensor(value) for key, value in tensors.items() if key.startswith(f"{name}.")}
            self.optimiser.state[parameter] = {
                key.partition(".")[2]: value.clone() if value.dim() == 0 else value.clone().to(parameter)
                for key, value in own.items()
            }
        self.step, self.losses = step, list(tensors["losses"])
