"""What users see of a lens: a grid of words, and lines over the layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from innerworks.results import Result, View

__all__ = ["with_views"]

_LINES = {
    "log_prob": ("The target's log-probability, by layer", "log-probability"),
    "rank": ("The target's rank, by layer", "rank"),
    "entropy": ("Entropy, by layer", "nats"),
    "kl": ("How far from what the model says in the end", "KL, nats"),
}

_OF_THE_TARGET = ("log_prob", "rank")


def with_views(result: Result) -> Result:
    """The result with the grid of words of one prompt, and what is told of the target along the layers."""
    data = dict(result.data)
    views: dict[str, View] = {}
    if "top_token" in data and data["top_token"].dims == ("place", "position", "top"):
        views["words"] = _grid(data)
    for name, (title, unit) in _LINES.items():
        if name in data:
            views[name] = _line(data, name, title, unit)
    return replace(result, views=views)


def _grid(data: dict[str, Any]) -> View:
    words, shares = data["top_token"].isel(top=0), data["top_prob"].isel(top=0)
    tokens = words["token"].values if "token" in words.coords else np.arange(words.sizes["position"]).astype(str)
    return View.lens(
        shares.values[::-1],
        words.values[::-1],
        rows=[str(one) for one in words["place"].values[::-1]],
        columns=[str(one) for one in tokens],
        label="probability",
        title="What is said at each place, and how surely",
    )


def _line(data: dict[str, Any], name: str, title: str, unit: str) -> View:
    """One line over the places; of several positions one for the last, and one for their mean."""
    array = data.get(f"{name}_mean", data[name])
    bounds: dict[str, dict[str, Any]] = {}
    axis = next((dim for dim in ("position", "chosen") if dim in array.dims), None)
    if "example" in array.dims:
        array = array.mean("example", skipna=True)
    if axis is None:
        lines = {name: array.values}
        bounds = {edge: {name: data[f"{name}_{edge}"].values} for edge in ("low", "high") if f"{name}_{edge}" in data}
    else:
        lines = {"at the last position": array.isel({axis: -1}).values}
        if name not in _OF_THE_TARGET or array.attrs.get("everywhere"):
            lines["mean over positions"] = array.mean(axis, skipna=True).values
    places = [str(one) for one in array["place"].values]
    return View.series(lines, places, **bounds, x_title="place", y_title=unit, title=title)
