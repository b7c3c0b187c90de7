"""Heatmaps and lenses as lines of text: rows of cells, so that a terminal can colour each cell by its number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from innerworks.results.numbers import short_number
from innerworks.results.render.markup import cut, display_width, padded, visible_label
from innerworks.results.render.scale import Scale
from innerworks.results.views import View

__all__ = ["GridText", "grid_text"]

_ROWS = 40
_WORD = 11


@dataclass(frozen=True)
class GridText:
    """A line of column labels, rows of cells with the strength of each, and what is to be said below."""

    head: str
    rows: list[tuple[str, list[tuple[str, float]]]]
    note: str

    def __str__(self) -> str:
        lines = [name + "".join(text for text, _ in cells) for name, cells in self.rows]
        return "\n".join(filter(None, [self.head, *lines, self.note]))


def grid_text(view: View, width: int) -> GridText | None:
    """A heatmap or a lens in so many columns; None for what is no grid, or does not fit."""
    if view.kind == "heatmap":
        return _heatmap(view, width)
    return _lens(view, width) if view.kind == "lens" else None


def _heatmap(view: View, width: int) -> GridText | None:
    """Tenths of the largest number; None where rows or columns are too many."""
    values = np.asarray(view.arrays["values"], dtype=float)
    rows, columns = _labels(view)
    name_width = min(20, max((display_width(row) for row in rows), default=1))
    cell = max(4, *(min(8, display_width(column) + 1) for column in columns)) if columns else 4
    if not values.size or len(rows) > _ROWS or name_width + cell * len(columns) > width:
        return None
    scale = Scale.of(values)
    head = " " * name_width + "".join(padded(cut(column, cell - 1), cell, right=True) for column in columns)
    lines = [
        (padded(cut(name, name_width), name_width), [(f"{_tenths(one):>{cell}}", one) for one in strengths.tolist()])
        for name, strengths in zip(rows, scale.strengths(values), strict=True)
    ]
    return GridText(head, lines, f"(tenths of {short_number(scale.limit)}; nan: not a number)")


def _lens(view: View, width: int) -> GridText:
    """The words of every row, those of the last columns where not all fit."""
    rows, columns = _labels(view)
    name_width = min(20, max((display_width(row) for row in rows), default=1)) + 1
    shown = max(1, min(len(columns), (width - name_width) // _WORD))
    first = len(columns) - shown
    scale = Scale.of(view.arrays["values"])
    head = " " * name_width + "".join(_word(one) for one in columns[first:])
    lines = [
        (
            padded(cut(name, name_width - 1), name_width),
            [
                (_word(visible_label(str(word))), one)
                for word, one in zip(words[first:], strengths[first:], strict=True)
            ],
        )
        for name, words, strengths in zip(
            rows, view.arrays["predictions"], scale.strengths(view.arrays["values"]).tolist(), strict=True
        )
    ]
    note = f"(the last {shown} of {len(columns)} columns)" if first else ""
    return GridText(head, lines, note)


def _labels(view: View) -> tuple[list[str], list[str]]:
    rows, columns = ([visible_label(str(one)) for one in view.arrays[name]] for name in ("rows", "columns"))
    return rows, columns


def _word(text: str) -> str:
    return padded(cut(text, _WORD - 1), _WORD)


def _tenths(strength: float) -> str:
    if math.isnan(strength):
        return "nan"
    tenth = round(strength * 10)
    return "·" if tenth == 0 else f"{tenth:+d}" if strength < 0 else str(tenth)
