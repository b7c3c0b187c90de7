"""What users see of the backward lens: where the gradient is, and what it would write."""

from __future__ import annotations

from dataclasses import replace

from innerworks.results import Result, View

__all__ = ["with_views"]


def with_views(result: Result) -> Result:
    """The result with its views."""
    views = {"layers": View.table(result.tables["layers"], title="The token that writes most, layer by layer")}
    for name, title in (("norm", "Size of each token's term"), ("target_shift", "How the target is raised")):
        grid = result.data.get(f"{name}_mean", result.data[name])
        if "example" in grid.dims:  # unequal prompts without roles have no mean over positions
            continue
        grid = (grid.sel(matrix="out") if "matrix" in grid.dims else grid).transpose("position", "layer")
        tokens = grid["token"].values if "token" in grid.coords else grid["position"].values
        label = "norm" if name == "norm" else "deviations"
        views[name] = View.heatmap(
            grid.values, list(map(str, tokens)), grid["layer"].values, row_title="token", column_title="layer",
            label=label, title=title,
        )  # fmt: skip
    return replace(result, views=views)
