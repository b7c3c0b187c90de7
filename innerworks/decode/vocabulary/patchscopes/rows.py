"""Target prompts side by side, each with a state of its own: as many in one forward as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from innerworks.decode.vocabulary.patchscopes.target_prompts import PATCHED
from innerworks.errors import OptionError, OutOfMemoryError
from innerworks.model.edits import make
from innerworks.model.sites import Role, Site
from innerworks.model.stored import rows_share_rounding
from innerworks.model.sweep.plan import is_out_of_memory, limits_for, row_bytes

if TYPE_CHECKING:
    from innerworks.model.edits.values import Context, Edit
    from innerworks.model.model import Model
    from innerworks.model.tokens import Prompt

__all__ = ["Rows"]

Found = TypeVar("Found")


@dataclass(frozen=True)
class Rows:
    """Target prompts, the layer in which each is patched, and the state [row, d] that each is given there."""

    model: Model
    kind: str
    prompts: tuple[Prompt, ...]
    layers: tuple[int, ...]
    values: Tensor
    tokens_at_once: int | None = None
    patches: bool = True
    """False: the prompts as they are, with nothing put in."""

    def __post_init__(self) -> None:
        if self.tokens_at_once is not None and self.tokens_at_once < 1:
            raise OptionError(f"max_tokens={self.tokens_at_once}: one forward has at least one token.")

    def __len__(self) -> int:
        return len(self.prompts)

    def __getitem__(self, part: slice) -> Rows:
        return replace(self, prompts=self.prompts[part], layers=self.layers[part], values=self.values[part])

    @property
    def edits(self) -> list[Edit]:
        """Each layer's edit, which changes only the rows that are patched there."""
        layers = torch.tensor(self.layers)
        if not self.patches:
            return []
        return [
            make.call(Site(self.kind, layer) @ Role(PATCHED), self._putting(layers == layer))
            for layer in sorted(set(self.layers))
        ]

    def _putting(self, here: Tensor) -> Callable[[Tensor, Context], Tensor]:
        def put(found: Tensor, context: Context) -> Tensor:
            rows = torch.tensor(context.rows, device=self.values.device)
            own = self.values[rows].to(found)[:, None].expand_as(found)
            return torch.where(here[rows.cpu()].to(found.device)[:, None, None], own, found)

        return put

    def with_prompts(self, prompts: Sequence[Prompt]) -> Rows:
        """The same states, put at the same places of longer prompts."""
        return replace(self, prompts=tuple(prompts))

    def unpatched(self) -> Rows:
        """The same prompts with nothing put in."""
        return replace(self, patches=False)

    def logits_at(self, positions: Sequence[int], each: Callable[[slice, Tensor], None]) -> None:
        """The logits [row, position, vocabulary] at some positions, some rows at a time."""

        def attempt(part: Rows) -> Tensor:
            logits: Tensor = part.model.run(list(part.prompts), edits=part.edits, logits=list(positions)).logits
            return logits

        for place, logits in self._parts(attempt, len(positions), 0):
            each(place, logits)

    def written(self, new_tokens: int, tell: Callable[[int], None]) -> list[list[int]]:
        """What is written behind each prompt, greedily."""

        def attempt(part: Rows) -> list[list[int]]:
            return part.model.generate(list(part.prompts), edits=part.edits, max_new_tokens=new_tokens).new_ids

        found: list[list[int]] = []
        for place, ids in self._parts(attempt, 1, new_tokens):
            found += ids
            tell(place.stop)
        return found

    def _parts(self, attempt: Callable[[Rows], Found], kept: int, room: int) -> Iterator[tuple[slice, Found]]:
        """Every row's answer in order, in parts that are halved when memory runs out."""
        size, start = self._at_once(kept, room), 0
        while start < len(self):
            place = slice(start, min(start + size, len(self)))
            try:
                found = attempt(self[place])
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if size == 1:
                    raise OutOfMemoryError(
                        f"not enough memory for a single target prompt of {len(self.prompts[start])} tokens: take a "
                        "shorter one, or load the model in a smaller dtype."
                    ) from error
                size = max(1, size // 2)
                continue
            yield place, found
            start = place.stop

    def _at_once(self, kept: int, room: int) -> int:
        if rows_share_rounding(self.model.module):
            return 1
        limits = limits_for(self.model, self.tokens_at_once, None)
        width = max(map(len, self.prompts)) + room
        return max(1, min(limits.tokens // width, limits.bytes // row_bytes(self.model, width, kept)))
