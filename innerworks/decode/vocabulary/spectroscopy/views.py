"""What users see of logit spectroscopy: what each band is worth, and where the dark signal is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from innerworks.results import Result, View

__all__ = ["with_views"]


def with_views(result: Result) -> Result:
    """The result with its views."""
    effect = _mean(result, "effect")
    lines = {way: effect.sel(treatment=way).values for way in effect["treatment"].values.tolist()}
    views = {
        "bands": View.series(lines, x_title="band, loudest first", y_title="change of the metric", title="Bands"),
        "correlation": View.series(
            {"correlation": _mean(result, "correlation").values},
            x_title="layer",
            title="Dark signal and attention received",
        ),
    }
    for name, title in (("dark", "Dark share of the stream"), ("received", "Attention from later tokens")):
        grid = _mean(result, name)
        if "example" not in grid.dims:  # unequal prompts without roles have no mean over positions
            grid = grid.transpose("position", "layer")
            views[name] = View.heatmap(
                grid.values, _tokens(grid), grid["layer"].values, row_title="token", column_title="layer", label=name,
                title=title,
            )  # fmt: skip
    return replace(result, views=views)


def _mean(result: Result, name: str) -> Any:
    return result.data.get(f"{name}_mean", result.data[name])


def _tokens(grid: Any) -> list[Any]:
    named = grid["token"].values if "token" in grid.coords else grid["position"].values
    return [str(one) for one in named]
