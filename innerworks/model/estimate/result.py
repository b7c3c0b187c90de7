"""`Estimate`: forwards, operations and bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Estimate", "in_bytes"]


@dataclass(frozen=True)
class Estimate:
    """What something would cost. Bytes are of tensors; a process and its libraries take some more.

    `flops` counts the additions and multiplications of matrix products, forward and back. `working` is the most that
    lives at one time besides weights, cache and what is captured: activations, the logits asked for, and in gradients
    all that the way back needs. `captured` is exact.
    """

    what: str
    flops: int
    forwards: float
    """In units of one plain pass over the same prompts (for a sweep: how many passes it makes, of whatever size)."""
    tokens: int
    """How many tokens pass through the model, or through a part of it."""
    weights: int
    """Bytes of the weights, as they are stored."""
    captured: int = 0
    """Bytes of what is captured and stays."""
    cache: int = 0
    """Bytes of keys, values and states at the end of a generation."""
    working: int = 0
    plans: dict[str, int] = field(default_factory=dict)
    """Of a sweep: how many variants go which way, at the most: those that change nothing are not run."""
    notes: tuple[str, ...] = ()

    @property
    def memory(self) -> int:
        """Bytes of everything together."""
        return self.weights + self.captured + self.cache + self.working

    def __repr__(self) -> str:
        parts = {"weights": self.weights, "captured": self.captured, "cache": self.cache, "working": self.working}
        shown = ", ".join(f"{name} {in_bytes(size)}" for name, size in parts.items() if size)
        how = "".join(f", {count} {plan}" for plan, count in self.plans.items())
        notes = "".join(f"\n  {note}" for note in self.notes)
        return (
            f"Estimate({self.what}: {self.forwards:.4g} forwards, {self.tokens} tokens{how}, {self.flops:.3g} FLOPs; "
            f"{in_bytes(self.memory)}: {shown}){notes}"
        )


def in_bytes(size: float) -> str:
    """A number of bytes in words."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"
