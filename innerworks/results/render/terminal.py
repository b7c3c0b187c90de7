"""Showing a result where the user is: a notebook's page, or a terminal in colour."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from innerworks.results.checks import failed_first
from innerworks.results.render.grid_text import GridText, grid_text
from innerworks.results.render.markup import printable, visible_token
from innerworks.results.render.scale import INVERT_FROM, Scale
from innerworks.results.render.summary import check_lines
from innerworks.results.render.text import view_text
from innerworks.results.views import View

if TYPE_CHECKING:
    from innerworks.results.result import Result

__all__ = ["display"]

_POSITIVE = np.array((92, 155, 214))
_NEGATIVE = np.array((217, 126, 54))
_GROUND = np.array((24, 27, 32))
_CHECK_STYLES = {"pass": "green", "fail": "bold red", "info": "dim"}


def display(result: Result) -> None:
    """Display as HTML in a Jupyter kernel, otherwise print to the terminal."""
    if _is_in_notebook():
        from IPython.display import HTML  # type: ignore[import-not-found, unused-ignore]
        from IPython.display import display as show

        show(HTML(result._repr_html_()))
        return
    from rich.console import Console

    print_result(result, Console(highlight=False, soft_wrap=True))


def _is_in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def print_result(result: Result, console: Any) -> None:
    """Print title, origin, checks and every view to a rich console."""
    from rich.text import Text

    console.print(Text(printable(result.heading), style="bold"))
    console.print(Text(printable(str(result.provenance)), style="dim"))
    for check, line in zip(failed_first(result.checks), check_lines(result.checks), strict=True):
        console.print(Text(printable(line), style=_CHECK_STYLES[check.verdict]))
    for view in result.pictures.values():
        console.print()
        is_coloured = console.color_system is not None
        grid = grid_text(view, console.width) if is_coloured else None
        if grid is not None:
            console.print(_coloured_grid(view, grid))
            continue
        if view.kind == "tokens" and "values" in view.arrays and is_coloured:
            console.print(_coloured_tokens(view))
        console.print(Text(view_text(view, console.width)))


def _coloured_tokens(view: View) -> Any:
    from rich.text import Text

    scale, strip = Scale.of(view.arrays["values"]), Text()
    for token, value in zip(view.arrays["tokens"], view.arrays["values"].tolist(), strict=True):
        strip.append(visible_token(str(token)), style=_style(scale.strength(value)))
    return strip


def _coloured_grid(view: View, grid: GridText) -> Any:
    """The grid as its text has it, every cell on the colour of its number."""
    from rich.text import Text

    drawn = Text(printable(f"{view.title}\n") if view.title else "")
    drawn.append(f"{printable(grid.head)}\n", style="dim")
    for name, cells in grid.rows:
        drawn.append(printable(name), style="dim")
        for text, strength in cells:
            drawn.append(printable(text), style=_style(strength) if strength else "")
        drawn.append("\n")
    return drawn.append(grid.note, style="dim") if grid.note else drawn[:-1]


def _style(strength: float) -> str:
    if np.isnan(strength):
        return "dim"
    pole = _NEGATIVE if strength < 0 else _POSITIVE
    red, green, blue = (_GROUND + abs(strength) * (pole - _GROUND)).round().astype(int)
    text = "black" if abs(strength) >= INVERT_FROM else "white"
    return f"{text} on rgb({red},{green},{blue})"
