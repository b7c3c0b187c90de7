"""A view that has no picture of its own yet, as columns that any table can show."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from innerworks.results.views import View

__all__ = ["as_columns", "fallback_sentence"]

_LIMIT = 200
_SHOWN = {
    "attention": ("pattern", ("heads", "queries", "keys"), ()),
    "graph": ("weights", ("sources",), ("targets",)),
    "compare": ("left", ("labels",), ("right",)),
}


def fallback_sentence(view: View, shown: int, total: int) -> str:
    """What the reader is looking at instead, and how much of it."""
    rows = f"all {total:,} rows" if shown == total else f"the strongest {shown:,} of {total:,} rows"
    article = "An" if view.kind[0] in "aeiou" else "A"
    return f"{article} {view.kind} view has no static picture yet; here is a table of it, {rows}."


def as_columns(view: View) -> tuple[dict[str, Any], int]:
    """Columns of the main array's strongest entries with their labels, and how many entries there are."""
    main, labels, beside = _SHOWN[view.kind]
    values = view.arrays[main]
    size = math.prod(values.shape)
    magnitudes = np.nan_to_num(np.abs(values.astype(float)).ravel(), nan=-1.0, posinf=np.inf)
    order = np.argsort(-magnitudes, kind="stable")[:_LIMIT] if size > _LIMIT else np.arange(size)
    places = np.unravel_index(order, values.shape)
    columns: dict[str, Any] = {name: view.arrays[name][place] for name, place in zip(labels, places, strict=False)}
    columns |= {name: view.arrays[name][places] for name in (*beside, main)}
    return columns, size
