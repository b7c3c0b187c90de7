"""A part of a result as a tidy pandas DataFrame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from innerworks.errors import InnerworksError

if TYPE_CHECKING:
    from innerworks.results.result import Result

__all__ = ["dataframe"]


def dataframe(result: Result, name: str | None) -> Any:
    """The named array, table or graph of a result; without a name, the only one there is."""
    parts: dict[str, Any] = {}
    for kind in (result.data, result.tables, result.graphs):
        for key, item in kind.items():
            if key in parts:
                raise InnerworksError(f"{key!r} names two things in this result; take it from .data or .tables")
            parts[key] = item
    if name is None:
        if len(parts) != 1:
            raise InnerworksError(f"this result has {_listed(parts)}; name one of them")
        name = next(iter(parts))
    if name not in parts:
        raise InnerworksError(f"this result has no {name!r}; it has {_listed(parts)}")
    if name in result.tables:
        return result.tables[name].to_dataframe()
    if name in result.graphs:
        return result.graphs[name].edge_table().to_dataframe()
    return _tidy(result.data[name], name)


def _listed(parts: dict[str, Any]) -> str:
    return ", ".join(map(repr, parts)) or "no arrays, tables or graphs"


def _tidy(array: Any, name: str) -> Any:
    taken = {str(label) for label in (*array.dims, *array.coords)}
    column = name if name not in taken else "value"
    if not array.dims:
        import pandas

        scalars = {str(key): [coord.item()] for key, coord in array.coords.items()}
        return pandas.DataFrame({**scalars, column: [array.item()]})
    frame = array.to_dataframe(name=column).reset_index()
    return frame[[label for label in frame.columns if label != column] + [column]]
