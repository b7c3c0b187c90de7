"""Confidence intervals for shares and means over examples."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

__all__ = ["mean_interval", "share_interval"]

_RESAMPLES = 2000


def share_interval(right: int, of: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval for a share: sensible also where all or none are right."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    # Rounding must not take the ends past, or just short of, what they are.
    return (middle - half if right else 0.0), (middle + half if right < of else 1.0)


def mean_interval(values: Any, confidence: float, seed: int) -> tuple[float, float]:
    """The bootstrap's percentile interval for a mean, drawing examples anew; of one example, NaN."""
    if len(values) < 2:
        return math.nan, math.nan
    draws = np.random.default_rng(seed).integers(0, len(values), (_RESAMPLES, len(values)))
    edges = (1 - confidence) / 2
    low, high = np.quantile(np.asarray(values, dtype=float)[draws].mean(1), [edges, 1 - edges])
    return float(low), float(high)
