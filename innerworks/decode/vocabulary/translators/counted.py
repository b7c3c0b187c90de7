"""What usually comes, counted in a text: of all tokens, and of those so many tokens behind a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Counted"]


@dataclass(frozen=True)
class Counted:
    """A text's tokens [row, position], and probabilities from its counts after Witten and Bell.

    Of N tokens with T different ones among them each counts as one more that was not foreseen: N/(N + T) of the
    probability is that of the counts, and T/(N + T) what is said with less known.
    """

    ids: Any
    n_vocab: int

    def unigram(self) -> Tensor:
        """Each token's log-probability, whatever comes before, [V]."""
        counts = np.bincount(self.ids.ravel(), minlength=self.n_vocab).astype(np.float64)
        different = float((counts > 0).sum())
        return torch.from_numpy(np.log((counts + different / self.n_vocab) / (counts.sum() + different)))

    def behind(self, tokens: Tensor, distance: int) -> Tensor:
        """Each token's log-probability so many tokens behind each of some tokens, [token, V]."""
        before, after = self.ids[:, :-distance].ravel(), self.ids[:, distance:].ravel()
        order = np.argsort(before, kind="stable")
        before, after = before[order], after[order]
        base = self.unigram().exp()
        known, where = torch.unique(tokens.cpu(), return_inverse=True)
        rows = []
        for token in known.tolist():
            start, stop = np.searchsorted(before, [token, token + 1])
            counts = torch.from_numpy(np.bincount(after[start:stop], minlength=self.n_vocab).astype(np.float64))
            different = float((counts > 0).sum())
            rows.append(((counts + max(1.0, different) * base) / (stop - start + max(1.0, different))).log())
        return torch.stack(rows)[where]
