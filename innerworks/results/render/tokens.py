"""A strip of tokens, each coloured by its value."""

from __future__ import annotations

import math

from innerworks.results.numbers import exact_number, signed_number
from innerworks.results.render.markup import escape, visible_token
from innerworks.results.render.scale import INVERT_FROM, Scale
from innerworks.results.views import View

__all__ = ["tokens_html"]

_LIMIT = 5000


def tokens_html(view: View) -> str:
    """The strip, its legend, and where needed a sentence about what is not shown."""
    count = len(view.arrays["tokens"])
    scale = Scale.of(view.arrays["values"]) if "values" in view.arrays else None
    spans = "".join(_token(view, index, scale) for index in range(min(count, _LIMIT)))
    hidden = count - _LIMIT
    note = f"The first {_LIMIT:,} tokens are shown; {hidden:,} more are hidden." if hidden > 0 else ""
    legend = "" if scale is None else f'<p class="iw-legend">{escape(_label(view))} {scale.legend()}</p>'
    sentence = f'<p class="iw-note">{note}</p>' if note else ""
    return f'<div class="iw-tokens">{spans}</div>{sentence}{legend}'


def _label(view: View) -> str:
    return str(view.state.get("label", "value"))


def _token(view: View, index: int, scale: Scale | None) -> str:
    token = str(view.arrays["tokens"][index])
    classes, style, tooltip, number = ["iw-t"], "", f"{index} {token!r}", ""
    if "special" in view.arrays and view.arrays["special"][index]:
        classes.append("iw-special")
    if scale is not None:
        value = float(view.arrays["values"][index])
        tooltip += f": {_label(view)} {exact_number(view.arrays['values'][index])}"
        paint, style = _paint(scale.strength(value))
        classes += paint
        if view.state.get("print_values"):
            number = f"<small>{escape(signed_number(value))}</small>"
    line_break = "<br>" if "\n" in token else ""
    return (
        f'<span class="{" ".join(classes)}"{style} title="{escape(tooltip)}">'
        f"<bdi>{_faint_spaces(escape(visible_token(token)))}</bdi>{number}</span>{line_break}"
    )


def _paint(strength: float) -> tuple[list[str], str]:
    if math.isnan(strength):
        return ["iw-nan"], ""
    classes = ["iw-neg" if strength < 0 else "iw-pos"]
    if abs(strength) >= INVERT_FROM:
        classes.append("iw-hi")
    return classes, f' style="--a:{100 * abs(strength):.0f}%"'


def _faint_spaces(escaped: str) -> str:
    before = len(escaped) - len(escaped.lstrip("␣"))
    return f"<i>{escaped[:before]}</i>{escaped[before:]}" if before else escaped
