"""Views as plain text, for terminals, logs and pipes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from innerworks.results.arrays import AnyArray
from innerworks.results.numbers import short_number, signed_number
from innerworks.results.render.grid_text import grid_text
from innerworks.results.render.markup import (
    cut,
    display_width,
    padded,
    printable,
    visible_label,
    visible_token,
)
from innerworks.results.render.plain_columns import as_columns, fallback_sentence
from innerworks.results.render.scale import Scale
from innerworks.results.views import View

__all__ = ["columns_text", "view_text"]

_TOKEN_LINES = 40
_TABLE_LINES = 40
_STRONGEST = 12
_SPARKS = "▁▂▃▄▅▆▇█"


def view_text(view: View, width: int = 80) -> str:
    """The view as lines of at most about `width` columns; what is left out is said."""
    body = _RENDERERS.get(view.kind, _fallback)(view, width)
    return printable(f"{view.title}\n{body}" if view.title else body)


def columns_text(columns: dict[str, Any], width: int, limit: int = _TABLE_LINES) -> str:
    """Aligned columns, numbers to the right, long cells shortened with an ellipsis."""
    if not columns:
        return "(no columns)"
    count = len(next(iter(columns.values())))
    texts = {name: [name, *map(_cell, values[:limit])] for name, values in columns.items()}
    wanted = {name: max(map(display_width, cells)) for name, cells in texts.items()}
    sizes = _widths(wanted, width - 2 * (len(columns) - 1))
    right = {name: getattr(values, "dtype", None) is not None and values.dtype.kind in "biufc"
             for name, values in columns.items()}  # fmt: skip
    lines = [
        "  ".join(padded(cut(texts[n][row], sizes[n]), sizes[n], right=right[n]) for n in columns).rstrip()
        for row in range(min(count, limit) + 1)
    ]
    if count > limit:
        lines.append(f"({count - limit:,} more rows)")
    return "\n".join(lines)


def _widths(wanted: dict[str, int], room: int) -> dict[str, int]:
    """How wide each column may be: what it wants where there is room, an equal share of what is left where not.

    A narrow column leaves its share to wider ones; none is cut below 24.
    """
    left, sizes = room, {}
    for place, name in enumerate(sorted(wanted, key=lambda one: wanted[one])):
        sizes[name] = min(wanted[name], max(24, left // (len(wanted) - place)))
        left -= sizes[name]
    return sizes


def _cell(value: Any) -> str:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        return short_number(plain, 4)
    return "" if plain is None else visible_label(str(plain))


def _tokens(view: View, width: int) -> str:
    tokens = [visible_token(str(token)) for token in view.arrays["tokens"].tolist()]
    if "values" not in view.arrays:
        return _wrapped(tokens, width)
    values = np.asarray(view.arrays["values"], dtype=float)
    scale = Scale.of(values)
    shown = list(range(len(tokens)))
    if len(tokens) > _TOKEN_LINES:
        magnitudes = np.where(np.isnan(values), -1, np.abs(values))
        shown = sorted(np.argsort(-magnitudes, kind="stable")[:_TOKEN_LINES].tolist())
    name_width = min(24, max((display_width(tokens[index]) for index in shown), default=1))
    place_width = len(str(len(tokens)))
    lines = [
        f"{index:>{place_width}} {padded(cut(tokens[index], name_width), name_width)} "
        f"{signed_number(values[index]):>9} {_bar(scale.strength(values[index]))}".rstrip()
        for index in shown
    ]
    if len(shown) < len(tokens):
        lines.append(f"(the strongest {len(shown)} of {len(tokens):,} tokens)")
    return "\n".join(lines)


def _wrapped(words: list[str], width: int) -> str:
    lines, line = [], ""
    for word in words:
        if line and display_width(line) + display_width(word) + 1 > width:
            lines.append(line)
            line = ""
        line = f"{line}|{word}" if line else word
    return "\n".join([*lines, line])


def _bar(strength: float) -> str:
    if math.isnan(strength):
        return ""
    return ("-" if strength < 0 else "█") * round(abs(strength) * 20)


def _heatmap(view: View, width: int) -> str:
    grid = grid_text(view, width)
    if grid is not None:
        return str(grid)
    rows, columns = ([visible_label(str(x)) for x in view.arrays[name]] for name in ("rows", "columns"))
    values = np.asarray(view.arrays["values"], dtype=float)
    return _strongest_cells(values, rows, columns, width) if values.size else "(no cells)"


def _lens(view: View, width: int) -> str:
    return "\n".join(line.rstrip() for line in str(grid_text(view, width)).splitlines())


def _strongest_cells(values: AnyArray, rows: list[str], columns: list[str], width: int) -> str:
    magnitudes = np.where(np.isnan(values), -1, np.abs(values)).ravel()
    order = [flat for flat in np.argsort(-magnitudes, kind="stable")[:_STRONGEST].tolist() if magnitudes[flat] >= 0]
    found = {
        "row": [rows[flat // len(columns)] for flat in order],
        "column": [columns[flat % len(columns)] for flat in order],
        "value": values.ravel()[order],
    }
    note = f"({len(rows)} × {len(columns)} cells; the strongest {len(order)} of {values.size:,})"
    return f"{columns_text(found, width)}\n{note}"


def _series(view: View, width: int) -> str:
    names = [visible_label(str(name)) for name in view.arrays["names"]]
    name_width = min(24, max(map(display_width, names)))
    lines = []
    for name, y in zip(names, np.asarray(view.arrays["y"], dtype=float), strict=True):
        finite = y[np.isfinite(y)]
        reach = f"{short_number(finite.min())} … {short_number(finite.max())}" if finite.size else "no finite point"
        spark = _spark(y, max(8, width - name_width - len(reach) - 4))
        lines.append(f"{padded(cut(name, name_width), name_width)}  {spark}  {reach}")
    x = view.arrays["x"]
    if len(x):
        title = view.state.get("x_title") or "x"
        lines.append(f"({title} from {_cell(x[0])} to {_cell(x[-1])}, {len(x)} points)")
    return "\n".join(lines)


def _spark(y: AnyArray, width: int) -> str:
    """One block per point, or per group of points, whose mean it shows."""
    groups = [y] if not len(y) else np.array_split(y, min(width, len(y)))
    means = [float(group[np.isfinite(group)].mean()) if np.isfinite(group).any() else math.nan for group in groups]
    known = [mean for mean in means if not math.isnan(mean)]
    if not known:
        return ""
    low, reach = min(known), (max(known) - min(known)) or 1.0
    return "".join(" " if math.isnan(m) else _SPARKS[round((m - low) / reach * 7)] for m in means)


def _table(view: View, width: int) -> str:
    return columns_text(dict(view.arrays), width)


def _card(view: View, width: int) -> str:
    fields = view.state["fields"]
    name_width = min(28, max(map(display_width, fields), default=1))
    return "\n".join(f"{padded(cut(name, name_width), name_width)}  {_cell(fields[name])}" for name in fields)


def _fallback(view: View, width: int) -> str:
    columns, total = as_columns(view)
    shown = min(_TABLE_LINES, len(next(iter(columns.values()), ())))
    strongest = {name: values[:shown] for name, values in columns.items()}
    return f"{fallback_sentence(view, shown, total)}\n{columns_text(strongest, width)}"


_RENDERERS: dict[str, Callable[[View, int], str]] = {
    "tokens": _tokens,
    "heatmap": _heatmap,
    "lens": _lens,
    "series": _series,
    "table": _table,
    "card": _card,
}
