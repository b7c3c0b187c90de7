"""States of the stream on a corpus: some positions of some contexts at a time, at every depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from innerworks.model.sites import Site, at

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts
    from innerworks.model.model import Model

__all__ = ["TextStates", "stream_sites", "text_states"]


@dataclass(frozen=True)
class TextStates:
    """The stream at some tokens of a corpus."""

    depths: Tensor
    """[depth, token, d]: before any block, behind the first, …"""
    next_tokens: Tensor
    """What comes next in the text, [token]; -1 behind the end of a context."""


def stream_sites(model: Model, depths: Sequence[int]) -> list[Site]:
    """The stream with so many blocks behind it."""
    return [at.embed if depth == 0 else at.resid_post[depth - 1] for depth in depths]


def text_states(
    model: Model, contexts: Contexts, rows: Sequence[int], depths: Sequence[int], positions: Sequence[int] | None = None
) -> TextStates:
    """The states of some rows at some depths; of all their positions, or of some."""
    ids = contexts.tensor(rows).to(model.device)
    sites = stream_sites(model, depths)
    run = model.run(ids, capture=sites, logits=None)
    following = torch.cat([ids[:, 1:], torch.full_like(ids[:, :1], -1)], 1)
    chosen = slice(None) if positions is None else list(positions)
    stacked = torch.stack([run[site][:, chosen].flatten(0, 1) for site in sites])
    return TextStates(stacked, following[:, chosen].flatten())

