"""Pictures for a result that brought none: one view per array, table and graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from innerworks.results.arrays import extremes
from innerworks.results.views import View

if TYPE_CHECKING:
    from innerworks.results.graphs import Graph
    from innerworks.results.result import Result

__all__ = ["derived_views", "graph_view"]

_STRONGEST = 50


def derived_views(result: Result) -> dict[str, View]:
    """A view for everything in the result, in its own order."""
    views = {name: array_view(array, name) for name, array in result.data.items()}
    for name, table in result.tables.items():
        views[name if name not in views else f"{name} (table)"] = View.table(table, title=name)
    for name, graph in result.graphs.items():
        views[name if name not in views else f"{name} (graph)"] = graph_view(graph, name)
    return views


def array_view(array: Any, name: str) -> View:
    """Tokens with one number each, a line, a grid, or for anything else the strongest values."""
    is_real = array.dtype.kind in "biuf"
    if array.ndim == 0:
        return View.card(name, {name: array.values.item()})
    if array.ndim == 1 and is_real and "token" in array.coords and array.coords["token"].dims == array.dims:
        return View.tokens(array.coords["token"].values.tolist(), array.values, label=name, title=name)
    if array.ndim == 1 and is_real and array.size > 1:
        dim = str(array.dims[0])
        return View.series({name: array.values}, dim_labels(array, dim), x_title=dim, y_title=name, title=name)
    if array.ndim == 2 and is_real and array.size:
        row, column = map(str, array.dims)
        return View.heatmap(
            array.values,
            dim_labels(array, row),
            dim_labels(array, column),
            row_title=row,
            column_title=column,
            label=name,
            title=name,
        )
    return _strongest_view(array, name) if array.dtype.kind in "biufc" else _text_view(array, name)


def dim_labels(array: Any, dim: str) -> Any:
    """The labels along a dimension: its index, with the token text where there is one."""
    places = array.coords[dim].values if dim in array.coords else np.arange(array.sizes[dim])
    if "token" in array.coords and array.coords["token"].dims == (dim,):
        return [f"{place} {text}" for place, text in zip(places, array.coords["token"].values, strict=True)]
    return places


def _strongest_view(array: Any, name: str) -> View:
    found = extremes(array, _STRONGEST)
    columns: dict[str, Any] = {}
    for extreme in found:
        for dim, label in extreme.labels.items():
            columns.setdefault(dim, []).append(label)
    is_complex = array.dtype.kind == "c"
    values = [str(extreme.value) if is_complex else extreme.value for extreme in found]
    shown = "all values" if len(found) == array.size else f"strongest {len(found)} of {array.size:,} values"
    columns[name if name not in columns else "value"] = values
    return View.table(columns, title=f"{name}: {shown}")


def _text_view(array: Any, name: str) -> View:
    flat = array.values.ravel().tolist()
    places = np.unravel_index(np.arange(min(len(flat), 1000)), array.shape)
    columns: dict[str, Any] = {str(dim): index for dim, index in zip(array.dims, places, strict=True)}
    columns[name if name not in columns else "value"] = [str(item) for item in flat[:1000]]
    shown = name if len(flat) <= 1000 else f"{name}: first 1,000 of {len(flat):,}"
    return View.table(columns, title=shown)


def graph_view(graph: Graph, title: str = "") -> View:
    """A graph as a view; nodes go to their `layer` and `position` where all of them have these attributes."""
    arrays = {
        "nodes": [node.id for node in graph.nodes],
        "labels": [node.label or node.id for node in graph.nodes],
        "sources": [edge.source for edge in graph.edges],
        "targets": [edge.target for edge in graph.edges],
    }
    texts = {name: np.array(values, dtype=object) for name, values in arrays.items()}
    weights = np.array([edge.weight for edge in graph.edges], dtype=float)
    return View("graph", {**texts, "weights": weights, **_places(graph)}, title=title)


def _places(graph: Graph) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in ("layer", "position"):
        places = [node.attributes.get(attribute) for node in graph.nodes]
        if places and all(isinstance(place, (int, float)) and math.isfinite(place) for place in places):
            found[f"{attribute}s"] = np.array(places, dtype=float)
    tokens = graph.attributes.get("tokens")
    if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
        found["tokens"] = np.array([*tokens, None], dtype=object)[:-1]
    return found
