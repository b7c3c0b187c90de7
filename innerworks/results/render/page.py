"""A whole HTML page, or the same as a fragment for a notebook. No script, no network."""

from __future__ import annotations

from collections.abc import Sequence

from innerworks.results.checks import Check, failed_first
from innerworks.results.provenance import Provenance
from innerworks.results.render.html import view_html
from innerworks.results.render.markup import escape
from innerworks.results.render.style import STYLE
from innerworks.results.render.table import facts_html
from innerworks.results.views import View

__all__ = ["fragment", "page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(
    views: Sequence[View],
    title: str,
    checks: Sequence[Check] = (),
    provenance: Provenance | None = None,
    *,
    lang: str = "en",
) -> str:
    """A self-contained page: light and dark, no script, everything escaped."""
    return (
        f'<!doctype html>\n<html lang="{escape(lang)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f'<body class="iw"><main>{_content(views, title, checks, provenance)}</main></body></html>\n'
    )


def fragment(
    views: Sequence[View], title: str, checks: Sequence[Check] = (), provenance: Provenance | None = None
) -> str:
    """The same content to set into someone else's page."""
    return f'<div class="iw"><style>{STYLE}</style>{_content(views, title, checks, provenance)}</div>'


def _content(views: Sequence[View], title: str, checks: Sequence[Check], provenance: Provenance | None) -> str:
    origin = f'<p class="iw-origin">{escape(provenance)}</p>' if provenance else ""
    body = "".join(view_html(view) for view in views)
    return f"<header><h1>{escape(title)}</h1>{origin}</header>{_checks(checks)}{body}{_provenance(provenance)}"


def _checks(checks: Sequence[Check]) -> str:
    return f'<ul class="iw-checks">{"".join(map(_check, failed_first(checks)))}</ul>' if checks else ""


_WORDS = {"pass": "✓ pass", "fail": "✗ fail", "info": "info"}


def _check(check: Check) -> str:
    note = f'<span class="iw-why">{escape(check.note)}</span>' if check.note else ""
    return (
        f'<li class="iw-{check.verdict}"><span class="iw-verdict">{_WORDS[check.verdict]}</span>'
        f'<span class="iw-name">{escape(check.name)}</span>'
        f"<span>{escape(check.measurement)}</span>{note}</li>"
    )


def _provenance(provenance: Provenance | None) -> str:
    if provenance is None:
        return ""
    facts = {
        "technique": provenance.technique or None,
        "model": provenance.model or None,
        "prompt": provenance.prompt,
        "options": provenance.options or None,
        "seed": provenance.seed,
        "versions": provenance.versions,
        "cost": str(provenance.cost),
        "created": provenance.created,
    }
    return f'<section class="iw-view"><details><summary>Provenance</summary>{facts_html(facts)}</details></section>'
