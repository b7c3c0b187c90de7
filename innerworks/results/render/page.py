"""A whole HTML page, or the same as a fragment for a notebook. No network; script only where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from innerworks.results.checks import Check, failed_first
from innerworks.results.provenance import Provenance
from innerworks.results.render.html import view_html
from innerworks.results.render.interactive import live_view_html, script
from innerworks.results.render.interactive import policy as interactive_policy
from innerworks.results.render.interactive import style as interactive_style
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
    interactive: bool = False,
    lang: str = "en",
) -> str:
    """A self-contained page: light and dark, everything escaped.

    An interactive one carries a script that draws its views anew; without script it shows what the static one shows.
    """
    live = interactive and bool(views)
    policy, css = (interactive_policy(), STYLE + interactive_style()) if live else (_POLICY, STYLE)
    run = f"<script>{script()}</script>" if live else ""
    body = _content(views, title, checks, provenance, live_view_html if live else view_html)
    return (
        f'<!doctype html>\n<html lang="{escape(lang)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{css}</style></head>"
        f'<body class="iw"><main>{body}</main>{run}</body></html>\n'
    )


def fragment(
    views: Sequence[View], title: str, checks: Sequence[Check] = (), provenance: Provenance | None = None
) -> str:
    """The same content to set into someone else's page."""
    return f'<div class="iw"><style>{STYLE}</style>{_content(views, title, checks, provenance, view_html)}</div>'


def _content(
    views: Sequence[View],
    title: str,
    checks: Sequence[Check],
    provenance: Provenance | None,
    drawn: Callable[[View], str],
) -> str:
    origin = f'<p class="iw-origin">{escape(provenance)}</p>' if provenance else ""
    body = "".join(map(drawn, views))
    heading = f"<h1>{escape(title)}</h1>" if title else ""
    return f"<header>{heading}{origin}</header>{_checks(checks)}{body}{_provenance(provenance)}"


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
