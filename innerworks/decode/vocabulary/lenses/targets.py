"""Whose rank a lens follows: a token of the user's, what the model itself predicts, or the prompt's own next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.errors import MetricError
from innerworks.model.tokens import Whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from innerworks.data.lifting import Prompts
    from innerworks.model.model import Model

__all__ = ["FOLLOWED_EVERYWHERE", "followed"]

_NEXT, _PREDICTION = "next", "prediction"
FOLLOWED_EVERYWHERE = (_NEXT, _PREDICTION)
"""Targets that are another token at each position."""


def followed(model: Model, prompts: Prompts, target: Any, columns: Sequence[int], ahead: int = 0) -> Tensor | None:
    """The ids to follow at each column of the prompts, [row, column, alternative]; -1 where there is none.

    None for what the model itself predicts, which is known when its last states are read. What is read at a column is
    of so many tokens ahead.
    """
    if target is None or (isinstance(target, str) and target == _PREDICTION):
        return None
    if isinstance(target, str) and target == _NEXT:
        rows = [[*prompt.ids[1 + ahead :], *[-1] * (1 + ahead)] for prompt in prompts]
        return torch.tensor(rows, device=model.device)[:, list(columns), None]
    each = target if isinstance(target, (list, tuple)) else [target] * len(prompts)
    if len(each) != len(prompts):
        raise MetricError(f"{len(each)} targets for {len(prompts)} prompts: give one for all, or one for each prompt.")
    alternatives = [_alternatives(model, one, prompts.width, [column + ahead for column in columns]) for one in each]
    widest = max(len(one[0]) for one in alternatives)
    padded = [[ids + [-1] * (widest - len(ids)) for ids in one] for one in alternatives]
    return torch.tensor(padded, device=model.device)


def _alternatives(model: Model, target: Any, width: int, columns: Sequence[int]) -> list[list[int]]:
    """The ids of which any counts, at each column; a target of several tokens has each where it is predicted."""
    if isinstance(target, Whole):
        ids = model.tokens(target)
        predicted = {width - len(ids) + number: token for number, token in enumerate(ids)}
        return [[predicted.get(column, -1)] for column in columns]
    if isinstance(target, dict):
        raise MetricError(f"target={target!r}: a lens follows a token, or a set of which any counts, and no weights.")
    tokens = list(target) if isinstance(target, (set, frozenset)) else [target]
    if not tokens:
        raise MetricError("target=set(): name at least one token in it.")
    return [sorted({model.token(one) for one in tokens}) for _ in columns]
