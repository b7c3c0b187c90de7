"""Lines over a common axis, told apart by dash as well as colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from innerworks.results.arrays import AnyArray
from innerworks.results.numbers import exact_number
from innerworks.results.render.axis_ticks import tick_text, ticks
from innerworks.results.render.markup import cut, escape, svg_picture
from innerworks.results.render.twin import folded, plain_table
from innerworks.results.views import View

__all__ = ["series_html"]

_WIDTH, _HEIGHT = 760.0, 280.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 14.0, 12.0, 46.0
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 4", "12 4", "1 4", "6 2 1 2 1 2")
_COLOURS = 8
_MARKED_POINTS = 40
_DRAWN_POINTS = 2000
_TABLE_ROWS = 200


@dataclass(frozen=True)
class _Plot:
    x: AnyArray
    x_ticks: list[tuple[float, str]]
    y_ticks: list[float]

    def across(self, x: AnyArray | float) -> AnyArray:
        low, high = self.x_ticks[0][0], self.x_ticks[-1][0]
        low, high = min(low, float(self.x.min())), max(high, float(self.x.max()))
        share = (np.asarray(x, dtype=float) - low) / ((high - low) or 1.0)
        return np.asarray(_LEFT + share * (_WIDTH - _LEFT - _RIGHT))

    def up(self, y: AnyArray | float) -> AnyArray:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        share = (np.asarray(y, dtype=float) - low) / (high - low)
        return np.asarray(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM))


def series_html(view: View) -> str:
    """The lines as SVG, a legend, and a folded table of the exact values."""
    y = np.asarray(view.arrays["y"], dtype=float)
    if not np.isfinite(y).any():
        return '<p class="iw-note">This series has no finite point to draw.</p>' + _twin(view)
    plot = _plot(view, y)
    lines = "".join(
        _band(view, plot, index) + _line(plot, y[index], index, str(view.arrays["names"][index]))
        for index in range(len(y))
    )
    label = f"{view.title or 'Series'}: {', '.join(map(str, view.arrays['names']))}"
    svg = svg_picture(_frame(view, plot) + lines, label, _WIDTH, _HEIGHT)
    return f"{svg}{_legend(view)}{_left_out(y)}{_twin(view)}"


def _plot(view: View, y: AnyArray) -> _Plot:
    bounds = np.concatenate([y.ravel(), *(view.arrays[b].ravel() for b in ("low", "high") if b in view.arrays)])
    finite = bounds[np.isfinite(bounds.astype(float))]
    x = view.arrays["x"]
    y_ticks = ticks(float(finite.min()), float(finite.max()), 5)
    if x.dtype.kind not in "iuf" or not np.isfinite(x.astype(float)).all():
        every = max(1, -(-len(x) // 12))
        places = np.arange(len(x), dtype=float)
        labels = [(float(place), cut(str(x[place]), 12)) for place in range(0, len(x), every)]
        return _Plot(places, labels, y_ticks)
    numbers = x.astype(float)
    found = ticks(float(numbers.min()), float(numbers.max()), 8)
    if x.dtype.kind in "iu":
        found = [tick for tick in found if tick.is_integer()]
    inside = [tick for tick in found if numbers.min() <= tick <= numbers.max()] or [float(numbers.min())]
    step = inside[1] - inside[0] if len(inside) > 1 else 1.0
    return _Plot(numbers, [(tick, tick_text(tick, step)) for tick in inside], y_ticks)


def _frame(view: View, plot: _Plot) -> str:
    step = plot.y_ticks[1] - plot.y_ticks[0]
    parts = []
    for tick in plot.y_ticks:
        y, css = float(plot.up(tick)), "iw-zero" if tick == 0 else "iw-grid"
        parts.append(f'<path class="{css}" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text class="iw-row" x="{_LEFT - 8}" y="{y:.1f}">{tick_text(tick, step)}</text>')
    for tick, text in plot.x_ticks:
        x = float(plot.across(tick))
        parts.append(f'<path class="iw-grid" d="M{x:.1f} {_HEIGHT - _BOTTOM}v4"/>')
        parts.append(f'<text class="iw-col" x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 17}">{escape(text)}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    if view.state.get("x_title"):
        parts.append(f'<text class="iw-axis" x="{middle}" y="{_HEIGHT - 8}">{escape(view.state["x_title"])}</text>')
    if view.state.get("y_title"):
        y = (_TOP + _HEIGHT - _BOTTOM) / 2
        turn = f'transform="rotate(-90 13 {y})"'
        parts.append(f'<text class="iw-axis" x="13" y="{y}" {turn}>{escape(view.state["y_title"])}</text>')
    return "".join(parts)


def _path(xs: AnyArray, ys: AnyArray) -> str:
    """Line segments, broken wherever a value is not finite."""
    parts, pen = [], "M"
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        if not np.isfinite(y):
            pen = "M"
            continue
        parts.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(parts)


def _line(plot: _Plot, y: AnyArray, index: int, name: str) -> str:
    drawn = _drawn(y)
    xs, ys = plot.across(plot.x)[drawn], plot.up(np.where(np.isfinite(y), y, np.nan))[drawn]
    dash = _DASHES[index % len(_DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    dots = ""
    if len(y) <= _MARKED_POINTS:
        dots = "".join(
            f'<circle cx="{x:.1f}" cy="{height:.1f}" r="2.6"><title>{escape(name)}: {exact_number(value)}'
            f"</title></circle>"
            for x, height, value in zip(xs.tolist(), ys.tolist(), y.tolist(), strict=True)
            if np.isfinite(height)
        )
    return (
        f'<g class="iw-s{index % _COLOURS}"><path class="iw-line"{dashed} d="{_path(xs, ys)}">'
        f"<title>{escape(name)}</title></path>{dots}</g>"
    )


def _drawn(y: AnyArray) -> AnyArray:
    """Which points to draw: all, or of very many the lowest and highest of every few."""
    if len(y) <= _DRAWN_POINTS:
        return np.arange(len(y))
    kept: list[int] = []
    for group in np.array_split(np.arange(len(y)), _DRAWN_POINTS // 2):
        known = group[np.isfinite(y[group])]
        ends = {int(known[y[known].argmin()]), int(known[y[known].argmax()])} if known.size else {int(group[0])}
        kept += sorted(ends)
    return np.array(kept)


def _band(view: View, plot: _Plot, index: int) -> str:
    if "low" not in view.arrays:
        return ""
    low, high = (np.asarray(view.arrays[name][index], dtype=float) for name in ("low", "high"))
    whole = np.isfinite(low) & np.isfinite(high)
    if whole.sum() < 2:
        return ""
    xs = plot.across(plot.x)[whole]
    outline = _path(np.concatenate([xs, xs[::-1]]), plot.up(np.concatenate([low[whole], high[whole][::-1]])))
    return f'<g class="iw-s{index % _COLOURS}"><path class="iw-band" d="{outline}Z"/></g>'


def _legend(view: View) -> str:
    items = []
    for index, name in enumerate(view.arrays["names"]):
        dash = _DASHES[index % len(_DASHES)]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        items.append(
            f'<span class="iw-s{index % _COLOURS}"><svg aria-hidden="true" width="30" height="8">'
            f'<path class="iw-line"{dashed} d="M0 4H30"/></svg> {escape(name)}</span>'
        )
    return f'<p class="iw-legend">{" ".join(items)}</p>'


def _left_out(y: AnyArray) -> str:
    gaps = int((~np.isfinite(y)).sum())
    plural = "point is" if gaps == 1 else "points are"
    sentences = []
    if gaps:
        sentences.append(f"{gaps:,} {plural} not finite and left out of the lines.")
    if y.shape[1] > _DRAWN_POINTS:
        every = -(-y.shape[1] // (_DRAWN_POINTS // 2))
        sentences.append(f"Of {y.shape[1]:,} points per line, the lowest and the highest of every {every} are drawn.")
    return f'<p class="iw-note">{" ".join(sentences)}</p>' if sentences else ""


def _twin(view: View) -> str:
    x, y = view.arrays["x"], view.arrays["y"]
    shown = min(len(x), _TABLE_ROWS)
    rows = [[x[point], *map(exact_number, y[:, point])] for point in range(shown)]
    hidden = len(x) - shown
    note = f'<p class="iw-note">The first {shown} points; {hidden:,} are hidden here.</p>' if hidden else ""
    head = [view.state.get("x_title") or "x", *view.arrays["names"]]
    return folded("Exact values", note + plain_table(head, rows, labelled_rows=True))
