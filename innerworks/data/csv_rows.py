"""Examples as CSV: clean, corrupt, target, foil, and what else there is to say about them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from innerworks.data.draft import Answer, Draft, Marked
from innerworks.data.sources import Given
from innerworks.data.task import Task
from innerworks.data.task_files import draft_from
from innerworks.errors import FileError

__all__ = ["read_csv", "write_csv"]

_COLUMNS = (
    "clean",
    "corrupt",
    "target",
    "foil",
    "corrupt_target",
    "group",
    "align",
    "clean_roles",
    "corrupt_roles",
    "clean_ids",
    "corrupt_ids",
)


def write_csv(path: str | os.PathLike[str], drafts: Sequence[Draft]) -> Path:
    """A row per draft; several answers, roles and ids are JSON in their cells."""
    about = list(dict.fromkeys(name for draft in drafts for name in draft.about))
    clash = [name for name in about if name in _COLUMNS]
    if clash:
        raise FileError(f"what is known of the examples is called {clash[0]!r}, which is the name of another column")
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*_COLUMNS, *about])
        for draft in drafts:
            writer.writerow([*_cells(draft), *(draft.about.get(name, "") for name in about)])
    return Path(path)


def _cells(draft: Draft) -> list[str]:
    corrupt = draft.corrupt or Marked()
    return [
        draft.clean.text,
        corrupt.text,
        *(_answer_cell(answers) for answers in (draft.targets, draft.foils, draft.corrupt_targets)),
        draft.group,
        draft.align,
        _json(dict(draft.clean.roles)),
        _json(dict(corrupt.roles)),
        _json(list(draft.clean.ids)),
        _json(list(corrupt.ids)),
    ]


def _answer_cell(answers: tuple[Answer, ...]) -> str:
    is_plain = len(answers) == 1 and isinstance(answers[0], str) and not answers[0].startswith("[")
    return str(answers[0]) if is_plain else _json(list(answers))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""


def read_csv(path: str | os.PathLike[str], *, name: str | None = None) -> Task:
    """A task from a CSV with the columns clean, target, and where there are such corrupt, foil, group.

    Answers are one token with its leading space (" Paris"), or a JSON list of which any is right. Other columns can be
    chosen by (`task.where(relation="capital")`). Reads what `Examples.to_csv` writes. An answer that is several tokens
    is counted as left out when the task meets a model.
    """
    where = Path(path)
    try:
        with where.open(encoding="utf-8-sig", newline="") as file:
            drafts = _drafts(csv.reader(file, strict=True), where)
    except OSError as problem:
        raise FileError(f"{where} cannot be read: {problem.strerror or problem}") from problem
    except UnicodeDecodeError as problem:
        raise FileError(f"{where} is not UTF-8 text: {problem.reason} at byte {problem.start}") from problem
    if not drafts:
        raise FileError(f"{where} has no rows below its header, so there is nothing to make a task of.")
    has_foils = all(draft.foils for draft in drafts)
    return Task(Given(name or where.stem, tuple(drafts), "logit_diff" if has_foils else "log_prob"))


def _drafts(reader: Any, where: Path) -> list[Draft]:
    try:
        header = next(reader, None)
        if header is None or not {"clean", "target"} <= set(header):
            raise FileError(f"{where}, line 1: the columns are {header}; a task needs at least clean and target.")
        if len(set(header)) != len(header):
            raise FileError(f"{where}, line 1: two columns have the same name: {header}.")
        drafts = []
        for row in reader:
            place = f"{where}, line {reader.line_num}"
            if not any(row):
                continue
            if len(row) != len(header):
                raise FileError(f"{place}: {len(row)} cells under {len(header)} columns. Is a comma not quoted?")
            drafts.append(_draft(dict(zip(header, row, strict=True)), place))
        return drafts
    except csv.Error as problem:
        raise FileError(f"{where}, line {reader.line_num}: {problem}") from problem


def _draft(row: dict[str, str], place: str) -> Draft:
    clean, corrupt = (_marked(row, side, place) for side in ("clean", "corrupt"))
    if not clean["text"] and not clean["ids"]:
        raise FileError(f"{place}: the clean text is empty.")
    record = {
        "clean": clean,
        "corrupt": corrupt if corrupt["text"] or corrupt["ids"] else None,
        "targets": _answers(row["target"], "target", place),
        "foils": _answers(row.get("foil", ""), "foil", place),
        "corrupt_targets": _answers(row.get("corrupt_target", ""), "corrupt_target", place),
        "group": row.get("group", ""),
        "about": {name: value for name, value in row.items() if name not in _COLUMNS and value},
        "align": row.get("align") or "role",
    }
    if not record["targets"]:
        raise FileError(f"{place}: the target is empty.")
    return draft_from(record, place)


def _marked(row: dict[str, str], side: str, place: str) -> dict[str, Any]:
    roles = _parsed(row.get(f"{side}_roles", ""), dict, f"{place}, {side}_roles") or {}
    ids = _parsed(row.get(f"{side}_ids", ""), list, f"{place}, {side}_ids") or []
    return {"text": row.get(side, ""), "roles": roles, "ids": ids}


def _parsed(cell: str, kind: type, place: str) -> Any:
    if not cell:
        return None
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError) as problem:
        raise FileError(f"{place}: {cell[:60]!r} is not JSON ({problem}).") from problem
    if not isinstance(value, kind):
        raise FileError(f"{place}: {cell[:60]!r} should be a JSON {'object' if kind is dict else 'list'}.")
    return value


def _answers(cell: str, name: str, place: str) -> list[Answer]:
    if not cell.startswith("["):
        return [cell] if cell else []
    found: list[Answer] = _parsed(cell, list, f"{place}, {name}")
    return found
