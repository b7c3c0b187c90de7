"""Arrays of views as they travel inside an HTML page: deflated, large attention patterns in eight bits."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from innerworks.results.arrays import AnyArray
from innerworks.results.packing import inline
from innerworks.results.views import View, view_record

__all__ = ["page_record"]

_WORTH_DEFLATING = 2_000
_EXACT_BYTES = 200_000
"""How much of a page the exact heads may take; the one in focus is exact whatever it takes."""
_QUANTISED_BYTES = 6_000_000
"""How much the others may; beyond it, neighbours share a value."""
_SIGNED_LEVELS, _LEVELS = 127, 254
_NOT_A_NUMBER = 255


def page_record(view: View) -> dict[str, Any]:
    """The view's record for a page: as `to_json` writes it, but smaller."""
    record = view_record(view, view.kind, _deflated)
    if view.kind == "attention":
        for note in record["arrays"]:
            if note["name"] == "pattern":
                note.pop("base64", None)
                note.update(_pattern(view))
    return record


def _deflated(name: str, array: AnyArray) -> dict[str, Any]:
    if name.startswith("attention/") and array.ndim == 3:
        return {"dtype": array.dtype.name, "shape": list(array.shape)}
    note = inline(name, array)
    if len(note.get("base64", "")) > _WORTH_DEFLATING:
        note["deflate"] = _packed(base64.b64decode(note.pop("base64")))
    return note


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 6)).decode("ascii")


def _pattern(view: View) -> dict[str, Any]:
    """All heads exactly where that is small; else the head in focus and the highest scored, and eight bits of all."""
    pattern = view.arrays["pattern"]
    if pattern.dtype.kind != "f":
        pattern = pattern.astype(np.float64)
    little = np.ascontiguousarray(pattern.astype(pattern.dtype.newbyteorder("<")))
    whole = _packed(little.tobytes()) if little.nbytes <= 8 * _EXACT_BYTES else ""
    if (whole and len(whole) <= _EXACT_BYTES) or not pattern.size:
        return {"dtype": pattern.dtype.name, "deflate": whole or _packed(little.tobytes())}
    is_triangle = _is_triangle(pattern)
    return {
        "dtype": pattern.dtype.name,
        "quantised": _within(pattern),
        "exact": _exact(little, _by_interest(view, len(pattern)), is_triangle),
    }


def _by_interest(view: View, heads: int) -> list[int]:
    """The head in focus, then the highest scored, then the others in their order."""
    focus = view.state.get("focus", 0)
    first = [focus] if isinstance(focus, int) and 0 <= focus < heads else [0]
    scores = view.arrays.get("scores")
    rest = np.arange(heads) if scores is None else np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    return first + [int(head) for head in rest if head != first[0]]


def _exact(little: AnyArray, heads: list[int], is_triangle: bool) -> dict[str, Any]:
    """As many heads as there is room for, at least one."""
    per_head = _rows(little[0], is_triangle).nbytes * 4 // 3
    kept = heads[: max(1, _EXACT_BYTES // max(1, per_head))]
    data = b"".join(_rows(little[head], is_triangle).tobytes() for head in kept)
    return {"heads": kept, "triangle": is_triangle, "deflate": _packed(data)}


def _is_triangle(pattern: AnyArray) -> bool:
    """Whether no head looks ahead, with earlier keys in front where there are more of them than queries."""
    queries, keys = pattern.shape[1:]
    ahead = ~np.tri(queries, keys, keys - queries, dtype=bool)
    return bool(keys >= queries and not (pattern[:, ahead] != 0).any())


def _rows(matrix: AnyArray, is_triangle: bool) -> AnyArray:
    queries, keys = matrix.shape
    return matrix[np.tri(queries, keys, keys - queries, dtype=bool)] if is_triangle else matrix.ravel()


@dataclass(frozen=True)
class _Scale:
    limits: AnyArray
    is_signed: bool

    @property
    def levels(self) -> int:
        return _SIGNED_LEVELS if self.is_signed else _LEVELS

    def codes(self, values: AnyArray, head: int) -> AnyArray:
        shares = values.astype(np.float64) / (self.limits[head] or 1.0)
        rounded = np.rint(np.nan_to_num(shares, nan=0.0, posinf=0.0, neginf=0.0) * self.levels)
        codes = rounded + (_SIGNED_LEVELS if self.is_signed else 0)
        coded: AnyArray = np.where(np.isfinite(shares), codes, _NOT_A_NUMBER).astype(np.uint8)
        return coded


def _within(pattern: AnyArray) -> dict[str, Any]:
    """Eight bits of every head; of more than fit, the strongest of every 2x2 neighbours, or 4x4, and so on."""
    limits = np.array([np.abs(matrix[np.isfinite(matrix)]).max(initial=0) for matrix in pattern], dtype=np.float64)
    scale = _Scale(limits, bool((pattern < 0).any()))
    side = 1
    while True:
        pooled = [_strongest(matrix, side) for matrix in pattern]
        is_triangle = _is_triangle(np.stack(pooled))
        data = b"".join(scale.codes(_rows(one, is_triangle), head).tobytes() for head, one in enumerate(pooled))
        packed = _packed(data)
        if len(packed) <= _QUANTISED_BYTES:
            break
        side *= 2
    return {
        "deflate": packed,
        "triangle": is_triangle,
        "bin": side,
        "limits": scale.limits.tolist(),
        "signed": scale.is_signed,
    }


def _strongest(matrix: AnyArray, side: int) -> AnyArray:
    """Of every square of neighbours the value of largest magnitude; NaN only where there is nothing else."""
    if side == 1:
        return matrix
    rows, columns = (math.ceil(size / side) for size in matrix.shape)
    filled = np.full((rows * side, columns * side), np.nan, dtype=matrix.dtype)
    filled[: matrix.shape[0], : matrix.shape[1]] = matrix
    squares = filled.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(rows, columns, side * side)
    order = np.where(np.isnan(squares), -1, np.abs(squares)).argmax(axis=2)
    found: AnyArray = np.take_along_axis(squares, order[..., None], axis=2)[..., 0]
    return found
