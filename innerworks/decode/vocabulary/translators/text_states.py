"""States on a corpus: some positions of some contexts at a time, at every place, with the states they lead to."""

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

__all__ = ["Continued", "TextStates", "continued_states", "stream_sites", "text_states"]


@dataclass(frozen=True)
class TextStates:
    """The states of some tokens of a corpus."""

    places: Tensor
    """At every place, [place, token, n]."""
    final: Tensor
    """What they lead to: the stream behind the last block that counts, so many tokens further on, [token, d]."""
    next_tokens: Tensor
    """What comes next in the text behind that token, [token]; -1 behind the end of a context."""


def stream_sites(depths: Sequence[int]) -> list[Site]:
    """The stream with so many blocks behind it."""
    return [at.embed if depth == 0 else at.resid_post[depth - 1] for depth in depths]


def text_states(
    model: Model,
    contexts: Contexts,
    rows: Sequence[int],
    sites: Sequence[Site],
    end: int,
    *,
    positions: Sequence[int] | None = None,
    ahead: int = 0,
) -> TextStates:
    """The states of some rows, at all positions that have a token `ahead` of them, or at some of these."""
    ids = contexts.tensor(rows).to(model.device)
    last = at.resid_post[end - 1]
    whole = dict.fromkeys([*(Site(site.name, site.layer) for site in sites), last])
    run = model.run(ids, capture=list(whole), logits=None)
    chosen = list(range(contexts.width - ahead) if positions is None else positions)
    further = [position + ahead for position in chosen]
    following = torch.cat([ids[:, 1:], torch.full_like(ids[:, :1], -1)], 1)

    def at_place(site: Site) -> Tensor:
        values: Tensor = run[Site(site.name, site.layer)][:, chosen]
        return (values if site.unit is None else values[:, :, int(str(site.unit))]).flatten(0, 1)

    return TextStates(
        torch.stack([at_place(site) for site in sites]),
        run[last][:, further].flatten(0, 1),
        following[:, further].flatten(),
    )


@dataclass(frozen=True)
class Continued:
    """The states of some tokens of a corpus, and how the text goes on behind each of them."""

    places: Tensor
    """At every place, [place, token, d]."""
    final: Tensor
    """The last states there and at each of the tokens behind, [token, 1 + n, d]."""
    following: Tensor
    """The ids of those behind, [token, n]."""


def continued_states(
    model: Model, contexts: Contexts, rows: Sequence[int], sites: Sequence[Site], positions: Sequence[int], ahead: int
) -> Continued:
    """The states of some rows at some positions, and `ahead` tokens further on."""
    ids = contexts.tensor(rows).to(model.device)
    last = at.resid_post[model.n_layers - 1]
    run = model.run(ids, capture=list(dict.fromkeys([*sites, last])), logits=None)
    columns = torch.tensor(list(positions), device=ids.device)[:, None] + torch.arange(ahead + 1, device=ids.device)
    return Continued(
        torch.stack([run[site][:, columns[:, 0]].flatten(0, 1) for site in sites]),
        run[last][:, columns].flatten(0, 1),
        ids[:, columns[:, 1:]].flatten(0, 1),
    )
