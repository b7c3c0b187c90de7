"""The dark signal of tokens, in what enters every layer, and the attention that is paid to them there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from innerworks.decode.vocabulary.spectroscopy.bands import Bands
from innerworks.errors import SiteError
from innerworks.model.sites import at

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model

__all__ = ["Signals", "dark_count", "signals_of"]


@dataclass(frozen=True)
class Signals:
    """Of each row, layer and position."""

    energy: Tensor
    """[row, layer, position, band]: the share of each band in the stream's squared length."""
    dark: Tensor
    """[row, layer, position]: the share of the quietest directions."""
    received: Tensor
    """[row, layer, position]: what later tokens pay, over heads; NaN for the last token and where no head looks."""

    @property
    def correlation(self) -> Tensor:
        """Pearson's between the two over a row's tokens but the last, [row, layer].

        NaN where either does not vary or there are fewer than three.
        """
        one, other = self.dark[..., :-1], self.received[..., :-1]
        if one.shape[-1] < 3:
            return one.new_full(one.shape[:-1], torch.nan)
        away, beside = (each - each.mean(-1, keepdim=True) for each in (one, other))
        found: Tensor = (away * beside).sum(-1) / (away.norm(dim=-1) * beside.norm(dim=-1))
        return found


def dark_count(model: Model, dark: float) -> int:
    """How many of the quietest directions are called dark."""
    if not 0 < dark < 1:
        raise SiteError(f"dark={dark}: the share of directions called dark lies between 0 and 1.")
    return max(1, round(dark * model.d_model))


def signals_of(model: Model, prompts: Any, cut: Bands, dark: float) -> Signals:
    """Energies of what enters every layer, and the attention that is paid there, of prompts of equal length."""
    layers = list(range(model.n_layers))
    looking = [layer for layer in model.layers_with("pattern")]
    capture: dict[Any, Any] = {at.resid_pre[layer]: None for layer in layers}
    capture |= {at.pattern[layer]: _received for layer in looking}
    run = model.run(prompts, capture=capture, logits=None)
    stream = torch.stack([run[at.resid_pre[layer]].to(cut.vectors) for layer in layers], 1)
    count = dark_count(model, dark)
    tail = Bands(cut.values, cut.vectors, (0, len(cut.vectors) - count, len(cut.vectors)))
    darkness = tail.energy(stream)[..., 1]
    none = darkness.new_full(darkness[:, 0].shape, torch.nan)
    paid = [run[at.pattern[layer]].to(darkness) if layer in looking else none for layer in layers]
    received = torch.stack(paid, 1)
    received[..., -1] = torch.nan  # no token comes after the last
    return Signals(cut.energy(stream), darkness, received)


def _received(pattern: Tensor) -> Tensor:
    """What later tokens pay to each, over heads: [row, head, query, key] to [row, key]; 0 for the last."""
    later = torch.ones(pattern.shape[-2:], dtype=torch.bool, device=pattern.device).tril(-1)
    paid = (pattern.float() * later).mean(1).sum(1)
    return paid / later.sum(0).clamp(min=1)
