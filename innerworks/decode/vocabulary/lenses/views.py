"""What users see of a lens: a grid of words, and lines over the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from innerworks.results import Check, Result, View

__all__ = ["along_places", "with_views"]

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
    elif "top_token" in data and data["top_token"].dims == ("place", "top"):
        views["words"] = _listed(data)
    for name, (title, unit) in _LINES.items():
        if name in data:
            views[name] = _line(data, name, title, unit)
    return replace(result, views=views, checks=[*result.checks, *_never_said(data)])


def _never_said(data: dict[str, Any]) -> list[Check]:
    """In how many prompts the target never is first: means of the layers at which it is leave these out."""
    first = data.get("first")
    if first is None or first.dims != ("example",) or first.isnull().sum() == 0:
        return []
    of = first.sizes["example"]
    name = "prompts in which no place says the target first"
    return [
        Check(name, float(first.isnull().sum()), note=f"of {of}; the means of `first` and `decided` are of the rest")
    ]


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


def _listed(data: dict[str, Any]) -> View:
    """Of one position what is said at each place, the likeliest first."""
    words, shares = data["top_token"], data["top_prob"]
    places, row_title = along_places(words["place"].values[::-1])
    return View.lens(
        shares.values[::-1],
        words.values[::-1],
        rows=places,
        columns=[str(number + 1) for number in range(words.sizes["top"])],
        row_title=row_title,
        column_title="the likeliest tokens, in order",
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
    places, x_title = along_places(array["place"].values)
    return View.series(lines, places, **bounds, x_title=x_title, y_title=unit, title=title)


def along_places(places: Sequence[Any]) -> tuple[list[str], str]:
    """Places as an axis has room for them: numbers alone, and what they are numbers of, where that is one thing."""
    names = [str(one) for one in places]
    kinds = list({name.partition(".")[0] for name in names if "." in name})
    if len(kinds) != 1:
        return names, "place"
    return [name.removeprefix(f"{kinds[0]}.") for name in names], kinds[0]
