"""Fits by gradient descent: which tokens each step sees, the optimiser, and what is kept to go on from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from innerworks.errors import InnerworksError

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts

__all__ = ["Descent", "Optimiser", "Recipe", "recipe"]

Optimiser = Literal["adam", "sgd"]


@dataclass(frozen=True)
class Recipe:
    """How something is fitted."""

    steps: int
    contexts: int
    """How many contexts a step reads."""
    positions: int
    """At how many positions of each."""
    optimiser: Optimiser
    rate: float
    decay: float
    seed: int


def recipe(
    steps: int,
    contexts: int,
    positions: int | None,
    optimiser: Optimiser,
    rate: float | None,
    seed: int,
    width: int,
    usual: float = 1e-4,
) -> Recipe:
    """How to fit, checked; `width` is at how many positions of a context something can be read."""
    positions = width if positions is None else positions
    if width < 1 or min(contexts, positions) < 1 or steps < 0 or positions > width:
        raise InnerworksError(
            f"steps={steps}, contexts={contexts}, positions={positions}: 0 steps (nothing but the beginning) or more, "
            f"1 or more contexts, and at most the {width} positions of a context."
        )
    if rate is not None and not rate > 0:
        raise InnerworksError(f"rate={rate}: a step needs a rate above 0, such as 1e-4.")
    usual = usual if optimiser == "adam" else 0.1
    return Recipe(steps, contexts, positions, optimiser, usual if rate is None else rate, 1e-3, seed)


class Descent(ABC):
    """Numbers under way, changed in place: by name, with the losses of every step so far."""

    def __init__(self, contexts: Contexts, recipe: Recipe, parameters: Mapping[str, Tensor], width: int) -> None:
        self.contexts, self.recipe, self.parameters = contexts, recipe, dict(parameters)
        self.width = width
        """At how many positions of a context something can be read."""
        self.step = 0
        self.losses: list[Tensor] = []
        """For each step the mean divergence at every place, in nats."""
        numbers = list(self.parameters.values())
        self.optimiser: torch.optim.Optimizer
        if recipe.optimiser == "adam":
            self.optimiser = torch.optim.Adam(numbers, lr=recipe.rate, betas=(0.9, 0.99))
        else:
            self.optimiser = torch.optim.SGD(
                numbers, lr=recipe.rate, momentum=0.9, nesterov=True, weight_decay=recipe.decay
            )

    @abstractmethod
    def gradients(self, rows: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Give every parameter its gradient on some tokens; the mean loss at each place."""

    @abstractmethod
    def fitted(self, held_out: Contexts) -> dict[str, Tensor]:
        """What was fitted, as the artifact keeps it."""

    @property
    def steps(self) -> int:
        """How many there are in all."""
        return self.recipe.steps

    def advance(self) -> None:
        """One step."""
        losses = self.gradients(*self._drawn())
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate * (1 - self.step / self.recipe.steps)
        self.optimiser.step()
        self.step += 1
        self.losses.append(losses)

    def _drawn(self) -> tuple[list[int], list[int]]:
        """The contexts and positions of this step: they follow from the seed and the step's number."""
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step)
        rows = torch.randint(len(self.contexts), (self.recipe.contexts,), generator=generator)
        positions = torch.randperm(self.width, generator=generator)[: self.recipe.positions]
        return rows.tolist(), sorted(positions.tolist())

    @property
    def curve(self) -> Tensor:
        """The losses, [step, place]."""
        places = len(next(iter(self.parameters.values())))
        return torch.stack(self.losses) if self.losses else torch.zeros(0, places, dtype=torch.float64)

    # -- to go on from --------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a later step depends on."""
        found = {**self.parameters, "losses": self.curve}
        for name, parameter in self.parameters.items():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                if value is not None:
                    found[f"{name}.{key}"] = torch.as_tensor(value)
        return found

    def restore(self, step: int, tensors: Mapping[str, Any]) -> None:
        """Go on from what `tensors` gave after that step."""
        for name, parameter in self.parameters.items():
            with torch.no_grad():
                parameter.copy_(torch.as_tensor(tensors[name]))
            own = {key: torch.as_tensor(value) for key, value in tensors.items() if key.startswith(f"{name}.")}
            self.optimiser.state[parameter] = {
                key.partition(".")[2]: value.clone() if value.dim() == 0 else value.clone().to(parameter)
                for key, value in own.items()
            }
        self.step, self.losses = step, list(tensors["losses"])
