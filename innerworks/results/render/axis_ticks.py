"""Round numbers for an axis."""

from __future__ import annotations

import math

__all__ = ["tick_text", "ticks"]


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers (steps of 1, 2, 2.5 or 5 times a power of ten) that cover low to high."""
    if not high > low:
        margin = abs(low) * 0.5 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12 - math.floor(math.log10(step))) for index in range(first, last + 1)]


def tick_text(value: float, step: float) -> str:
    """A tick's number with as many decimals as the step needs, the same on the whole axis."""
    if value == 0:
        return "0"
    if max(abs(value), step) >= 1e6 or step < 1e-4:
        return f"{value:.3g}"
    decimals = next((places for places in range(7) if abs(round(step, places) - step) < 1e-9 * max(step, 1e-3)), 6)
    return f"{value:.{decimals}f}"
