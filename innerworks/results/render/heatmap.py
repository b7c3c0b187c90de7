"""A grid of numbers, or of words with a number each: drawn cell by cell while that is light, beyond as a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from innerworks.results.arrays import AnyArray
from innerworks.results.numbers import exact_number, number_among, short_number
from innerworks.results.render.grid_axes import Grid, axes, grid_for
from innerworks.results.render.markup import cut, escape, svg_picture, visible_label
from innerworks.results.render.png import heat_png, png_data_uri
from innerworks.results.render.scale import INVERT_FROM, Scale, fill
from innerworks.results.render.twin import grid_twin
from innerworks.results.views import View

__all__ = ["heatmap_html"]

_CELL_LIMIT = 2000
_PIXEL_LIMIT = 2048
_ROOM_FOR_TEXT = 36
_CHAR = 6.2
"""How wide a letter in a cell is, about."""


def heatmap_html(view: View) -> str:
    """The grid as SVG with its axes and legend, and a folded table of the exact values."""
    values = np.asarray(view.arrays["values"], dtype=float)
    if not values.size:
        return '<p class="iw-note">This grid has no cells.</p>'
    scale = Scale.of(values)
    grid = grid_for(view)
    is_dense = values.size > _CELL_LIMIT
    body = _picture(scale, values, grid) if is_dense else _Painter(view, scale, grid).cells()
    summary = _description(view, values)
    inside = f'{axes(grid, view)}<g transform="translate({grid.left:.0f} {grid.top:.0f})">{body}</g>'
    svg = svg_picture(inside, summary, grid.full_width, grid.full_height)
    return svg + _legend(view, scale, values) + _dense_note(values, is_dense) + grid_twin(view, is_dense)


def _description(view: View, values: AnyArray) -> str:
    finite = values[np.isfinite(values)]
    reach = f" from {short_number(finite.min())} to {short_number(finite.max())}" if finite.size else ""
    name = view.title or str(view.state.get("label", "value"))
    kind = "Words" if "predictions" in view.arrays else "Heatmap"
    return f"{kind} of {name}: {values.shape[0]} rows, {values.shape[1]} columns{reach}"


def _legend(view: View, scale: Scale, values: AnyArray) -> str:
    missing, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    parts = [escape(view.state.get("label", "value")), scale.legend()]
    if missing:
        cells = "cell" if missing == 1 else "cells"
        parts.append(f'<span><span class="iw-hatch"></span> not a number ({missing:,} {cells})</span>')
    if infinite:
        parts.append(f"<span>{infinite:,} infinite, drawn at the scale’s end</span>")
    return f'<p class="iw-legend">{" ".join(parts)}</p>'


@dataclass(frozen=True)
class _Painter:
    """Draws the cells of one grid one by one."""

    view: View
    scale: Scale
    grid: Grid

    def cells(self) -> str:
        values = self.view.arrays["values"]
        rows = []
        for row in range(self.grid.rows):
            cells = "".join(self._cell(float(values[row, column]), row, column) for column in range(self.grid.columns))
            rows.append(f'<g transform="translate(0 {row * self.grid.cell_height:.2f})">{cells}</g>')
        return "".join(rows)

    def _cell(self, value: float, row: int, column: int) -> str:
        grid, arrays = self.grid, self.view.arrays
        left, width, height = column * grid.cell_width, grid.cell_width - 1, grid.cell_height - 1
        where = f"{arrays['rows'][row]} · {arrays['columns'][column]}"
        word = visible_label(str(arrays["predictions"][row, column])) if "predictions" in arrays else ""
        said = f"{word!r}, " if word else ""
        title = f"<title>{escape(where)}: {escape(said)}{exact_number(arrays['values'][row, column])}</title>"
        place = f'x="{left:.2f}" width="{width:.2f}" height="{height:.2f}"'
        if math.isnan(value):
            hatch = _hatch(left, width, height)
            return f'<g>{title}<rect {place} class="iw-void"/><path class="iw-lines" d="{hatch}"/></g>'
        strength = self.scale.strength(value)
        inside = self._inside(value, word, strength, left + width / 2, height / 2)
        return f"<g>{title}<rect {place} {fill(strength)}/>{inside}</g>"

    def _inside(self, value: float, word: str, strength: float, x: float, y: float) -> str:
        """The word of a cell, else its number, where there is room for it."""
        grid = self.grid
        crowded = grid.cell_width < _ROOM_FOR_TEXT or grid.cell_height < 16
        if crowded or (not word and grid.rows * grid.columns > 600):
            return ""
        text = escape(cut(word, int(grid.cell_width // _CHAR))) if word else number_among(value, self.scale.limit)
        contrast = "iw-cell iw-hi" if abs(strength) >= INVERT_FROM else "iw-cell"
        return f'<text class="{contrast}" x="{x:.1f}" y="{y:.1f}">{text}</text>'


def _hatch(left: float, width: float, height: float) -> str:
    return "".join(
        f"M{left + width * start:.1f} {height:.1f}L{left + width * end:.1f} 0"
        for start, end in ((0, 0.34), (0.33, 0.67), (0.66, 1))
    )


def _pooled(values: AnyArray) -> AnyArray:
    """One value per pixel: where several cells share one, the strongest of them."""
    for axis in (0, 1):
        step = math.ceil(values.shape[axis] / _PIXEL_LIMIT)
        if step == 1:
            continue
        padding = [(0, 0), (0, 0)]
        padding[axis] = (0, -values.shape[axis] % step)
        filled = np.moveaxis(np.pad(values, padding, constant_values=np.nan), axis, 0)
        groups = filled.reshape(-1, step, filled.shape[1])
        magnitudes = np.where(np.isnan(groups), -1, np.abs(groups))
        strongest = np.take_along_axis(groups, magnitudes.argmax(axis=1)[:, None, :], axis=1)[:, 0]
        values = np.moveaxis(strongest, 0, axis)
    return values


def _picture(scale: Scale, values: AnyArray, grid: Grid) -> str:
    uri = png_data_uri(heat_png(scale.strengths(_pooled(values))))
    return (
        f'<rect class="iw-frame" width="{grid.width:.0f}" height="{grid.height:.0f}"/>'
        f'<image class="iw-pixels" width="{grid.width:.0f}" height="{grid.height:.0f}" '
        f'preserveAspectRatio="none" href="{uri}"/>'
    )


def _dense_note(values: AnyArray, is_dense: bool) -> str:
    if not is_dense:
        return ""
    steps = [math.ceil(size / _PIXEL_LIMIT) for size in values.shape]
    merged = f" Each pixel is the strongest of up to {steps[0]}×{steps[1]} cells." if max(steps) > 1 else ""
    return f'<p class="iw-note">{values.size:,} cells, drawn as one picture.{merged}</p>'
