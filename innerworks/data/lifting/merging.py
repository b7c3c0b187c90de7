"""One result from those of several groups of examples: examples side by side, their mean, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from innerworks.data.intervals import mean_intervals, share_intervals, weighted_means
from innerworks.data.lifting.segments import common_order, segments
from innerworks.errors import InnerworksError
from innerworks.model.tokens import Prompt
from innerworks.results import Check, Result, Table
from innerworks.results.arrays import joined, text_array

if TYPE_CHECKING:
    from innerworks.data.lifting.taken import Taken

__all__ = ["POSITIONS", "Part", "merged"]

POSITIONS = ("position", "source", "query", "key")
"""The dimensions that count the tokens of the (clean) prompt."""
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Part:
    """The result of a technique on some of the rows."""

    rows: tuple[int, ...]
    result: Result


def merged(parts: Sequence[Part], prompts: Sequence[Prompt], taken: Taken[Any]) -> Result:
    """The arrays of all parts along `example`, in the order of the examples, with means where there are several.

    Where prompts differ in their tokens' places, positions become segments: the roles and what lies between them.
    """
    first = parts[0].result
    provenance = replace(first.provenance, prompt=taken.said)
    if taken.single:
        data = {
            name: _labelled(array.isel(example=0, drop=True, missing_dims="ignore"), prompts[0])
            for name, array in first.data.items()
        }
        tables = {name: _without(table, "example") for name, table in first.tables.items()}
        return replace(first, data=data, tables=tables, provenance=provenance)
    order = [row for part in parts for row in part.rows]
    chosen = [prompts[row] for row in sorted(order)]
    together = {
        name: _together([(part.rows, part.result.data[name]) for part in parts], prompts, chosen) for name in first.data
    }
    data = {
        name: found for name, array in together.items() for name, found in _summarised(name, array, together).items()
    }
    groups = _coordinate(taken, sorted(order))
    data = {name: array.assign_coords(groups) if "example" in array.dims else array for name, array in data.items()}
    tables = {name: _stacked([_renumbered(part, name) for part in parts]) for name in first.tables}
    checks = _worst([part.result.checks for part in parts])
    title = first.title if all(part.result.title == first.title for part in parts) else ""
    return replace(first, data=data, tables=tables, checks=checks, provenance=provenance, title=title)


def _coordinate(taken: Taken[Any], rows: list[int]) -> dict[str, Any]:
    if taken.key is None or not any(taken.key[row].group for row in rows):
        return {}
    return {"group": ("example", text_array([taken.key[row].group for row in rows]))}


# -- arrays ---------------------------------------------------------------------------------------------------------


def _together(arrays: list[tuple[tuple[int, ...], Any]], prompts: Sequence[Prompt], chosen: Sequence[Prompt]) -> Any:
    sample = arrays[0][1]
    if "example" not in sample.dims:
        return sample
    dims = [dim for dim in sample.dims if dim in POSITIONS]
    labels = [segments(prompt) for prompt in chosen]
    same = all(row == labels[0] for row in labels)
    if dims and not same:
        # Whole numbers name things (tokens, experts), as texts do: they have no mean.
        if sample.dtype.kind not in "bfc" or not all(prompt.named for prompt in chosen):
            return _padded(arrays, dims).assign_attrs(no_mean=True)
        order = common_order(labels)
        arrays = [(rows, _by_segment(array, dims, [prompts[row] for row in rows], order)) for rows, array in arrays]
    [first, *others] = [array.assign_coords(example=list(rows)) for rows, array in arrays]
    whole = joined([first, *others], "example").sortby("example") if others else first
    return _labelled(whole, *chosen) if dims and same else whole


def _summarised(name: str, array: Any, together: Mapping[str, Any]) -> dict[str, Any]:
    """The array with its mean over the examples that have a value, and the ends of the mean's bootstrap interval.

    An array may do without: `no_mean`, `no_interval`. One of zeros and ones that says it is a `share` has Wilson's
    interval, which is no point where all are alike. Ratios name the array of their denominators as `weighted_by`: the
    mean is then the ratio of means, which an example with a denominator near 0 does not spoil.
    """
    if array.dtype.kind != "f" or "example" not in array.dims or array.attrs.get("no_mean"):
        return {name: array}
    ordered = array.transpose("example", ...)
    weights = together[array.attrs["weighted_by"]].values if "weighted_by" in array.attrs else None
    mean = ordered.isel(example=0, drop=True).copy(data=weighted_means(ordered.values, weights))
    found = {name: array, f"{name}_mean": mean}
    if len(ordered) > 1 and not array.attrs.get("no_interval"):
        if array.attrs.get("share"):
            low, high = share_intervals(ordered.values, _CONFIDENCE)
        else:
            low, high = mean_intervals(ordered.values, _CONFIDENCE, 0, weights)
        found |= {f"{name}_low": mean.copy(data=low), f"{name}_high": mean.copy(data=high)}
    return found


def _labelled(array: Any, *prompts: Prompt) -> Any:
    """The array with the tokens of its positions; where prompts differ, with what segment they are in."""
    dims = [dim for dim in array.dims if dim in POSITIONS]
    columns = list(zip(*(prompt.tokens for prompt in prompts), strict=True))
    names = segments(prompts[0])
    texts = [column[0] if len(set(column)) == 1 else f"[{name}]" for column, name in zip(columns, names, strict=True)]
    coords = {"token" if len(dims) == 1 else f"{dim}_token": (dim, text_array(texts)) for dim in dims}
    return array.assign_coords(coords)


def _by_segment(array: Any, dims: list[str], prompts: Sequence[Prompt], order: list[str]) -> Any:
    """Positions taken together by segment: their sum where the array says that values add up, else their mean."""
    sums = array.attrs.get("over_positions") == "sum"
    rows = []
    for number, prompt in enumerate(prompts):
        values = array.isel(example=number)
        names = np.array(segments(prompt), dtype=object)
        for dim in dims:
            pieces = []
            for name in order:
                here = values.isel({dim: np.flatnonzero(names == name)})
                empty = here.sizes[dim] == 0
                piece = here.sum(dim, skipna=False) if sums else here.mean(dim)
                pieces.append(piece * math.nan if empty else piece)
            values = joined(pieces, dim).assign_coords({dim: text_array(order)})
        rows.append(values)
    return joined(rows, "example").transpose(*array.dims).assign_attrs(array.attrs)


def _padded(arrays: list[tuple[tuple[int, ...], Any]], dims: list[str]) -> Any:
    """Unequal prompts without roles, texts and whole numbers: nothing behind the shorter ones, and no mean."""
    nothing = math.nan if arrays[0][1].dtype.kind in "biufc" else ""
    widest = {dim: max(array.sizes[dim] for _, array in arrays) for dim in dims}
    missing = [{dim: (0, widest[dim] - array.sizes[dim]) for dim in dims} for _, array in arrays]
    if arrays[0][1].dtype.kind in "biu":  # which have no NaN
        arrays = [(rows, array.astype(float)) for rows, array in arrays]
    filled = [
        array.pad(pads, constant_values=nothing).assign_coords(example=list(rows))
        for (rows, array), pads in zip(arrays, missing, strict=True)
    ]
    return joined(filled, "example").sortby("example")


# -- tables and checks ----------------------------------------------------------------------------------------------


def _renumbered(part: Part, name: str) -> Table:
    table = part.result.tables[name]
    if "example" not in table.columns:
        return table
    return Table({**table.columns, "example": [part.rows[i] for i in table["example"]]})


def _stacked(tables: Sequence[Table]) -> Table:
    names = list(tables[0].columns)
    if any(list(table.columns) != names for table in tables):
        raise InnerworksError("the tables of different examples have different columns, so they cannot be put together")
    return Table({name: [value for table in tables for value in table[name]] for name in names})


def _without(table: Table, column: str) -> Table:
    return Table({name: values for name, values in table.columns.items() if name != column})


def _worst(checks: Sequence[Sequence[Check]]) -> list[Check]:
    """Each check once, as it came out worst."""
    found: dict[str, Check] = {}
    for check in (one for part in checks for one in part):
        held = found.get(check.name)
        if held is None or _worse(check, held):
            found[check.name] = check
    return list(found.values())


def _worse(check: Check, held: Check) -> bool:
    if math.isnan(held.measured):
        return False
    if math.isnan(check.measured):
        return True
    if check.compare == "at least":
        return check.measured < held.measured
    return abs(check.measured) > abs(held.measured)
