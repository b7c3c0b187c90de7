"""Confidence intervals for shares and means over examples."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

__all__ = ["mean_interval", "mean_intervals", "share_interval", "share_intervals", "weighted_means"]

_RESAMPLES = 2000
_COLUMNS = 4096


def share_interval(right: int, of: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval for a share: sensible also where all or none are right."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    # Rounding must not take the ends past, or just short of, what they are.
    return (middle - half if right else 0.0), (middle + half if right < of else 1.0)


def share_intervals(values: Any, confidence: float) -> tuple[Any, Any]:
    """`share_interval` along the first axis of zeros and ones, each place for itself; NaN is no example."""
    flat = np.asarray(values, dtype=float).reshape(len(values), -1)
    there = (~np.isnan(flat)).sum(0)
    right = np.nansum(flat, 0)
    counted = zip(right.astype(int).tolist(), there.tolist(), strict=True)
    ends = [share_interval(one, of, confidence) if of else (math.nan, math.nan) for one, of in counted]
    low, high = np.array(ends, dtype=float).reshape(-1, 2).T
    shape = np.shape(values)[1:]
    return low.reshape(shape), high.reshape(shape)


def mean_interval(values: Any, confidence: float, seed: int) -> tuple[float, float]:
    """The bootstrap's percentile interval for a mean, drawing examples anew; of one example, NaN."""
    if len(values) < 2:
        return math.nan, math.nan
    draws = np.random.default_rng(seed).integers(0, len(values), (_RESAMPLES, len(values)))
    edges = (1 - confidence) / 2
    low, high = np.quantile(np.asarray(values, dtype=float)[draws].mean(1), [edges, 1 - edges])
    return float(low), float(high)


def weighted_means(values: Any, weights: Any = None) -> Any:
    """Means along the first axis, each place for itself, over the examples that have a value there."""
    flat, weight = _with_weights(values, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(np.isnan(flat), 0.0, flat * weight).sum(0) / np.where(np.isnan(flat), 0.0, weight).sum(0)
    return means.reshape(np.shape(values)[1:])


def mean_intervals(values: Any, confidence: float, seed: int, weights: Any = None) -> tuple[Any, Any]:
    """The bootstrap's percentile intervals of `weighted_means`."""
    flat, weight = _with_weights(values, weights)
    there = ~np.isnan(flat)
    picked = np.random.default_rng(seed).integers(0, len(flat), (_RESAMPLES, len(flat)))
    times = np.stack([np.bincount(row, minlength=len(flat)) for row in picked]) * weight[:, 0]
    edges = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.full(flat.shape[1], math.nan), np.full(flat.shape[1], math.nan)
    enough = np.flatnonzero(there.sum(0) > 1)
    for start in range(0, len(enough), _COLUMNS):
        columns = enough[start : start + _COLUMNS]
        total = times @ there[:, columns]
        with np.errstate(invalid="ignore", divide="ignore"):
            means = times @ np.where(there[:, columns], flat[:, columns], 0.0) / total
        # A draw may hold no example that has a value here; nanquantile goes column by column, so only where needed.
        if np.isnan(means).any():
            low[columns], high[columns] = np.nanquantile(means, edges, axis=0)
        else:
            low[columns], high[columns] = _quantiles(means, edges)
    shape = np.shape(values)[1:]
    return low.reshape(shape), high.reshape(shape)


def _quantiles(draws: Any, edges: list[float]) -> list[Any]:
    """`np.quantile(draws, edges, axis=0)`, several times faster: rows that lie together are sorted whole."""
    ordered = np.ascontiguousarray(draws.T)
    ordered.sort(axis=1)
    found = []
    for edge in edges:
        place = edge * (len(draws) - 1)
        below = int(place)
        above = min(below + 1, len(draws) - 1)
        step = ordered[:, above] - ordered[:, below]
        found.append(ordered[:, below] + step * (place - below))
    return found


def _with_weights(values: Any, weights: Any) -> tuple[Any, Any]:
    """Values as [example, place] and weights as [example, 1]."""
    flat = np.asarray(values, dtype=float).reshape(len(values), -1)
    return flat, np.ones((len(flat), 1)) if weights is None else np.asarray(weights, dtype=float).reshape(-1, 1)
