"""Options of recipes: checked names, and numbers in a range."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from innerworks.errors import TaskError

__all__ = ["chosen_names", "whole_number"]


def chosen_names(given: str | Sequence[str] | None, known: Collection[str], option: str) -> tuple[str, ...] | None:
    """One name, several, or None for all, as a tuple or None; TaskError lists what there is."""
    if given is None:
        return None
    names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Sequence) else ()
    if not names or any(name not in known for name in names):
        raise TaskError(f"{option}={given!r}: there are {', '.join(known)}.")
    return names


def whole_number(given: object, low: int, high: int | None, option: str) -> None:
    """TaskError unless it is a whole number from `low` to `high`."""
    if isinstance(given, bool) or not isinstance(given, int) or given < low or (high is not None and given > high):
        limits = f"from {low} on" if high is None else f"from {low} to {high}"
        raise TaskError(f"{option}={given!r}: give a whole number {limits}.")
