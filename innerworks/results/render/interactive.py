"""A page whose views can be explored: the static page, each view's data beside it, and one script that draws them."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from innerworks.results.render.html import view_html
from innerworks.results.render.page_arrays import page_record
from innerworks.results.strict_json import json_text
from innerworks.results.views import View

__all__ = ["data_block", "live_view_html", "policy", "script", "style"]

_BUILT = Path(__file__).parent / "built"


@cache
def script() -> str:
    """The library that draws views, made from web/ and kept in the package."""
    return (_BUILT / "page.js").read_text(encoding="utf-8")


@cache
def style() -> str:
    """What the drawn views need beside the page's own style."""
    return (_BUILT / "views.css").read_text(encoding="utf-8")


@cache
def policy() -> str:
    """What the page may do: run this one script, show pictures it made itself, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def data_block(view: View) -> str:
    """The view's record inside markup, where no text of it can end the block."""
    text = json_text(page_record(view)).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'<script type="application/json" class="iw-data">{text}</script>'


def live_view_html(view: View) -> str:
    """The static view, for readers without script, and the data that takes its place."""
    return f"<div><div>{view_html(view)}</div>{data_block(view)}</div>"
