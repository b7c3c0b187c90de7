"""What each kind of view must hold, so that a renderer never meets arrays that do not fit together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from innerworks.errors import InnerworksError
from innerworks.results.arrays import AnyArray

__all__ = ["VIEW_KINDS", "validate"]

Arrays = Mapping[str, AnyArray]


def _require(
    kind: str, arrays: Arrays, dims: Mapping[str, tuple[str, ...]], optional: frozenset[str] = frozenset()
) -> None:
    """Every array is there with the right number of dimensions, and equal dims have equal sizes."""
    sizes: dict[str, tuple[str, int]] = {}
    for name, names in dims.items():
        if name not in arrays:
            if name in optional:
                continue
            raise InnerworksError(f"a {kind} view needs the array {name!r}; it was given {sorted(arrays)}")
        array = arrays[name]
        if array.ndim != len(names):
            raise InnerworksError(
                f"a {kind} view's {name!r} has dimensions {', '.join(names)}; it was given shape {array.shape}"
            )
        for dim, size in zip(names, array.shape, strict=True):
            first, expected = sizes.setdefault(dim, (name, size))
            if size != expected:
                raise InnerworksError(
                    f"a {kind} view's {name!r} has {size} along {dim}, and its {first!r} has {expected}"
                )


def _numeric(kind: str, arrays: Arrays, *names: str) -> None:
    for name in names:
        if name in arrays and arrays[name].dtype.kind not in "biuf":
            raise InnerworksError(
                f"a {kind} view's {name!r} must be real numbers and is {arrays[name].dtype}; "
                "of complex numbers show the magnitude or the real part"
            )


def _tokens(arrays: Arrays) -> None:
    dims = {"tokens": ("position",), "values": ("position",), "special": ("position",)}
    _require("tokens", arrays, dims, frozenset(("values", "special")))
    _numeric("tokens", arrays, "values", "special")


def _heatmap(arrays: Arrays) -> None:
    dims = {"values": ("row", "column"), "rows": ("row",), "columns": ("column",), "columns_other": ("column",)}
    _require("heatmap", arrays, dims, frozenset(("columns_other",)))
    _numeric("heatmap", arrays, "values")


def _attention(arrays: Arrays) -> None:
    dims = {
        "pattern": ("head", "query", "key"),
        "heads": ("head",),
        "queries": ("query",),
        "keys": ("key",),
        "scores": ("head",),
        "value_norms": ("head", "key"),
    }
    _require("attention", arrays, dims, frozenset(("scores", "value_norms")))
    _numeric("attention", arrays, "pattern", "scores", "value_norms")


def _lens(arrays: Arrays) -> None:
    dims = {
        "values": ("row", "column"),
        "predictions": ("row", "column"),
        "rows": ("row",),
        "columns": ("column",),
        "top_tokens": ("row", "column", "top"),
        "top_values": ("row", "column", "top"),
    }
    _require("lens", arrays, dims, frozenset(("top_tokens", "top_values")))
    _numeric("lens", arrays, "values", "top_values")


def _graph(arrays: Arrays) -> None:
    dims = {
        "nodes": ("node",),
        "labels": ("node",),
        "sources": ("edge",),
        "targets": ("edge",),
        "weights": ("edge",),
        "layers": ("node",),
        "positions": ("node",),
        "tokens": ("token",),
    }
    _require("graph", arrays, dims, frozenset(("layers", "positions", "tokens")))
    _numeric("graph", arrays, "weights", "layers", "positions")
    known = set(arrays["nodes"].tolist())
    for end in ("sources", "targets"):
        unknown = set(arrays[end].tolist()) - known
        if unknown:
            raise InnerworksError(f"a graph view's {end!r} name the unknown node {min(map(str, unknown))!r}")


def _series(arrays: Arrays) -> None:
    dims = {
        "x": ("point",),
        "y": ("series", "point"),
        "names": ("series",),
        "low": ("series", "point"),
        "high": ("series", "point"),
    }
    _require("series", arrays, dims, frozenset(("low", "high")))
    _numeric("series", arrays, "y", "low", "high")
    if ("low" in arrays) != ("high" in arrays):
        raise InnerworksError("a series view has 'low' without 'high' or the reverse; give both or neither")


def _table(arrays: Arrays) -> None:
    _require("table", arrays, {name: ("row",) for name in arrays})


def _card(arrays: Arrays) -> None:
    if arrays:
        raise InnerworksError(f"a card view has no arrays, only fields; it was given {sorted(arrays)}")


def _compare(arrays: Arrays) -> None:
    _require("compare", arrays, {"labels": ("item",), "left": ("item",), "right": ("item",)})
    _numeric("compare", arrays, "left", "right")


_VALIDATORS: dict[str, Callable[[Arrays], None]] = {
    "tokens": _tokens,
    "heatmap": _heatmap,
    "attention": _attention,
    "lens": _lens,
    "graph": _graph,
    "series": _series,
    "table": _table,
    "card": _card,
    "compare": _compare,
}
VIEW_KINDS = tuple(_VALIDATORS)


def validate(kind: str, arrays: Arrays, state: Mapping[str, Any]) -> None:
    """Raise unless these arrays and this state make a view of this kind."""
    if kind not in _VALIDATORS:
        raise InnerworksError(f"there is no view kind {kind!r}; the kinds are {', '.join(VIEW_KINDS)}")
    _VALIDATORS[kind](arrays)
    if kind == "card" and not isinstance(state.get("fields"), dict):
        raise InnerworksError("a card view needs state['fields'], a mapping of names to values")
    for name, array in arrays.items():
        if array.dtype.kind not in "biufcOU":
            raise InnerworksError(f"a {kind} view's {name!r} is {array.dtype}; use numbers or texts")
