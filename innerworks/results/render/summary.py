"""A result in a few lines of plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from innerworks.results.arrays import extremes
from innerworks.results.checks import Check, failed_first
from innerworks.results.numbers import short_number, signed_number
from innerworks.results.render.markup import cut, printable

if TYPE_CHECKING:
    from innerworks.results.graphs import Graph
    from innerworks.results.result import Result

__all__ = ["check_lines", "summary"]

_MARKS = {"pass": "✓", "fail": "✗", "info": "·"}
_STRONGEST = 5


def summary(result: Result, width: int) -> str:
    """Title, origin, checks with failed ones first, then what stands out in each array, table and graph."""
    lines = [result.heading, *wrapped(str(result.provenance), width)]
    for line in check_lines(result.checks):
        lines += wrapped(line, width)
    for name, array in result.data.items():
        lines += ["", *_array_lines(name, array)]
    for name, table in result.tables.items():
        lines += ["", f"{name}: a table of {len(table):,} rows, columns {', '.join(table.columns)}"]
    for name, graph in result.graphs.items():
        lines += ["", *_graph_lines(name, graph)]
    if result.views:
        listed = ", ".join(f"{name} ({view.kind})" for name, view in result.views.items())
        lines += ["", *wrapped(f"views: {listed}", width)]
    return "\n".join(cut(printable(line), width) for line in lines)


def wrapped(text: str, width: int) -> list[str]:
    """The text as lines of at most `width`, later ones indented."""
    return textwrap.wrap(text, max(width, 20), subsequent_indent="    ")


def check_lines(checks: Sequence[Check]) -> list[str]:
    """One line per check, failed ones first and marked."""
    return [f"{_MARKS[check.verdict]} {check}" for check in failed_first(checks)]


def _array_lines(name: str, array: Any) -> list[str]:
    shape = " × ".join(f"{dim} {size}" for dim, size in array.sizes.items()) or "a single value"
    lines = [f"{name}: {shape}, {array.dtype}{_reach(array)}"]
    if array.dtype.kind not in "biufc":
        return lines
    for extreme in extremes(array, _STRONGEST if array.ndim else 1):
        number = str(extreme.value) if array.dtype.kind == "c" else signed_number(extreme.value)
        lines.append(f"  {number:>9}  {extreme}".rstrip())
    return lines


def _reach(array: Any) -> str:
    if array.dtype.kind not in "iuf" or array.size < 2:
        return ""
    values = np.asarray(array.values, dtype=float)
    finite = values[np.isfinite(values)]
    reach = f", {short_number(finite.min())} … {short_number(finite.max())}" if finite.size else ""
    missing, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    reach += f", {missing:,} NaN" if missing else ""
    return reach + (f", {infinite:,} infinite" if infinite else "")


def _graph_lines(name: str, graph: Graph) -> list[str]:
    labels = {node.id: node.label or node.id for node in graph.nodes}
    lines = [f"{name}: a graph of {len(graph.nodes):,} nodes and {len(graph.edges):,} edges"]
    for edge in graph.strongest(_STRONGEST):
        lines.append(f"  {signed_number(edge.weight):>9}  {labels[edge.source]} → {labels[edge.target]}")
    return lines
