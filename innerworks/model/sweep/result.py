"""What a sweep answers: a number per variant and prompt, the baseline, and how it was computed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from innerworks.errors import InnerworksError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SweepInterrupted", "SweepResult"]


@dataclass(eq=False)
class SweepResult(Mapping[Any, "Tensor"]):
    """The metric of each variant, keyed as the variants were: one number per prompt.

    `baseline` is the metric without edits; `spread` the farthest that rows without edits, one in each forward, came out
    from it: what the numbers are off by is that at the least. `skipped` counts variants that cannot change anything.
    """

    found: dict[Hashable, Tensor]
    baseline: Tensor
    metric: str
    skipped: int = 0
    forwards: int = 0
    tokens: int = 0
    spread: float = 0.0
    plans: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    question: tuple[Any, ...] = ()
    """The metric and the prompts, so that another sweep's partial result is not taken for this one's."""

    def __getitem__(self, key: Any) -> Tensor:
        if key not in self.found:
            example = next(iter(self.found), "none")
            raise KeyError(
                f"{key!r} is not a variant of this sweep; its keys are as you gave them, such as {example!r}"
            )
        return self.found[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def effect(self, key: Any) -> Tensor:
        """The variant's metric less the baseline."""
        return self.found[key] - self.baseline

    def effects(self) -> Tensor:
        """All effects, (variants, prompts), in the order of the keys."""
        return self.stacked() - self.baseline

    def top(self, k: int = 10) -> list[tuple[Any, float]]:
        """The k variants with the largest mean effect in size, each with that effect."""
        effects = self.effects().float().mean(1)
        order = effects.abs().argsort(descending=True)[:k].tolist()
        keys = list(self.found)
        return [(keys[i], float(effects[i])) for i in order]

    def stacked(self) -> Tensor:
        """All values, (variants, prompts), in the order of the keys."""
        import torch

        return torch.stack(list(self.found.values())) if self.found else self.baseline.new_empty(0, len(self.baseline))

    def __repr__(self) -> str:
        how = ", ".join(f"{n} {plan}" for plan, n in self.plans.items())
        notes = "".join(f"\n  {note}" for note in self.notes)
        return (
            f"SweepResult({len(self)} variants x {len(self.baseline)} prompt(s) of {self.metric}: "
            f"{how or 'nothing run'}, {self.skipped} skipped, {self.forwards} forwards, "
            f"spread {self.spread:.1e}){notes}"
        )


class SweepInterrupted(InnerworksError, KeyboardInterrupt):
    """A sweep was stopped; `partial` holds what was done, and `resume=partial` goes on from there."""

    def __init__(self, partial: SweepResult, total: int) -> None:
        super().__init__(
            f"the sweep was stopped after {len(partial)} of {total} variants. Nothing is lost: catch SweepInterrupted "
            "as e and call sweep(..., resume=e.partial) to go on."
        )
        self.partial = partial
