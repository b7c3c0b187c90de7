"""The arrays of path patching, one for each kind of sender, and what users see of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from innerworks.localize.components.interventions.grid_views import grid_view, mean_of
from innerworks.results import Check, Result, Table, View, labelled
from innerworks.results.arrays import to_numpy

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.localize.components.paths.senders import Sender

__all__ = ["by_group", "with_views"]

_DIMS = {
    "head": ("layer", "head"),
    "attn": ("layer",),
    "mixer": ("layer",),
    "mlp": ("layer",),
    "expert": ("layer", "expert"),
    "shared": ("layer",),
    "embed": (),
}
_LISTED = 20


def by_group(name: str, values: Mapping[Sender, Tensor]) -> dict[str, Any]:
    """One array for each kind of sender, called after it where there are several kinds; NaN at what was not asked."""
    groups: dict[str, list[Sender]] = {}
    for sender in values:
        groups.setdefault(sender.group, []).append(sender)
    return {
        name if len(groups) == 1 else f"{name}_{group}": _array(group, members, values)
        for group, members in groups.items()
    }


def _array(group: str, members: Sequence[Sender], values: Mapping[Sender, Tensor]) -> Any:
    dims = _DIMS[group]
    labels: list[list[int]] = [sorted({sender.place[axis] for sender in members}) for axis in range(len(dims))]
    rows = len(values[members[0]])
    array = np.full((*map(len, labels), rows), np.nan)
    for sender in members:
        array[tuple(own.index(one) for own, one in zip(labels, sender.place, strict=True))] = to_numpy(values[sender])
    coords: dict[str, Any] = dict(zip(dims, labels, strict=True))
    return labelled(np.moveaxis(array, -1, 0), ("example", *dims), coords=coords).assign_attrs(sender=group)


def with_views(result: Result) -> Result:
    """The result with a table of the strongest senders, a grid of heads, and a line over layers for the others."""
    scores = {
        str(array.attrs["sender"]): mean_of(result.data, name)
        for name, array in result.data.items()
        if name.partition("_")[0] == "score" and name.rpartition("_")[2] not in ("mean", "low", "high")
    }
    table = _strongest(scores)
    views = {"senders": View.table(table, title="Strongest senders")}
    for unit in ("head", "expert"):
        if unit in scores:
            views[f"{unit}s"] = grid_view(scores[unit], f"{unit.capitalize()}s by what goes through the path")
    for group in ("attn", "mixer", "mlp", "shared"):
        if group in scores:
            views[group] = View.series(
                {"score": scores[group].values},
                scores[group]["layer"].values.tolist(),
                x_title="layer",
                y_title="score",
                title=f"{group} by layer",
            )
    total = sum(float(np.nansum(array.values)) for array in scores.values())
    checks = [*result.checks, Check("sum of the scores", total, note="direct effects need not add up to 1")]
    return replace(result, tables={**result.tables, "senders": table}, views=views, checks=checks)


def _strongest(scores: Mapping[str, Any]) -> Table:
    found: list[tuple[str, float]] = []
    for group, array in scores.items():
        for index, value in np.ndenumerate(array.values):
            place = [str(int(array[dim].values[i])) for dim, i in zip(array.dims, index, strict=True)]
            if not np.isnan(value):
                found.append((" ".join(filter(None, (group, ".".join(place)))), float(value)))
    found.sort(key=lambda one: -abs(one[1]))
    names, values = [name for name, _ in found[:_LISTED]], [value for _, value in found[:_LISTED]]
    return Table({"sender": names, "score": values})
