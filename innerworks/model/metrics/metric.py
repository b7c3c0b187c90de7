"""What a metric is: a value that meets a batch, looks up its tokens, and becomes a function of logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from innerworks.errors import MetricError

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.batch import Batch
    from innerworks.model.tokens import Whole

__all__ = ["Bound", "Compute", "Lookup", "Metric", "Where", "checked", "precise"]

Where = int | tuple[int, ...] | Literal["all"]
"""A position, several that end where the last of several tokens is predicted, or all."""
Compute = Callable[["Tensor", list[int]], "Tensor"]


class Lookup(Protocol):
    """What a metric asks a model for: the ids of its targets."""

    def token(self, text: Any) -> int:
        """The id of a text that is one token."""
        ...

    def tokens(self, text: Any) -> tuple[int, ...]:
        """The ids of a text that may be several."""
        ...


@dataclass(frozen=True)
class Bound:
    """A metric with its tokens looked up for one batch; `rows` repeat when a batch is repeated."""

    where: Where
    rows: int
    compute: Compute

    def __call__(self, logits: Tensor, rows: Sequence[int] | None = None) -> Tensor:
        """One number per row of `logits`, (rows, positions, vocabulary); `rows` says which prompt each row is of.

        What is not for users to see may give several numbers per row: sweeps take them as they are.
        """
        if isinstance(self.where, tuple) and logits.shape[1] < len(self.where):
            raise MetricError(
                f"this metric reads the logits at {len(self.where)} positions and was given {logits.shape[1]}: ask "
                f"for logits at {list(self.where)}, or use model.measure."
            )
        which = [r % self.rows for r in range(logits.shape[0])] if rows is None else list(rows)
        return self.compute(logits, which)

    @property
    def last(self) -> int:
        """The last position it reads."""
        return -1 if self.where == "all" else self.where[-1] if isinstance(self.where, tuple) else self.where

    def reads(self, width: int) -> int:
        """At how many of `width` positions it reads logits."""
        return width if self.where == "all" else len(self.where) if isinstance(self.where, tuple) else 1


@dataclass(frozen=True, eq=False)
class Metric:
    """Something to measure about a prediction; `position` is where it reads the logits."""

    position: int = field(default=-1, kw_only=True)
    label: ClassVar[str] = "metric"

    def bind(self, batch: Batch, lookup: Lookup) -> Bound:
        """The metric for the rows of a batch; the model looks up its tokens."""
        return Bound(checked(self.position, batch), len(batch), self._computation(batch, lookup))

    @property
    def logits_read(self) -> tuple[Any, Any] | None:
        """The target and foil (or None) whose logits it is the difference of; None where it is no such difference."""
        return None

    def for_rows(self, chosen: Sequence[int], rows: int) -> Metric:
        """The metric for some of the `rows` prompts that it was made for: of what it has per prompt, theirs."""
        return self

    @classmethod
    def parse(cls, text: str, model: Any = None) -> Metric:
        """The metric that a text such as "logit_diff(' Mary', ' John')" describes."""
        from innerworks.model.metrics.text import metric_from_text

        return metric_from_text(text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of a metric's text."""
        from innerworks.model.metrics.text import EXAMPLES

        return {
            "type": "string",
            "format": "metric",
            "description": "what is measured of the prediction",
            "examples": EXAMPLES,
        }

    def continuations(self, rows: int) -> list[Whole | None]:
        """For each of `rows` prompts the target of several tokens that it has to be continued with, if there is one."""
        return [None] * rows

    def _computation(self, batch: Batch, lookup: Lookup) -> Compute:
        raise NotImplementedError

    def __str__(self) -> str:
        return self.label


def checked(position: Any, batch: Batch) -> int:
    """The position, which every prompt of the batch must have."""
    if isinstance(position, bool) or not hasattr(position, "__index__"):
        raise MetricError(f"position={position!r}: a metric reads the logits at one position, such as -1 or 5.")
    place = int(position)
    for row, length in enumerate(batch.lengths):
        if not -length <= place < length:
            raise MetricError(
                f"prompt {row} has {length} tokens, so there are no logits at position {place} to measure: "
                f"take 0 to {length - 1}, or -{length} to -1."
            )
    return place


def precise(logits: Tensor) -> Tensor:
    """In at least float32, which holds every half-precision number exactly."""
    return logits.float() if logits.dtype.itemsize < 4 else logits
