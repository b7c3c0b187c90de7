"""What follows target prompts with states in them: one sweep for each prompt, whose beginning all rows share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from innerworks.decode.vocabulary.lenses.distributions import largest, ranks
from innerworks.decode.vocabulary.patchscopes.target_prompts import PATCHED
from innerworks.errors import NonFiniteError
from innerworks.model.edits import make
from innerworks.model.metrics import Bound
from innerworks.model.sites import Site

if TYPE_CHECKING:
    from innerworks.decode.vocabulary.patchscopes.rows import Rows
    from innerworks.model.edits.values import Edit
    from innerworks.model.tokens import Prompt

__all__ = ["NextTokens", "next_tokens"]


@dataclass(frozen=True)
class NextTokens:
    """The most likely next tokens [row, choice], and the log-probability and rank [row, id] of chosen ones."""

    top_token: Tensor
    top_prob: Tensor
    log_prob: Tensor
    rank: Tensor

    @staticmethod
    def of(numbers: Tensor, top: int) -> NextTokens:
        """From what `_measured` gave."""
        followed = (numbers.shape[1] - 2 * top) // 2
        numbers = numbers.double().cpu()
        own, ranks = numbers[:, 2 * top :][:, :followed], numbers[:, 2 * top :][:, followed:]
        return NextTokens(numbers[:, :top].long(), numbers[:, top : 2 * top].exp(), own, ranks)

    def of_any(self, columns: Tensor) -> dict[str, Tensor]:
        """The numbers [row] of each row's own answer: any of the ids in `columns` [row, alternative], -1 for none."""
        none = columns < 0
        log_prob = self.log_prob.gather(1, columns.clamp(min=0)).masked_fill(none, -torch.inf).logsumexp(1)
        rank = self.rank.gather(1, columns.clamp(min=0)).masked_fill(none, torch.inf).amin(1)
        return {"log_prob": log_prob, "prob": log_prob.exp(), "rank": rank, "correct": (rank == 0).double()}


def next_tokens(
    rows: Rows, ids: Sequence[int], top: int, tell: Callable[[int], None]
) -> tuple[NextTokens, dict[Prompt, NextTokens]]:
    """What follows every row, and what follows each prompt with nothing put in; `ids` are followed beside the top."""
    top = min(top, rows.model.n_vocab)
    bound = Bound(-1, 1, _measured(ids, top))
    found: dict[int, Tensor] = {}
    unpatched: dict[Prompt, NextTokens] = {}
    by_prompt: dict[Prompt, list[int]] = {}
    for row, prompt in enumerate(rows.prompts):
        by_prompt.setdefault(prompt, []).append(row)
    for prompt, numbers in by_prompt.items():
        own = {row: _edit(rows, row) for row in numbers}

        def onwards(done: int, total: int, before: int = len(found)) -> None:
            tell(before + done)

        swept = rows.model.sweep(prompt, own, bound, max_tokens=rows.tokens_at_once, progress=onwards)
        found |= {row: swept[row][0] for row in own}
        unpatched[prompt] = NextTokens.of(swept.baseline, top)
        if any(bool(found[row].isnan().any()) for row in own):
            raise NonFiniteError("; ".join(swept.notes))
    return NextTokens.of(torch.stack([found[row] for row in range(len(rows))]), top), unpatched


def _edit(rows: Rows, row: int) -> list[Edit]:
    place = Site(rows.kind, rows.layers[row]) @ rows.prompts[row].positions(PATCHED)
    return [make.set(place, rows.values[row])]


def _measured(ids: Sequence[int], top: int) -> Callable[[Tensor, list[int]], Tensor]:
    """Logits [row, 1, vocabulary] to the top ids and their log-probabilities, and those and the ranks of `ids`."""

    def measured(logits: Tensor, _: list[int]) -> Tensor:
        logits = logits[:, -1]
        logits = logits.float() if logits.dtype.itemsize < 4 else logits
        norm = logits.logsumexp(-1, keepdim=True)
        best, tokens = largest(logits, top)
        own = logits[:, list(ids)]
        counted = [
            ranks(logits, own[:, number], own[:, number].new_full((len(own),), one, dtype=torch.long))
            for number, one in enumerate(ids)
        ]
        rank = torch.stack(counted, 1) if counted else own
        return torch.cat([tokens.to(logits), best - norm, own - norm, rank.to(logits)], 1)

    return measured
