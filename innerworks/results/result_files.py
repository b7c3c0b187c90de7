"""Results on disk: `result.json` and the numbers in `arrays.safetensors`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from innerworks.errors import FileError, InnerworksError
from innerworks.results.arrays import AnyArray
from innerworks.results.artifact_files import folder_of, write_record
from innerworks.results.folders import write_folder
from innerworks.results.packing import Pack, Unpack, set_aside, taken_from
from innerworks.results.records import (
    check_from,
    check_header,
    check_record,
    graph_from,
    graph_record,
    provenance_from,
    provenance_record,
    table_from,
    table_record,
)
from innerworks.results.result import Result
from innerworks.results.strict_json import check_name, field, jsonable, read_json_file
from innerworks.results.tensor_files import read_tensors, write_tensors
from innerworks.results.views import view_from_record, view_record

__all__ = ["RESULT_FILE", "open_result", "save_result"]

RESULT_FILE = "result.json"
_ARRAY_FILE = "arrays.safetensors"
_FORMAT = "innerworks result"
_SCHEMA = 1

T = TypeVar("T")


def _array_record(name: str, array: Any, pack: Pack) -> dict[str, Any]:
    coords = {}
    for index, (coord_name, coord) in enumerate(array.coords.items()):
        if not isinstance(coord_name, str):
            raise InnerworksError(f"array {name!r} has the coordinate {coord_name!r}; names must be text")
        if type(array.indexes.get(coord_name)).__name__ == "MultiIndex":
            raise InnerworksError(
                f"array {name!r} has a stacked index {coord_name!r}, which is not saved; call "
                f".reset_index({coord_name!r}) or .unstack() first"
            )
        values = pack(f"data/{name}/{index}", coord.values)
        coords[coord_name] = {"dims": [str(dim) for dim in coord.dims], "values": values}
    return {
        "dims": [str(dim) for dim in array.dims],
        "values": pack(f"data/{name}", array.values),
        "coords": coords,
        "attrs": jsonable(dict(array.attrs), f"attrs of {name}"),
        "name": None if array.name is None else str(array.name),
    }


def _array_from(record: Any, where: str, unpack: Unpack) -> Any:
    import xarray

    coords = {
        name: (
            field(coord, "dims", list, where),
            unpack(field(coord, "values", dict, where), f"{where}, coordinate {name!r}"),
        )
        for name, coord in field(record, "coords", dict, where).items()
    }
    try:
        array = xarray.DataArray(
            unpack(field(record, "values", dict, where), where),
            dims=field(record, "dims", list, where),
            coords=coords,
            attrs=field(record, "attrs", dict, where),
            name=field(record, "name", (str, type(None)), where),
        )
    except (ValueError, TypeError) as problem:
        raise FileError(f"{where}: labels and values disagree ({problem}); the file is broken") from problem
    return array


def _record(result: Result, pack: Pack) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "schema": _SCHEMA,
        "title": result.title,
        "data": {name: _array_record(name, array, pack) for name, array in result.data.items()},
        "tables": {name: table_record(table, name, pack) for name, table in result.tables.items()},
        "graphs": {name: graph_record(graph) for name, graph in result.graphs.items()},
        "checks": [check_record(check) for check in result.checks],
        "views": {name: view_record(view, f"view/{name}", pack) for name, view in result.views.items()},
        "provenance": provenance_record(result.provenance),
    }


def save_result(result: Result, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the folder whole or not at all."""

    def write(folder: Path) -> None:
        tensors: dict[str, AnyArray] = {}
        write_record(folder / RESULT_FILE, _record(result, set_aside(tensors)))
        write_tensors(folder / _ARRAY_FILE, tensors)

    ours = frozenset((RESULT_FILE, _ARRAY_FILE))
    return write_folder(path, write, ours=ours, marker=RESULT_FILE, overwrite=overwrite)


def _named(record: Any, part: str, where: str, read: Callable[[Any, str], T]) -> dict[str, T]:
    return {
        check_name(name, f"something in {part}"): read(item, f"{where}, {part} {name!r}")
        for name, item in field(record, part, dict, where).items()
    }


def open_result(path: str | os.PathLike[str]) -> Result:
    """Open a saved result; a broken, hostile or newer file is refused with a `FileError`."""
    folder = folder_of(path, RESULT_FILE)
    where = str(folder / RESULT_FILE)
    record = read_json_file(folder / RESULT_FILE)
    check_header(record, _FORMAT, _SCHEMA, where)
    unpack = taken_from(read_tensors(folder / _ARRAY_FILE))
    try:
        return Result(
            data=_named(record, "data", where, lambda item, at: _array_from(item, at, unpack)),
            tables=_named(record, "tables", where, lambda item, at: table_from(item, at, unpack)),
            graphs=_named(record, "graphs", where, graph_from),
            checks=[check_from(check, f"{where}, checks") for check in field(record, "checks", list, where)],
            provenance=provenance_from(field(record, "provenance", dict, where), where),
            views=_named(record, "views", where, lambda item, at: view_from_record(item, at, unpack)),
            title=field(record, "title", str, where),
        )
    except FileError:
        raise
    except InnerworksError as problem:
        raise FileError(f"{where} is broken: {problem}") from problem
