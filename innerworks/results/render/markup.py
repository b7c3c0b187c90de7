"""Text made safe and visible before it enters markup."""

from __future__ import annotations

import html
import unicodedata

__all__ = [
    "cut",
    "display_width",
    "escape",
    "padded",
    "printable",
    "svg_picture",
    "visible_label",
    "visible_token",
]

_NAMED = {" ": "␣", "\n": "⏎", "\r": "␍", "\t": "⇥", "\xa0": "⍽", "\x7f": "␡"}


def escape(text: object) -> str:
    """Text safe inside elements and quoted attributes; what XML cannot hold becomes a visible stand-in."""
    return html.escape(printable(str(text)), quote=True)


def printable(text: str) -> str:
    """The text with control, direction and half characters replaced by visible stand-ins."""
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(char: str) -> str:
    code = ord(char)
    if code < 32 and char not in "\n\t":
        return chr(0x2400 + code)
    category = unicodedata.category(char)
    if category == "Cs" or code in (0xFFFE, 0xFFFF):
        return "\N{REPLACEMENT CHARACTER}"
    # Direction and zero-width controls inside a token could rearrange the words around it.
    is_shown_by_number = category == "Cf" and char != "\N{ZERO WIDTH JOINER}"
    return f"⟨U+{code:04X}⟩" if is_shown_by_number else char


def visible_token(token: str) -> str:
    """A token with its leading, trailing and unusual whitespace visible; an empty one as ∅."""
    if not token:
        return "∅"
    inside = token.strip(" ")
    before = len(token) - len(token.lstrip(" "))
    after = len(token) - before - len(inside) if inside else 0
    middle = "".join(_NAMED.get(char, char) if char != " " else char for char in inside)
    return printable("␣" * before + middle + "␣" * after)


def visible_label(text: str) -> str:
    """A label on one line; whitespace at its ends and line breaks made visible as in tokens."""
    return text if text.isprintable() and text == text.strip() else visible_token(text)


def svg_picture(inside: str, label: str, width: float, height: float) -> str:
    """An SVG of its natural size, named for those who cannot see it, that scrolls rather than shrinks."""
    return (
        f'<div class="iw-scroll" tabindex="0"><svg role="img" aria-label="{escape(label)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
        f"{inside}</svg></div>"
    )


def display_width(text: str) -> int:
    """How many terminal columns a text takes; East Asian wide characters take two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def cut(text: str, width: int) -> str:
    """The text, shortened with an ellipsis to at most `width` columns."""
    if display_width(text) <= width:
        return text
    kept, used = "", 0
    for char in text:
        used += display_width(char)
        if used > max(width - 1, 0):
            break
        kept += char
    return kept + "…"


def padded(text: str, width: int, *, right: bool = False) -> str:
    """The text filled with spaces to `width` columns, on its left where `right` aligned."""
    space = " " * max(0, width - display_width(text))
    return space + text if right else text + space
