"""Results and artifacts as plain JSON for other programs: labels and numbers in lists, nothing packed.

JSON has no NaN and no infinities: NaN is null, an infinity is the text "Infinity" or "-Infinity"; complex numbers are
pairs. This is not how results are saved (`Result.save` keeps every bit): it is what other programs read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from innerworks.results.artifact import Artifact
from innerworks.results.records import check_record, graph_record, provenance_record
from innerworks.results.result import Result
from innerworks.results.strict_json import jsonable
from innerworks.results.tables import Table
from innerworks.results.views import View

__all__ = ["plain_json", "plain_view"]


def plain_json(outcome: Result | Artifact, saved: str | None = None) -> str:
    """One JSON object on lines of its own; `saved` is the folder that it lies in, if it was saved."""
    record = _result(outcome) if isinstance(outcome, Result) else _artifact(outcome)
    return json.dumps({**record, "saved": saved}, indent=1, allow_nan=False)


def plain_view(view: View) -> str:
    """One view as JSON: its kind, its title, what it shows."""
    arrays = {name: _values(array) for name, array in view.arrays.items()}
    record = {"kind": view.kind, "title": view.title, "state": _plain(view.state, "state"), "arrays": arrays}
    return json.dumps(record, indent=1, allow_nan=False)


def _result(result: Result) -> dict[str, Any]:
    return {
        "kind": "result",
        "title": result.heading,
        "data": {name: _array(array) for name, array in result.data.items()},
        "tables": {name: _table(table) for name, table in result.tables.items()},
        "graphs": {name: _plain(graph_record(graph), name) for name, graph in result.graphs.items()},
        "checks": [_plain(check_record(check), check.name) for check in result.checks],
        "views": {name: view.kind for name, view in result.pictures.items()},
        "provenance": _plain(provenance_record(result.provenance), "provenance"),
    }


def _artifact(artifact: Artifact) -> dict[str, Any]:
    tensors = {
        name: {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)}
        for name, tensor in artifact.tensors.items()
    }
    return {
        "kind": "artifact",
        "artifact": artifact.kind,
        "model": artifact.model,
        "config": _plain(artifact.config, "config"),
        "tensors": tensors,
        "provenance": _plain(provenance_record(artifact.provenance), "provenance"),
    }


def _array(array: Any) -> dict[str, Any]:
    coords = {
        str(name): {"dims": [str(dim) for dim in coord.dims], "values": _values(coord.values)}
        for name, coord in array.coords.items()
    }
    return {
        "dims": [str(dim) for dim in array.dims],
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "coords": coords,
        "values": _values(array.values),
    }


def _table(table: Table) -> dict[str, Any]:
    return {name: _values(values) for name, values in table.columns.items()}


def _values(values: Any) -> Any:
    """An array as nested lists; what JSON has no type for, as its text."""
    array = np.asarray(values, dtype=object) if isinstance(values, list) else values
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], -1)
    if array.dtype.kind in "biu" or (array.dtype.kind == "f" and np.isfinite(array).all()):
        return array.tolist()
    return _strict(array.tolist())


def _plain(value: object, where: str) -> Any:
    return _strict(jsonable(value, where))


def _strict(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
