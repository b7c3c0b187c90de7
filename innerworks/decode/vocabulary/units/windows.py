"""Windows: the tokens around a token, told apart by what the model could read of them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["context_keys", "windows"]

_ODD = (-7046029254386353131, -4658895280553007687, 6364136223846793005)
"""Large odd numbers, by which products spread over all 64 bits."""


def context_keys(ids: Tensor, window: int) -> Tensor:
    """A number for each token of ids [row, position]: equal where the token and the `window` before it are equal."""
    mixed = (ids.long() + 1) * _ODD[0]
    mixed = (mixed ^ (mixed >> 29)) * _ODD[1]
    keys = torch.zeros_like(mixed)
    for back in range(min(window, ids.shape[1] - 1), -1, -1):
        shifted = torch.zeros_like(mixed)
        shifted[:, back:] = mixed[:, : mixed.shape[1] - back]
        keys = (keys ^ (keys >> 31)) * _ODD[2] + shifted
    return keys


def windows(values: Tensor, row: Tensor, position: Tensor, window: int) -> Tensor:
    """Of values [row, position], those around each place, [place, offset]; NaN beyond the row's ends."""
    columns = position[:, None] + torch.arange(-window, window + 1, device=values.device)
    inside = (columns >= 0) & (columns < values.shape[1])
    found = values[row[:, None], columns.clamp(0, values.shape[1] - 1)]
    return found.masked_fill(~inside, torch.nan)
