"""A table: ordered, named columns of equal length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from innerworks.errors import InnerworksError
from innerworks.results.arrays import to_numpy

__all__ = ["Table"]


@dataclass(frozen=True, eq=False)
class Table:
    """Columns in order; each is a one-dimensional array or a list of plain values.

    Columns of unequal length are an error, since a row would not mean anything.
    """

    columns: Mapping[str, Any]

    def __post_init__(self) -> None:
        columns = {str(name): _column(str(name), values) for name, values in self.columns.items()}
        object.__setattr__(self, "columns", columns)
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
            raise InnerworksError(f"columns of a table must be equally long; {listed}")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> Any:
        try:
            return self.columns[name]
        except KeyError:
            known = ", ".join(map(repr, self.columns))
            raise InnerworksError(f"the table has no column {name!r}; it has {known}") from None

    def rows(self, limit: int | None = None) -> Iterator[tuple[Any, ...]]:
        """The rows as tuples, at most `limit` of them."""
        count = len(self) if limit is None else min(limit, len(self))
        for row in range(count):
            yield tuple(values[row] for values in self.columns.values())

    def to_dataframe(self) -> Any:
        """The table as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(dict(self.columns))


def _column(name: str, values: object) -> Any:
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes)):
        return list(values)
    array = to_numpy(values)
    if array.ndim != 1:
        raise InnerworksError(f"column {name!r} has shape {array.shape}; a column has one dimension")
    return array.tolist() if array.dtype.kind in "OU" else np.array(array)
