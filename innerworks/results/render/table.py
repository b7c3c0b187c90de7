"""Tables and cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from innerworks.results.numbers import exact_number, short_number
from innerworks.results.render.markup import escape
from innerworks.results.views import View

__all__ = ["card_html", "columns_html", "facts_html", "table_html"]

_ROW_LIMIT = 200


def table_html(view: View) -> str:
    """The rows, numbers aligned right; beyond the limit a sentence says how many are hidden."""
    return columns_html(view.arrays)


def columns_html(columns: Mapping[str, Any]) -> str:
    """Equally long columns as a table."""
    count = len(next(iter(columns.values()), ()))
    shown = min(count, _ROW_LIMIT)
    numeric = {name: values.dtype.kind in "biufc" for name, values in columns.items()}
    head = "".join(f'<th scope="col"{_right(numeric[name])}>{escape(name)}</th>' for name in columns)
    rows = "".join(
        f"<tr>{''.join(_cell(values[row], numeric[name]) for name, values in columns.items())}</tr>"
        for row in range(shown)
    )
    hidden = count - shown
    note = f'<p class="iw-note">The first {shown} rows; {hidden:,} are hidden.</p>' if hidden else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="iw-scroll">{table}</div>{note}'


def _right(is_numeric: bool) -> str:
    return ' class="iw-num"' if is_numeric else ""


def _cell(value: Any, is_numeric: bool) -> str:
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float):
        return f'<td class="iw-num" title="{exact_number(plain)}">{short_number(plain, 4)}</td>'
    return f"<td{_right(is_numeric)}>{'' if plain is None else escape(plain)}</td>"


def card_html(view: View) -> str:
    """Named facts, one per line."""
    return facts_html(view.state["fields"])


def facts_html(facts: Mapping[str, Any]) -> str:
    """Names and values side by side; nested values are written out."""
    lines = "".join(f"<div><dt>{escape(name)}</dt><dd>{_fact(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="iw-card">{lines}</dl>'


def _fact(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, float):
        return f'<span title="{exact_number(value)}">{short_number(value, 4)}</span>'
    if isinstance(value, list):
        return ", ".join(_fact(item) for item in value) or "—"
    if isinstance(value, dict):
        return ", ".join(f"{escape(name)}: {_fact(item)}" for name, item in value.items()) or "—"
    return escape(value)
