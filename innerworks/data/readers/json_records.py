"""Records of a JSON file, a list or one object a line, each with the line on which it begins."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from innerworks.errors import FileError

__all__ = ["Record", "records"]


class Record:
    """One JSON object, and where it is; a field that is missing or of another type is an error that says where."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise FileError(f"{where}: a record is a JSON object, not {_kind(value)}.")
        self.value: dict[str, Any] = value
        self.where = where

    def __contains__(self, name: str) -> bool:
        return name in self.value

    def inner(self, name: str) -> Record:
        """An object inside."""
        return Record(self._field(name), f"{self.where}, {name!r}")

    def text(self, name: str) -> str:
        """A text that is not empty."""
        value = self._field(name)
        if not isinstance(value, str) or not value.strip():
            raise FileError(f"{self.where}: {name!r} should be a text and is {_kind(value)}.")
        return value

    def truth(self, name: str) -> bool:
        """True or false."""
        value = self._field(name)
        if not isinstance(value, bool):
            raise FileError(f"{self.where}: {name!r} should be true or false and is {_kind(value)}.")
        return value

    def _field(self, name: str) -> Any:
        if name not in self.value:
            there = ", ".join(list(self.value)[:12]) or "nothing"
            raise FileError(f"{self.where}: there is no {name!r}; there is {there}.")
        return self.value[name]


def records(path: str | os.PathLike[str]) -> list[Record]:
    """The records of a file; FileError with file, line and what was wrong."""
    where = Path(path)
    try:
        text = where.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise FileError(f"{where} cannot be read: {problem.strerror or problem}") from problem
    except UnicodeDecodeError as problem:
        raise FileError(f"{where} is not UTF-8 text: {problem.reason} at byte {problem.start}.") from problem
    found = list(_listed(text, where) if text.lstrip().startswith("[") else _a_line_each(text, where))
    if not found:
        raise FileError(f"{where} holds no records, so there is nothing to make a task of.")
    return found


def _a_line_each(text: str, where: Path) -> Iterator[Record]:
    # Not splitlines: a record may hold a line separator of Unicode as it is.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            value, _ = _decoded(line, 0, f"{where}, line {number}")
            yield Record(value, f"{where}, line {number}")


def _listed(text: str, where: Path) -> Iterator[Record]:
    at, line, counted = text.index("[") + 1, 1, 0
    while True:
        at = _past(text, at, " \t\r\n")
        line, counted = line + text.count("\n", counted, at), at
        place = f"{where}, line {line}"
        if text.startswith("]", at):
            return
        value, at = _decoded(text, at, place)
        yield Record(value, place)
        at = _past(text, at, " \t\r\n")
        if text.startswith(",", at):
            at += 1
        elif not text.startswith("]", at):
            raise FileError(
                f"{place}: after this record there is {text[at : at + 20]!r}, not a comma or the list's end."
            )


def _past(text: str, at: int, blanks: str) -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _decoded(text: str, at: int, place: str) -> tuple[Any, int]:
    try:
        value, end = json.JSONDecoder().raw_decode(text, _past(text, at, " \t\r"))
    except (ValueError, RecursionError) as problem:
        said = problem.msg if isinstance(problem, json.JSONDecodeError) else str(problem)
        raise FileError(f"{place}: not valid JSON: {said}.") from problem
    return value, end


def _kind(value: Any) -> str:
    return "missing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
