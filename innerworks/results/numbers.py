"""How numbers are written for people: short where they are compared, exact where they are looked up."""

from __future__ import annotations

import math

__all__ = [
    "bytes_in_words",
    "check_number",
    "exact_number",
    "number_among",
    "short_number",
    "signed_number",
]


def _without_padding(number: str) -> str:
    mantissa, mark, exponent = number.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa + mark + exponent


def check_number(value: float) -> str:
    """Three digits; exponents from a thousandth down, since errors are compared by magnitude."""
    if not math.isfinite(value):
        return str(value)
    if value and (abs(value) <= 1e-3 or abs(value) >= 1e6):
        return _without_padding(f"{value:.2e}")
    return f"{value:.4g}"


def short_number(value: object, digits: int = 3) -> str:
    """About `digits` significant digits for reading at a glance; integers stay whole."""
    if isinstance(value, bool) or value is None:
        return str(value)
    number = float(value)  # type: ignore[arg-type]
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "∞" if number > 0 else "-∞"
    if number == int(number) and abs(number) < 1e6:
        return str(int(number))
    magnitude = abs(number)
    if magnitude >= 1e6 or magnitude < 1e-3:
        return _without_padding(f"{number:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(magnitude)))
    return f"{number:.{decimals}f}"


def number_among(value: float, largest: float, digits: int = 3) -> str:
    """A number with the decimals that suit the largest of its neighbours, so that a grid of them compares."""
    if not math.isfinite(value):
        return short_number(value)
    if largest >= 1e5 or largest < 1e-4:
        return short_number(value, 2)
    decimals = min(5, max(0, digits - 1 - math.floor(math.log10(largest))))
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def signed_number(value: float, digits: int = 3) -> str:
    """Like `short_number`, with a plus sign on positive numbers."""
    text = short_number(value, digits)
    return f"+{text}" if value > 0 else text


def exact_number(value: object) -> str:
    """The shortest text that reads back as the same number, in the precision it came in."""
    if isinstance(value, int):
        return str(value)
    # A float32 prints as 0.1; widened to Python's float it would print as 0.10000000149011612.
    number = float(str(value))
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def bytes_in_words(count: int) -> str:
    """A size such as "340 MB"."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{short_number(round(size, 1))} {unit}"
        size /= 1000
    return f"{short_number(size)} TB"
