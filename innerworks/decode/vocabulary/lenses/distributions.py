"""Statistics of next-token distributions, worked out a few tokens at a time: no place's logits are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["Wanted", "chunks", "largest", "statistics"]

_NUMBERS_AT_ONCE = 2**22
"""How many logits are held at a time: 16 MB in float32."""
_BLOCK = 64


@dataclass(frozen=True)
class Wanted:
    """What is asked of each distribution."""

    top: int = 0
    targets: bool = False
    spread: bool = False
    """Entropy, and the divergences from the final distribution."""
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names: tuple[str, ...] = ("logit", "log_prob", "rank") if self.targets else ()
        names += ("entropy", "kl", "kl_back") if self.spread else ()
        names += ("top_token", "top_prob") if self.top else ()
        object.__setattr__(self, "names", names)


def chunks(tokens: int, vocabulary: int) -> Iterator[slice]:
    """Slices of so many tokens that their logits together are few enough."""
    size = max(1, _NUMBERS_AT_ONCE // vocabulary)
    for start in range(0, tokens, size):
        yield slice(start, min(start + size, tokens))


def statistics(logits: Tensor, wanted: Wanted, final: Tensor | None, targets: Tensor | None) -> dict[str, Tensor]:
    """What is wanted of `logits` [token, vocabulary]; `final` are the model's own.

    `targets` [token, alternative] are ids of which any counts; below 0 is none, and NaN where there is none at all.
    """
    logits = logits.float() if logits.dtype.itemsize < 4 else logits
    found: dict[str, Tensor] = {}
    norm = logits.logsumexp(-1)
    if wanted.targets and targets is not None:
        found |= _of_targets(logits, norm, targets)
    if wanted.spread:
        assert final is not None
        found |= _spread(logits, norm, final)
    if wanted.top:
        values, tokens = largest(logits, wanted.top)
        found["top_token"], found["top_prob"] = tokens, (values - norm[:, None]).exp()
    return found


def _of_targets(logits: Tensor, norm: Tensor, targets: Tensor) -> dict[str, Tensor]:
    own = logits.gather(-1, targets.clamp(min=0)).masked_fill(targets < 0, -torch.inf)
    best = own.amax(-1)
    rank = ((logits >= best[:, None]).sum(-1) - (own >= best[:, None]).sum(-1)).to(norm)
    found = {"logit": best, "log_prob": own.logsumexp(-1) - norm, "rank": rank}
    return {name: value.masked_fill((targets < 0).all(-1), torch.nan) for name, value in found.items()}


def _spread(logits: Tensor, norm: Tensor, final: Tensor) -> dict[str, Tensor]:
    """Entropy, KL(final ‖ here) and KL(here ‖ final), in nats."""
    final = final.to(logits)
    final_norm = final.logsumexp(-1)
    here, there = (logits - norm[:, None]).exp_(), (final - final_norm[:, None]).exp_()
    entropy = norm - _dot(here, logits)
    forth = norm - _dot(there, logits) + _dot(there, final) - final_norm
    back = final_norm - _dot(here, final) - entropy
    return {"entropy": entropy, "kl": forth.clamp(min=0), "kl_back": back.clamp(min=0)}  # below 0 is rounding


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return torch.bmm(one[:, None], other[:, :, None])[:, 0, 0]


def largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest values of each row [row, n], and their places.

    Sorting out whole rows is slow: only blocks whose own largest is among the largest are looked at closely.
    """
    rows, size = values.shape
    whole = size // _BLOCK
    if whole <= 4 * count:
        return _sorted(values, torch.arange(size, device=values.device).expand(rows, -1), count)
    blocks = values[:, : whole * _BLOCK].reshape(rows, whole, _BLOCK)
    best = blocks.amax(-1).topk(count, -1).indices
    close = blocks.gather(1, best[..., None].expand(-1, -1, _BLOCK)).flatten(1)
    places = (best[..., None] * _BLOCK + torch.arange(_BLOCK, device=values.device)).flatten(1)
    rest = values[:, whole * _BLOCK :]
    ends = torch.arange(whole * _BLOCK, size, device=values.device).expand(rows, -1)
    return _sorted(torch.cat([close, rest], 1), torch.cat([places, ends], 1), count)


def _sorted(values: Tensor, places: Tensor, count: int) -> tuple[Tensor, Tensor]:
    found = values.topk(min(count, values.shape[1]), -1)
    return found.values, places.gather(1, found.indices)
