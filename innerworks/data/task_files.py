"""Tasks as JSON: recipes by their options, given texts whole."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from innerworks.data.draft import Draft, Marked
from innerworks.data.examples import MEASURES
from innerworks.data.picks import Pick, Slice, Where
from innerworks.data.sources import Given, Joined, Recipe, Source
from innerworks.errors import FileError, TaskError

if TYPE_CHECKING:
    from innerworks.data.task import Task

__all__ = ["draft_from", "draft_record", "task_from_json", "task_json", "task_record"]

_FORMAT, _SCHEMA = "innerworks task", 1


def task_json(task: Task) -> str:
    """A task as JSON text."""
    from innerworks.results.strict_json import json_text

    return json_text({"format": _FORMAT, "schema": _SCHEMA, **task_record(task)}, indent=1)


def task_from_json(text: str | bytes) -> Task:
    """The reverse of `task_json`; what it cannot be is refused by name."""
    from innerworks.results.records import check_header
    from innerworks.results.strict_json import parse_json

    record = parse_json(text, "the task")
    check_header(record, _FORMAT, _SCHEMA, "the task")
    try:
        return _task(record)
    except RecursionError:
        raise FileError("the task joins tasks that are nested too deeply to be something innerworks wrote") from None


def task_record(task: Task) -> dict[str, Any]:
    """A task in plain values."""
    return {"source": _source_record(task.source), "picks": [_pick_record(pick) for pick in task.picks]}


def _source_record(source: Source) -> dict[str, Any]:
    if isinstance(source, Recipe):
        return {"recipe": source.name, "options": {"n": source.n, "seed": source.seed, **dict(source.options)}}
    if isinstance(source, Joined):
        return {"joined": [task_record(task) for task in source.tasks]}
    return {
        "given": source.name,
        "measure": source.measure,
        "strict": source.strict,
        "texts": [draft_record(draft) for draft in source.texts],
        "dropped": [list(row) for row in source.dropped],
    }


def _pick_record(pick: Pick) -> dict[str, Any]:
    if isinstance(pick, Slice):
        return {"slice": [pick.start, pick.stop, pick.step]}
    return {"where": {name: list(values) for name, values in pick.conditions}}


def _task(record: Any) -> Task:
    from innerworks.data.task import Task
    from innerworks.results.strict_json import field

    picks = tuple(_pick(pick) for pick in field(record, "picks", list, "the task"))
    return Task(_source(field(record, "source", dict, "the task")), picks)


def _source(record: dict[str, Any]) -> Source:
    from innerworks.results.strict_json import field

    if "recipe" in record:
        return _recipe(field(record, "recipe", str, "the task"), field(record, "options", dict, "the task"))
    if "joined" in record:
        return Joined(tuple(_task(one) for one in field(record, "joined", list, "the task")))
    measure = field(record, "measure", str, "the task")
    if measure not in MEASURES:
        raise FileError(f"the task has the measure {measure!r}; there are {', '.join(MEASURES)}")
    texts = tuple(draft_from(one) for one in field(record, "texts", list, "the task"))
    dropped = tuple(tuple(row) for row in field(record, "dropped", list, "the task"))
    name, strict = field(record, "given", str, "the task"), field(record, "strict", bool, "the task")
    return Given(name, texts, measure, strict, dropped)


def _recipe(name: str, options: dict[str, Any]) -> Source:
    from innerworks.data.recipes import RECIPES

    if name not in RECIPES:
        raise FileError(f"the task is of the kind {name!r}, which there is not; there are {', '.join(RECIPES)}")
    make = RECIPES[name]
    unknown = sorted(options.keys() - inspect.signature(make).parameters.keys())
    if unknown:
        raise FileError(f"the task {name!r} has the option {unknown[0]!r}, which it does not take")
    source: Source = make(**options).source
    return source


def _pick(record: Any) -> Pick:
    from innerworks.results.strict_json import field

    if isinstance(record, dict) and "slice" in record:
        ends = field(record, "slice", list, "the task, picks")
        if len(ends) != 3 or not all(end is None or isinstance(end, int) for end in ends):
            raise FileError(f"the task picks the slice {ends}; a slice is three whole numbers or nulls")
        return Slice(*ends)
    try:
        return Where.of_values(field(record, "where", dict, "the task, picks"))
    except TaskError as problem:
        raise FileError(f"the task's picks are broken: {problem}") from problem


def draft_record(draft: Draft) -> dict[str, Any]:
    """A draft in plain values."""
    return {
        "clean": _marked_record(draft.clean),
        "corrupt": None if draft.corrupt is None else _marked_record(draft.corrupt),
        "targets": list(draft.targets),
        "foils": list(draft.foils),
        "corrupt_targets": list(draft.corrupt_targets),
        "group": draft.group,
        "about": dict(draft.about),
        "align": draft.align,
    }


def draft_from(record: Any, where: str = "the task") -> Draft:
    """The reverse of `draft_record`."""
    from innerworks.results.strict_json import field

    corrupt = field(record, "corrupt", (dict, type(None)), where)
    align = field(record, "align", str, where)
    if align not in ("position", "role"):
        raise FileError(f"{where} aligns a pair by {align!r}; it is by 'position' or by 'role'")
    return Draft(
        _marked(field(record, "clean", dict, where), where),
        None if corrupt is None else _marked(corrupt, where),
        _answers(record, "targets", where),
        _answers(record, "foils", where),
        _answers(record, "corrupt_targets", where),
        group=field(record, "group", str, where),
        about={str(key): str(value) for key, value in field(record, "about", dict, where).items()},
        align="position" if align == "position" else "role",
    )


def _marked_record(marked: Marked) -> dict[str, Any]:
    roles = {role: [list(stretch) for stretch in stretches] for role, stretches in marked.roles}
    return {"text": marked.text, "roles": roles, "ids": list(marked.ids)}


def _marked(record: dict[str, Any], where: str) -> Marked:
    from innerworks.results.strict_json import field

    text, ids = field(record, "text", str, where), field(record, "ids", list, where)
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in ids):
        raise FileError(f"{where} has token ids that are not whole numbers: {ids[:8]}")
    length = len(ids) or len(text)
    roles = tuple(
        (role, tuple(_stretch(stretch, length, role, where) for stretch in stretches))
        for role, stretches in field(record, "roles", dict, where).items()
    )
    return Marked(text, roles, tuple(ids))


def _stretch(stretch: Any, length: int, role: str, where: str) -> tuple[int, int]:
    is_two_numbers = isinstance(stretch, (list, tuple)) and len(stretch) == 2 and all(type(s) is int for s in stretch)
    if not is_two_numbers or not 0 <= stretch[0] < stretch[1] <= length:
        raise FileError(f"{where}: the role {role!r} lies at {stretch!r}, which is no part of a text of {length}")
    return (stretch[0], stretch[1])


def _answers(record: dict[str, Any], name: str, where: str) -> tuple[str | int, ...]:
    from innerworks.results.strict_json import field

    answers = field(record, name, list, where)
    if not all(isinstance(one, (str, int)) and not isinstance(one, bool) for one in answers):
        raise FileError(f"{where}: {name} are texts or token ids, not {answers[:4]}")
    if name == "targets" and not answers:
        raise FileError(f"{where} has an example without a target")
    return tuple(answers)
