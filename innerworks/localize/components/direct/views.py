"""What users see of a direct logit attribution: pictures, and the neurons that matter instead of all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from innerworks.localize.components.interventions.grid_views import (
    grid_view,
    lines_view,
    mean_of,
    strongest_rows,
    strongest_table,
)
from innerworks.results import Result, View

__all__ = ["with_views"]


_TITLES = {
    "neuron": ("neurons", "Strongest neurons"),
    "neuron_of_expert": ("expert_neurons", "Strongest neurons of experts"),
}


def with_views(result: Result) -> Result:
    """The result with its views, and with a table of the strongest neurons in place of all neurons."""
    data = dict(result.data)
    tables = dict(result.tables)
    for name in ("neuron", "neuron_of_expert"):
        if name in data:
            tables[_TITLES[name][0]] = strongest_table(mean_of(data, name), data[name].attrs["listed"], "effect")
    data = {name: array for name, array in data.items() if name.partition("_")[0] != "neuron"}
    lists = {key: View.table(tables[key], title=title) for key, title in _TITLES.values() if key in tables}
    return replace(result, data=data, tables=tables, views=_views(data) | lists)


def _views(data: dict[str, Any]) -> dict[str, View]:
    title = "The reading of the stream, layer by layer"
    accumulated = lines_view(data, "accumulated", "after", title=title, label="value")
    views = {"accumulated": accumulated, "components": _components(data)}
    for name, title in (("head", "Heads"), ("expert", "Experts")):
        if name in data:
            views[f"{name}s"] = grid_view(mean_of(data, name), title, "effect")
    sources = mean_of(data, "source") if "source" in data else None
    if sources is None or "example" in sources.dims:  # unequal prompts without roles have no mean over sources
        return views
    return views | {"sources": strongest_rows(sources, "Heads by the token they read", "effect")}


def _components(data: dict[str, Any]) -> View:
    array = mean_of(data, "component")
    columns: dict[str, Any] = {"component": array["component"].values.tolist(), "effect": array.values}
    for edge in ("low", "high"):
        if f"component_{edge}" in data:
            columns[edge] = data[f"component_{edge}"].values
    return View.table(columns, title="Components")
