"""Statistics of next-token distributions, worked out a few at a time: no place's logits are kept.

Each statistic is a pass over the vocabulary, and passes are cheap while the logits are in the processor's cache. So a
handful of distributions goes through all of them before the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Ending", "Wanted", "chunks", "largest", "nearby", "ranks", "statistics"]

_NUMBERS_AT_ONCE = 2**23
"""How many logits are held at a time: 32 MB in float32."""
_NUMBERS_NEAR = 2**20
"""How many logits go through all passes together."""
_BLOCK = 64


@dataclass(frozen=True)
class Wanted:
    """What is asked of each distribution, beside its largest tokens."""

    top: int = 1
    targets: bool = False
    spread: bool = False
    """Entropy, and the divergences from the final distribution."""


@dataclass(frozen=True)
class Ending:
    """The final distributions that others are compared with: logits [token, V], probabilities, and what they share."""

    logits: Tensor
    probs: Tensor
    norm: Tensor
    """The logarithm of the sum over the vocabulary [token]."""
    mean: Tensor
    """The mean of the logits under the distribution [token]."""

    @classmethod
    def of(cls, logits: Tensor) -> Ending:
        """Those of some logits [token, V]."""
        logits = _at_least_float32(logits)
        norm, probs = logits.logsumexp(-1), logits.softmax(-1)
        return cls(logits, probs, norm, torch.linalg.vecdot(probs, logits))


def chunks(tokens: int, vocabulary: int) -> Iterator[slice]:
    """Slices of so many tokens that their logits together are few enough."""
    return _slices(tokens, max(1, _NUMBERS_AT_ONCE // vocabulary))


def nearby(rows: int, vocabulary: int) -> Iterator[slice]:
    """Slices of so many distributions that they stay in the processor's cache from one pass to the next."""
    return _slices(rows, max(1, _NUMBERS_NEAR // vocabulary))


def statistics(logits: Tensor, wanted: Wanted, ending: Ending | None, targets: Tensor | None) -> dict[str, Tensor]:
    """What is wanted of `logits` [token, place, V], each [token, place, …]; `ending` are the tokens' own in the end.

    `targets` [token, alternative] are ids of which any counts; below 0 is none, and NaN where there is none at all.
    """
    tokens, places, vocabulary = logits.shape
    near = max(1, _NUMBERS_NEAR // vocabulary)
    found: dict[str, Tensor] = {}
    for some in _slices(tokens, max(1, near // places)):
        for part in nearby(places, vocabulary):
            few = _at_least_float32(logits[some, part])
            for name, value in _statistics(few, wanted, ending, targets, some).items():
                if name not in found:
                    found[name] = value.new_empty(tokens, places, *value.shape[2:])
                found[name][some, part] = value
    return found


def _statistics(
    logits: Tensor, wanted: Wanted, ending: Ending | None, targets: Tensor | None, some: slice
) -> dict[str, Tensor]:
    values, ids = largest(logits.flatten(0, 1), max(wanted.top, 1))
    values, ids = (one.reshape(*logits.shape[:2], -1) for one in (values, ids))
    probs = logits.softmax(-1)
    top_prob = probs.gather(-1, ids)
    norm = values[..., 0] - top_prob[..., 0].log()
    found = {"top_token": ids, "top_prob": top_prob} if wanted.top else {}
    if wanted.targets and targets is not None:
        found |= _of_targets(logits, norm, targets[some])
    if wanted.spread and ending is not None:
        found |= _spread(logits, probs, norm, ending, some)
    return found


def _of_targets(logits: Tensor, norm: Tensor, targets: Tensor) -> dict[str, Tensor]:
    missing = (targets < 0)[:, None]
    ids = targets.clamp(min=0)[:, None].expand(-1, logits.shape[1], -1)
    own = logits.gather(-1, ids).masked_fill(missing, -torch.inf)
    best = own.amax(-1)
    first = ids.masked_fill(own < best[..., None], logits.shape[-1]).amin(-1)
    found = {"logit": best, "log_prob": own.logsumexp(-1) - norm, "rank": ranks(logits, best, first)}
    lost = missing.all(-1) | norm.isnan()
    return {name: value.masked_fill(lost, torch.nan) for name, value in found.items()}


def ranks(logits: Tensor, values: Tensor, ids: Tensor) -> Tensor:
    """How many tokens come before one [...] of logits [..., V]; of equal ones the lower id is first, as in argmax."""
    over = torch.empty_like(logits)  # sums of booleans are slow
    rank = torch.gt(logits, values[..., None], out=over).sum(-1)
    tied = torch.ge(logits, values[..., None], out=over).sum(-1) - rank > 1
    if tied.any():
        equal = logits[tied] == values[tied][:, None]
        lower = torch.arange(logits.shape[-1], device=logits.device) < ids[tied][:, None]
        rank[tied] += (equal & lower).sum(-1).to(rank)
    return rank


def _spread(logits: Tensor, probs: Tensor, norm: Tensor, ending: Ending, some: slice) -> dict[str, Tensor]:
    """Entropy, KL(final ‖ here) and KL(here ‖ final), in nats."""
    final, there = ending.logits[some, None], ending.probs[some, None]
    final_norm, final_mean = ending.norm[some, None], ending.mean[some, None]
    entropy = norm - torch.linalg.vecdot(probs, logits)
    forth = norm - torch.linalg.vecdot(there, logits) + final_mean - final_norm
    back = final_norm - torch.linalg.vecdot(probs, final) - entropy
    return {"entropy": entropy, "kl": forth.clamp(min=0), "kl_back": back.clamp(min=0)}  # below 0 is rounding


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _at_least_float32(values: Tensor) -> Tensor:
    return values.float() if values.dtype.itemsize < 4 else values


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
