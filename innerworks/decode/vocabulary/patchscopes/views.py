"""What users see of patchscopes: readings by layer, and the answer's probability."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from innerworks.results import Result, View

__all__ = ["with_views"]

_LINES = ("prob", "correct", "said")


def with_views(result: Result) -> Result:
    """The result with a table of its readings, and the answer by layer where there is one."""
    titles = {"readings": "Readings", "unpatched": "The target prompt with nothing put in"}
    views = {name: View.table(result.tables[name], title=title) for name, title in titles.items()}
    shown = {name: _mean(result.data, name) for name in _LINES if name in result.data}
    shown = {name: array for name, array in shown.items() if "example" not in array.dims}
    if shown and next(iter(shown.values())).ndim == 1:
        views = {"answer": _lines(result.data, shown)} | views
    grids = {name: array for name, array in shown.items() if array.ndim == 2}
    return replace(result, views={name: _grid(name, array) for name, array in grids.items()} | views)


def _mean(data: Any, name: str) -> Any:
    return data.get(f"{name}_mean", data[name])


def _lines(data: Any, shown: dict[str, Any]) -> View:
    lines = {name: array.values for name, array in shown.items()}
    edges = {
        edge: {name: data[f"{name}_{edge}"].values for name in shown}
        for edge in ("low", "high")
        if all(f"{name}_{edge}" in data for name in shown)
    }
    layers = next(iter(shown.values()))["layer"].values.tolist()
    return View.series(lines, layers, **edges, x_title="layer", y_title="answer", title="The answer, by layer")


def _grid(name: str, array: Any) -> View:
    rows, columns = array.dims
    labels = [
        array[dim].values.tolist() if dim in array.coords else list(range(array.sizes[dim])) for dim in array.dims
    ]
    return View.heatmap(
        array.values, *labels, row_title=str(rows), column_title=str(columns).replace("_", " "), label=name, title=name
    )
