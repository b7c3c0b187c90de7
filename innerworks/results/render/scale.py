"""From numbers to colours: one scale per picture, zero in the middle where signs occur.

A colour is a pole (positive blue, negative orange; safe for colour-blind eyes) at some opacity over the
page's own background, so the same markup serves light and dark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from innerworks.results.arrays import AnyArray
from innerworks.results.numbers import short_number

__all__ = ["INVERT_FROM", "Scale"]

# From this opacity on, text over the colour must flip between black and white to stay readable.
INVERT_FROM = 0.78
_LEGEND_STEPS = 9


@dataclass(frozen=True)
class Scale:
    """The largest finite magnitude, and whether both signs are drawn."""

    limit: float
    signed: bool

    @classmethod
    def of(cls, values: AnyArray) -> Scale:
        """The scale that just covers these values; infinities are drawn at its end."""
        numbers = np.asarray(values, dtype=float)
        finite = numbers[np.isfinite(numbers)]
        limit = float(np.abs(finite).max()) if finite.size else 0.0
        return cls(limit or 1.0, bool((numbers < 0).any()))

    def strength(self, value: float) -> float:
        """Between -1 and 1, the share of the scale's end; NaN stays NaN."""
        return float(np.clip(value / self.limit, -1.0, 1.0))

    def strengths(self, values: AnyArray) -> AnyArray:
        """`strength` of a whole array."""
        scaled: AnyArray = np.clip(np.asarray(values, dtype=float) / self.limit, -1.0, 1.0)
        return scaled

    def legend(self) -> str:
        """A strip of the scale's colours with its numbers below."""
        low = -1.0 if self.signed else 0.0
        steps = np.linspace(low, 1.0, 2 * _LEGEND_STEPS - 1 if self.signed else _LEGEND_STEPS)
        margin, side = 22, 12
        swatches = "".join(
            f'<rect x="{margin + side * index}" width="{side}" height="10" {fill(float(step))}/>'
            for index, step in enumerate(steps)
        )
        width = side * len(steps)
        marks = [(share, short_number(self.limit * (low + share * (1.0 - low)))) for share in (0.0, 0.5, 1.0)]
        numbers = "".join(
            f'<text class="iw-col" x="{margin + width * share:.0f}" y="19">{text}</text>' for share, text in marks
        )
        return (
            f'<svg class="iw-scale" role="img" aria-label="Colour scale from {marks[0][1]} to {marks[2][1]}" '
            f'width="{width + 2 * margin}" height="24">{swatches}{numbers}</svg>'
        )


def fill(strength: float) -> str:
    """SVG attributes that paint a strength."""
    pole = "iw-n" if strength < 0 else "iw-p"
    return f'class="{pole}" fill-opacity="{abs(strength):.2f}"'
