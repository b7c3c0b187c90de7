"""One view as an HTML section."""

from __future__ import annotations

from innerworks.results.render.heatmap import heatmap_html
from innerworks.results.render.markup import escape
from innerworks.results.render.plain_columns import as_columns, fallback_sentence
from innerworks.results.render.series import series_html
from innerworks.results.render.table import card_html, columns_html, table_html
from innerworks.results.render.tokens import tokens_html
from innerworks.results.views import View

__all__ = ["view_html"]

_RENDERERS = {
    "tokens": tokens_html,
    "heatmap": heatmap_html,
    "lens": heatmap_html,
    "series": series_html,
    "table": table_html,
    "card": card_html,
}


def view_html(view: View) -> str:
    """The view under its title; a kind without a picture of its own becomes a table that says so."""
    body = _RENDERERS.get(view.kind, _fallback_html)(view)
    title = f"<h2>{escape(view.title)}</h2>" if view.title else ""
    return f'<section class="iw-view">{title}{body}</section>'


def _fallback_html(view: View) -> str:
    columns, total = as_columns(view)
    shown = len(next(iter(columns.values()), ()))
    return f'<p class="iw-note">{escape(fallback_sentence(view, shown, total))}</p>{columns_html(columns)}'
