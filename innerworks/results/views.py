"""A view: what to draw, as data. Renderers for terminal, HTML and the workbench read nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from innerworks.errors import FileError, InnerworksError
from innerworks.results.arrays import AnyArray, text_array, to_numpy
from innerworks.results.packing import Pack, Unpack, inline, unpack_inline
from innerworks.results.strict_json import field as json_field
from innerworks.results.strict_json import json_text, jsonable, parse_json
from innerworks.results.tables import Table
from innerworks.results.view_kinds import VIEW_KINDS, validate

__all__ = ["VIEW_SCHEMA", "View", "view_from_record", "view_record"]

VIEW_SCHEMA = 1
_FORMAT = "innerworks view"


@dataclass(frozen=True, eq=False)
class View:
    """A kind, named arrays that fit the kind, a JSON-able state (labels, choices), and a title.

    Kinds: tokens, heatmap, attention, lens, graph, series, table, card, compare. Arrays are checked
    against the kind when the view is made, copied, and read-only.
    """

    kind: str
    arrays: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    schema: int = VIEW_SCHEMA
    title: str = ""

    def __post_init__(self) -> None:
        if self.schema != VIEW_SCHEMA:
            raise InnerworksError(f"views have schema {VIEW_SCHEMA}; {self.schema} was asked for")
        object.__setattr__(self, "arrays", {name: _kept(array) for name, array in self.arrays.items()})
        object.__setattr__(self, "state", jsonable(self.state, "state"))
        validate(self.kind, self.arrays, self.state)

    @classmethod
    def tokens(
        cls,
        tokens: Sequence[str],
        values: Any = None,
        *,
        special: Sequence[bool] | None = None,
        label: str = "value",
        print_values: bool = False,
        title: str = "",
    ) -> View:
        """A strip of tokens, coloured by one signed value each; `special` marks tokens that are not text."""
        arrays: dict[str, Any] = {"tokens": text_array(tokens)}
        if values is not None:
            arrays["values"] = values
        if special is not None:
            arrays["special"] = np.asarray(special, dtype=bool)
        return cls("tokens", arrays, {"label": label, "print_values": print_values}, title=title)

    @classmethod
    def heatmap(
        cls,
        values: Any,
        rows: Sequence[Any],
        columns: Sequence[Any],
        *,
        row_title: str = "",
        column_title: str = "",
        label: str = "value",
        columns_other: Sequence[Any] | None = None,
        other_title: str = "",
        title: str = "",
    ) -> View:
        """A grid of numbers with a label for every row and column.

        `columns_other` are the same columns in another prompt, written beneath the grid.
        """
        arrays = {"values": values, "rows": _labels(rows), "columns": _labels(columns)}
        state = {"row_title": row_title, "column_title": column_title, "label": label}
        if columns_other is not None:
            arrays["columns_other"] = _labels(columns_other)
            state["other_title"] = other_title
        return cls("heatmap", arrays, state, title=title)

    @classmethod
    def lens(
        cls,
        values: Any,
        predictions: Any,
        rows: Sequence[Any],
        columns: Sequence[Any],
        *,
        row_title: str = "",
        column_title: str = "",
        label: str = "value",
        top_tokens: Any = None,
        top_values: Any = None,
        title: str = "",
    ) -> View:
        """A grid of words, each coloured by a number.

        `top_tokens` and `top_values` have one dimension more: the first few words of every cell, and their numbers.
        """
        arrays = {"values": values, "predictions": predictions, "rows": _labels(rows), "columns": _labels(columns)}
        arrays |= {
            name: top for name, top in (("top_tokens", top_tokens), ("top_values", top_values)) if top is not None
        }
        state = {"row_title": row_title, "column_title": column_title, "label": label}
        return cls("lens", arrays, state, title=title)

    @classmethod
    def attention(
        cls,
        pattern: Any,
        heads: Sequence[Any],
        queries: Sequence[str],
        keys: Sequence[str] | None = None,
        *,
        scores: Any = None,
        value_norms: Any = None,
        focus: int = 0,
        score_title: str = "score",
        title: str = "",
    ) -> View:
        """Patterns by head, query and key; heads named "layer.head" stand in rows of their layer.

        `scores` has a number per head, `value_norms` one per head and key. An HTML page of many long patterns holds
        the head in `focus` exactly, and the others in eight bits with the bound written beside them.
        """
        keys = queries if keys is None else keys
        arrays = {"pattern": pattern, "heads": _labels(heads), "queries": text_array(queries), "keys": text_array(keys)}
        given = (("scores", scores), ("value_norms", value_norms))
        arrays |= {name: array for name, array in given if array is not None}
        return cls("attention", arrays, {"focus": focus, "score_title": score_title}, title=title)

    @classmethod
    def compare(
        cls,
        labels: Sequence[Any],
        left: Any,
        right: Any,
        *,
        left_title: str = "left",
        right_title: str = "right",
        title: str = "",
    ) -> View:
        """Two numbers for each item, side by side."""
        state = {"left_title": left_title, "right_title": right_title}
        return cls("compare", {"labels": _labels(labels), "left": left, "right": right}, state, title=title)

    @classmethod
    def series(
        cls,
        series: Mapping[str, Any],
        x: Sequence[Any] | AnyArray | None = None,
        *,
        low: Mapping[str, Any] | None = None,
        high: Mapping[str, Any] | None = None,
        x_title: str = "",
        y_title: str = "",
        title: str = "",
    ) -> View:
        """Named lines over common x; `low` and `high` draw a band around each line."""
        ys = {name: to_numpy(values) for name, values in series.items()}
        lengths = {name: values.shape for name, values in ys.items()}
        if not ys or len(set(lengths.values())) != 1:
            raise InnerworksError(f"a series view needs lines of one common length; it was given {lengths}")
        arrays: dict[str, Any] = {"y": np.stack(list(ys.values())), "names": text_array(list(ys))}
        arrays["x"] = np.arange(arrays["y"].shape[-1]) if x is None else _axis(x)
        for edge, bounds in (("low", low), ("high", high)):
            if bounds is not None:
                missing = ys.keys() - bounds.keys()
                if missing:
                    raise InnerworksError(f"{edge!r} has no bounds for the line {min(missing)!r}")
                arrays[edge] = np.stack([to_numpy(bounds[name]) for name in ys])
        return cls("series", arrays, {"x_title": x_title, "y_title": y_title}, title=title)

    @classmethod
    def table(cls, columns: Mapping[str, Any] | Table, *, title: str = "") -> View:
        """A table of equally long columns, in order."""
        table = columns if isinstance(columns, Table) else Table(columns)
        arrays = {
            name: _cells(values) if isinstance(values, list) and not _all_numbers(values) else values
            for name, values in table.columns.items()
        }
        return cls("table", arrays, {"columns": list(arrays)}, title=title)

    @classmethod
    def card(cls, title: str, fields: Mapping[str, Any]) -> View:
        """A few named facts under a title."""
        return cls("card", {}, {"fields": fields}, title=title)

    def html(self, path: str | os.PathLike[str], title: str | None = None, *, interactive: bool = True) -> Path:
        """Write the view as one self-contained page; see `Result.html`."""
        from innerworks.results.folders import write_file
        from innerworks.results.render.page import page

        heading = title or self.title or self.kind
        view = replace(self, title="") if heading == self.title else self
        return write_file(path, page([view], heading, interactive=interactive))

    def _repr_html_(self) -> str:
        from innerworks.results.render.page import fragment

        return fragment([self], "")

    def to_json(self) -> str:
        """The view as JSON text; numbers as base64 of little-endian bytes."""
        return json_text(view_record(self, self.kind, inline))

    @classmethod
    def from_json(cls, text: str | bytes) -> View:
        """The reverse of `to_json`; a broken view, or one from a newer innerworks, is refused."""
        return view_from_record(parse_json(text, "the view"), "the view", unpack_inline)


def _all_numbers(values: list[Any]) -> bool:
    return bool(values) and all(
        isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in values
    )


def _cells(values: list[Any]) -> AnyArray:
    plain = (type(None), bool, int, float, str)
    return text_array([value if isinstance(value, plain) else str(value) for value in values])


def _kept(array: Any) -> AnyArray:
    given = to_numpy(array)
    kept = given.astype(object) if given.dtype.kind in "UT" else given.copy()
    kept.flags.writeable = False
    return kept


def _labels(labels: Sequence[Any]) -> AnyArray:
    return text_array([str(label) for label in labels])


def _axis(x: Sequence[Any] | AnyArray) -> AnyArray:
    array = to_numpy(x)
    return array if array.dtype.kind in "iuf" else _labels(list(x))


def view_record(view: View, name: str, pack: Pack) -> dict[str, Any]:
    """A view as JSON, its arrays packed by `pack` under names that begin with `name`."""
    return {
        "format": _FORMAT,
        "schema": view.schema,
        "kind": view.kind,
        "title": view.title,
        "state": view.state,
        "arrays": [
            {"name": array_name, **pack(f"{name}/{index}", array)}
            for index, (array_name, array) in enumerate(view.arrays.items())
        ],
    }


def view_from_record(record: Any, where: str, unpack: Unpack) -> View:
    """The reverse of `view_record`."""
    from innerworks.results.records import check_header

    check_header(record, _FORMAT, VIEW_SCHEMA, where)
    kind = json_field(record, "kind", str, where)
    if kind not in VIEW_KINDS:
        raise FileError(
            f"{where} is a {kind!r} view, which this innerworks cannot draw; upgrade if it comes from a "
            f"newer one (this one knows {', '.join(VIEW_KINDS)})"
        )
    arrays: dict[str, AnyArray] = {}
    for note in json_field(record, "arrays", list, where):
        name = json_field(note, "name", str, where)
        if name in arrays:
            raise FileError(f"{where} has two arrays named {name!r}; the file is broken")
        arrays[name] = unpack(note, f"{where}, array {name!r}")
    try:
        return View(
            kind,
            arrays,
            json_field(record, "state", dict, where),
            title=json_field(record, "title", str, where),
        )
    except FileError:
        raise
    except InnerworksError as problem:
        raise FileError(f"{where} is broken: {problem}") from problem
