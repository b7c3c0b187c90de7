"""`Batch`: prompts as the tensors a model reads, with everything that depends on padding decided once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from innerworks.errors import PromptError
from innerworks.model.taps.layout import Layout

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.tokens import Prompt

__all__ = ["Batch", "Padding"]

Padding = Literal["right", "left"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Prompts side by side: ids, the mask of real tokens, explicit positions.

    Rows of unequal length are padded; positions and mask make every row see what it would see alone.
    """

    prompts: tuple[Prompt, ...]
    ids: Tensor
    mask: Tensor
    positions: Tensor
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    _made: dict[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def width(self) -> int:
        """How many columns the tensors have."""
        return int(self.ids.shape[1])

    @property
    def padded(self) -> bool:
        """Whether any row is shorter than the widest."""
        return min(self.lengths) < self.width

    @cached_property
    def layout(self) -> Layout:
        """Where each row's positions stand."""
        return Layout(self.starts, self.lengths, lambda row, name: self.prompts[row].positions(name))

    @property
    def last_columns(self) -> list[int]:
        """The column of each row's last real token."""
        return [start + length - 1 for start, length in zip(self.starts, self.lengths, strict=True)]

    @staticmethod
    def of(prompts: Sequence[Prompt], device: Any, padding: Padding = "right", pad_id: int = 0) -> Batch:
        """Pad prompts to one width; padded columns hold a token that no real token sees."""
        import torch

        lengths = tuple(len(p) for p in prompts)
        width = max(lengths)
        starts = tuple((width - n) if padding == "left" else 0 for n in lengths)
        ids = [
            [pad_id] * s + list(p.ids) + [pad_id] * (width - s - len(p)) for p, s in zip(prompts, starts, strict=True)
        ]
        columns = torch.arange(width)
        first, count = torch.tensor(starts)[:, None], torch.tensor(lengths)[:, None]
        relative = columns[None] - first
        mask = (relative >= 0) & (relative < count)
        positions = relative.clamp(min=0).minimum(count - 1)
        return Batch(
            tuple(prompts),
            torch.tensor(ids, device=device),
            mask.long().to(device),
            positions.to(device),
            starts,
            lengths,
        )

    def repeated(self, times: int) -> Batch:
        """The same rows `times` times over."""
        return Batch(
            self.prompts * times,
            self.ids.repeat(times, 1),
            self.mask.repeat(times, 1),
            self.positions.repeat(times, 1),
            self.starts * times,
            self.lengths * times,
        )


def rows_of(prompt: Any) -> list[Any]:
    """The single prompts in whatever a user passed: a string, ids, a Prompt, a tensor, or several of them."""
    import torch

    if isinstance(prompt, Mapping) or (hasattr(prompt, "keys") and "input_ids" in prompt):
        return _from_encoding(prompt)
    if isinstance(prompt, torch.Tensor):
        if prompt.dim() not in (1, 2):
            raise PromptError(f"token ids of shape {tuple(prompt.shape)}: give one row (n) or several (rows, n).")
        return prompt.tolist() if prompt.dim() == 2 else [prompt.tolist()]
    if isinstance(prompt, str) or hasattr(prompt, "ids"):
        return [prompt]
    if isinstance(prompt, Sequence):
        if not prompt:
            raise PromptError("the prompt is empty: give at least one token.")
        return [list(prompt)] if any(_is_number(i) for i in prompt) else [row for one in prompt for row in rows_of(one)]
    raise PromptError(f"{type(prompt).__name__} is not a prompt: give text, token ids, a Prompt, or a list of them.")


def _is_number(value: Any) -> bool:
    """Whether something in a list can only be meant as a token id, so that the list is one prompt."""
    return not getattr(value, "shape", ()) and (hasattr(value, "__index__") or isinstance(value, float))


def _from_encoding(encoding: Any) -> list[Any]:
    ids = encoding["input_ids"]
    rows = rows_of(ids)
    if "attention_mask" not in encoding:
        return rows
    masks = rows_of(encoding["attention_mask"])
    return [[t for t, keep in zip(row, mask, strict=True) if keep] for row, mask in zip(rows, masks, strict=True)]
