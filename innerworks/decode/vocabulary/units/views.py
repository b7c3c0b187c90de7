"""Pictures of units: windows in the colour of their activations, a table of them, and how often each activation is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from innerworks.errors import InnerworksError
from innerworks.results import Result, Table, View

__all__ = ["unit_views", "with_views"]

_SHOWN = 4
_WINDOWS = 10


def with_views(result: Result) -> Result:
    """The result with a table of all units, and pictures of the first few."""
    labels = result.data["max"].unit.values.tolist()
    columns = {name: result.data[name].values for name in ("max", "mean", "deviation", "active", "min")}
    texts = _texts(result)
    tops = [next(_windows(result, unit, "highest", texts), None) for unit in range(len(labels))]
    units = Table({"unit": labels, **columns, "highest on": ["" if one is None else one.line for one in tops]})
    views = {"units": View.table(units, title="Units")} if len(labels) > 1 else {}
    for label in labels[:_SHOWN]:
        for name, view in unit_views(result, label).items():
            views[name if len(labels) == 1 else f"{label} {name}"] = view
    return replace(result, tables={"units": units, **result.tables}, views=views)


def unit_views(result: Result, unit: str | Any) -> dict[str, View]:
    """Pictures of one unit of `maximally_activating`: its windows in colour, a table of them, and a histogram."""
    if "highest_window" not in result.data:
        raise InnerworksError(f"{result.heading!r} is no result of maximally_activating: it has no windows of units.")
    labels = result.data["max"].unit.values.tolist()
    if str(unit) not in labels:
        known = ", ".join(labels[:5]) + (", …" if len(labels) > 5 else "")
        raise InnerworksError(f"there is no unit {str(unit)!r} in this result; it has {known}.")
    number, texts = labels.index(str(unit)), _texts(result)
    views = {
        name: _strip(result, number, name, f"{unit}: {title}", texts)
        for name, title in (("highest", "where it is highest"), ("lowest", "where it is lowest"))
        if name in result.data
    }
    views["range"] = _strip(result, number, "sample", f"{unit}: tokens of its whole range", texts)
    views["windows"] = View.table(_table(result, number, texts), title=f"{unit}: windows")
    views["histogram"] = _histogram(result, number, f"{unit}: how often each activation is")
    return views


def _texts(result: Result) -> dict[int, str]:
    table = result.tables["tokens"]
    return dict(zip(np.asarray(table["id"]).tolist(), table["text"], strict=True))


@dataclass(frozen=True)
class _Window:
    """Tokens around one, with their activations; `place` is where it is in the result's arrays."""

    place: tuple[int, ...]
    activation: float
    tokens: list[str]
    activations: list[float]
    center: int

    @property
    def line(self) -> str:
        """The text in one line, the token in brackets."""
        marked = [f"[{token}]" if place == self.center else token for place, token in enumerate(self.tokens)]
        return "".join(marked).replace("\n", "⏎")


def _windows(result: Result, unit: int, name: str, texts: dict[int, str]) -> Iterator[_Window]:
    """Each window that there is."""
    values, ids, around = (result.data[f"{name}{part}"].values[unit] for part in ("", "_ids", "_window"))
    for place in np.ndindex(*values.shape):
        inside = ids[place] >= 0
        if inside.any():
            tokens = [texts[one] for one in ids[place][inside].tolist()]
            center = int(inside[: len(inside) // 2].sum())
            yield _Window(place, float(values[place]), tokens, around[place][inside].tolist(), center)


def _strip(result: Result, unit: int, name: str, title: str, texts: dict[int, str]) -> View:
    """Windows one under the other, each token in the colour of its activation."""
    tokens: list[str] = []
    values: list[float] = []
    for number, window in enumerate(_windows(result, unit, name, texts)):
        if number == _WINDOWS and name != "sample":
            break
        tokens += [*(token.replace("\n", "⏎") for token in window.tokens), "\n"]
        values += [*window.activations, float("nan")]
    return View.tokens(tokens, np.array(values), label="activation", title=title)


def _table(result: Result, unit: int, texts: dict[int, str]) -> Table:
    rows: list[tuple[Any, ...]] = []
    for name in ("highest", "sample", "lowest"):
        if name not in result.data:
            continue
        where = [result.data[f"{name}_{part}"].values[unit] for part in ("context", "position")]
        for one in _windows(result, unit, name, texts):
            said = f"{name} {one.place[0] + 1}"
            if name == "sample":
                said = f"quantile {result.data['sample']['quantile'].values[one.place[0]]:g}"
            token = one.tokens[one.center].replace("\n", "⏎")
            rows.append((said, one.activation, token, one.line, *(int(numbers[one.place]) for numbers in where)))
    names = ("which", "activation", "token", "text", "context", "position")
    return Table({name: [row[column] for row in rows] for column, name in enumerate(names)})


def _histogram(result: Result, unit: int, title: str) -> View:
    """The number of tokens in each bin, on a logarithmic scale so that rare activations are seen."""
    counts, width = result.data["tokens_in_bin"].values[unit], float(result.data["bin_width"].values[unit])
    bins = result.data["tokens_in_bin"]["bin"].values
    there = np.flatnonzero(counts)
    shown = slice(max(there[0] - 1, 0), there[-1] + 2)
    middles = (bins[shown] + 0.5) * width
    lines = {"tokens": np.log10(1 + counts[shown])}
    return View.series(lines, middles, x_title="activation", y_title="log10(1 + tokens)", title=title)
