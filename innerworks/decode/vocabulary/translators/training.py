"""The loop that fits a tuned lens: which tokens each step sees, the optimiser, and what is kept to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from innerworks.decode.vocabulary.translators.divergence import divergences
from innerworks.decode.vocabulary.translators.text_states import text_states

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts
    from innerworks.model.model import Model

__all__ = ["Optimiser", "Recipe", "Training"]

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


@dataclass
class Training:
    """Translators under way: weight [depth, d, d] and bias [depth, d], changed in place."""

    model: Model
    contexts: Contexts
    recipe: Recipe
    weight: Tensor
    bias: Tensor
    end: int
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)
    """For each step the mean divergence at every depth, in nats."""

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
        depths = [*range(len(self.weight)), self.end]
        states = text_states(self.model, self.contexts, rows, depths, positions).depths
        given = states[:-1].to(self.weight)
        translated = given + torch.bmm(given, self.weight.transpose(1, 2)) + self.bias[:, None]
        losses, gradients = divergences(self.model, list(translated.to(states.dtype)), states[-1])
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
        positions = torch.randperm(self.contexts.width, generator=generator)[: self.recipe.positions]
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
