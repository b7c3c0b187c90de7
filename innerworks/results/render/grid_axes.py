"""Where a grid's cells and labels go."""

from __future__ import annotations

from dataclasses import dataclass

from innerworks.results.arrays import AnyArray
from innerworks.results.render.markup import cut, display_width, escape, visible_label
from innerworks.results.views import View

__all__ = ["Grid", "axes", "grid_for"]

_ROOM = 930.0
_CHAR = 6.7
_LABEL_CHARS = 18
_LABEL_HEIGHT = 14.0
_STEPS: list[int] = [factor * int(10**power) for power in range(9) for factor in (1, 2, 5)]


@dataclass(frozen=True)
class Grid:
    """Sizes in pixels: cells, margins for labels, and whether column labels stand upright."""

    rows: int
    columns: int
    cell_width: float
    cell_height: float
    left: float
    top: float
    upright: bool

    @property
    def width(self) -> float:
        """Width of all cells."""
        return self.columns * self.cell_width

    @property
    def height(self) -> float:
        """Height of all cells."""
        return self.rows * self.cell_height

    @property
    def full_width(self) -> float:
        """Width with the row labels."""
        return self.left + self.width + 12

    @property
    def full_height(self) -> float:
        """Height with the column labels."""
        return self.top + self.height + 4


def _label_width(labels: AnyArray) -> float:
    widest = max((display_width(str(label)) for label in labels), default=0)
    return min(widest, _LABEL_CHARS) * _CHAR


def grid_for(view: View) -> Grid:
    """A layout that fits the usual page width, and scrolls sideways rather than shrink to nothing."""
    rows, columns = view.arrays["values"].shape
    is_dense = rows * columns > 2000
    smallest = 1.5 if is_dense else 9.0
    left = _label_width(view.arrays["rows"]) + 10 + (18 if view.state.get("row_title") else 0)
    widest = 66.0 if view.kind == "lens" else 52.0
    cell_width = min(widest, max(smallest, (_ROOM - left) / columns))
    tallest = 24.0 if rows <= 48 else 16.0
    cell_height = min(tallest, max(smallest, 700 / rows if is_dense else tallest))
    if is_dense and max(cell_width, cell_height) < 2 * min(cell_width, cell_height):
        cell_width = cell_height = min(cell_width, cell_height)
    column_label = _label_width(view.arrays["columns"])
    upright = column_label > cell_width - 4 and not _is_short(view.arrays["columns"])
    top = (column_label if upright else _LABEL_HEIGHT) + 8 + (18 if view.state.get("column_title") else 0)
    return Grid(rows, columns, cell_width, cell_height, left, top, upright)


def _is_short(labels: AnyArray) -> bool:
    return all(str(label).isdigit() and len(str(label)) <= 5 for label in labels)


def axes(grid: Grid, view: View) -> str:
    """Row and column labels and the axis titles; crowded labels are thinned evenly."""
    parts = []
    row_step = _every(_LABEL_HEIGHT, grid.cell_height)
    for row in range(0, grid.rows, row_step):
        y = grid.top + (row + 0.5) * grid.cell_height
        parts.append(_label("iw-row", grid.left - 6, y, view.arrays["rows"][row]))
    space = _LABEL_HEIGHT if grid.upright else _label_width(view.arrays["columns"]) + 6
    column_step = _every(space, grid.cell_width)
    for column in range(0, grid.columns, column_step):
        x = grid.left + (column + 0.5) * grid.cell_width - 0.5
        text = view.arrays["columns"][column]
        parts.append(
            _label("iw-up", x, grid.top - 6, text, turned=True)
            if grid.upright
            else _label("iw-col", x, grid.top - 7, text)
        )
    return "".join(parts) + _titles(grid, view)


def _every(space: float, cell: float) -> int:
    """Label every so many cells, a round number of them."""
    return next(step for step in _STEPS if step * cell >= space)


def _label(css: str, x: float, y: float, text: object, *, turned: bool = False) -> str:
    full = visible_label(str(text))
    short = cut(full, _LABEL_CHARS)
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    title = f"<title>{escape(full)}</title>" if short != full else ""
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}"{turn}>{title}{escape(short)}</text>'


def _titles(grid: Grid, view: View) -> str:
    parts = []
    if view.state.get("column_title"):
        x = grid.left + min(grid.width, _ROOM - grid.left) / 2
        parts.append(f'<text class="iw-axis" x="{x:.1f}" y="12">{escape(view.state["column_title"])}</text>')
    if view.state.get("row_title"):
        y = grid.top + grid.height / 2
        turn = f'transform="rotate(-90 11 {y:.1f})"'
        parts.append(f'<text class="iw-axis" x="11" y="{y:.1f}" {turn}>{escape(view.state["row_title"])}</text>')
    return "".join(parts)
