"""The texts in a user's files, one after the other: plain text, JSON lines, a column of a Parquet table."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from innerworks.errors import FileError

__all__ = ["Document", "documents", "files_of"]

_PLAIN = (".txt", ".text", ".md", ".rst", "")
_READ = (*_PLAIN, ".jsonl", ".ndjson", ".parquet")
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Document:
    """One text, and where it is from."""

    name: str
    text: str


def files_of(sources: Sequence[str]) -> list[Path]:
    """The files that paths, patterns and folders name, each once, in order."""
    found: dict[Path, None] = {}
    for source in sources:
        here = _named(source)
        if not here:
            raise FileError(
                f"there is no text at {source!r}. Give a file, a folder, or a pattern such as 'text/*.txt'; files may "
                f"be {', '.join(kind for kind in _READ if kind)}."
            )
        found |= dict.fromkeys(here)
    return list(found)


def _named(source: str) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        return sorted(one for one in path.rglob("*") if one.is_file() and one.suffix in _READ[:4] + _READ[5:])
    if path.is_file():
        if path.suffix not in _READ:
            raise FileError(f"{path} is no text that can be read: take {', '.join(kind for kind in _READ if kind)}.")
        return [path]
    return sorted(Path(one) for one in glob.glob(str(path), recursive=True) if Path(one).is_file())


def documents(path: Path, field: str) -> Iterator[Document]:
    """The texts of a file: one of plain text, one a line of JSON lines, one a row of a table."""
    try:
        if path.suffix in (".jsonl", ".ndjson"):
            yield from _lines(path, field)
        elif path.suffix == ".parquet":
            yield from _rows(path, field)
        else:
            yield Document(str(path), path.read_text(encoding="utf-8-sig"))
    except OSError as problem:
        raise FileError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    except UnicodeDecodeError as problem:
        raise FileError(f"{path} is not UTF-8 text: {problem.reason} at byte {problem.start}.") from problem


def _lines(path: Path, field: str) -> Iterator[Document]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                place = f"{path}, line {number}"
                yield Document(place, _text(_decoded(line, place), field, place))


def _decoded(line: str, place: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as problem:
        said = problem.msg if isinstance(problem, json.JSONDecodeError) else str(problem)
        raise FileError(f"{place}: not valid JSON: {said}.") from problem


def _text(value: Any, field: str, place: str) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or not isinstance(value.get(field), str):
        there = ", ".join(map(str, list(value)[:12])) if isinstance(value, dict) else type(value).__name__
        raise FileError(f"{place}: there is no text {field!r} (it has {there}): name it with field=.")
    return str(value[field])


def _rows(path: Path, field: str) -> Iterator[Document]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise FileError(f"{path}: reading Parquet needs pyarrow: pip install 'innerworks[parquet]'.") from None
    try:
        table = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as problem:
        raise FileError(f"{path} is no Parquet table: {problem}") from problem
    if field not in table.schema_arrow.names:
        names = ", ".join(table.schema_arrow.names[:12])
        raise FileError(f"{path} has no column {field!r} (it has {names}): name it with field=.")
    number = 0
    for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=[field]):
        for value in batch.column(0).to_pylist():
            number += 1
            if isinstance(value, str):
                yield Document(f"{path}, row {number}", value)
