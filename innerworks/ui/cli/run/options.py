"""The options of a technique from what was written behind its flags; what the flags say is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import innerworks as iw
from innerworks.errors import InnerworksError
from innerworks.registry import Entry, Option
from innerworks.registry.written import call_from, literal
from innerworks.ui.cli.run.command import ANSWERS, PREFIX, flag_of
from innerworks.ui.cli.run.values import formats

__all__ = ["answers", "check_options", "read_options"]

_COSTLY = {"model", "artifact"}
"""What takes long to open, and is not opened only to see whether it can be."""


def check_options(entry: Entry, given: Mapping[str, Any]) -> None:
    """Read every option once before a model is opened, so that what is wrong is said at once."""
    schemas = {option["name"]: option["schema"] for option in entry.options}
    _makes_metric(entry, given)
    for option, value in _written(entry, given):
        if not formats(schemas[option.name]) & _COSTLY:
            _read(option, value, None)


def read_options(entry: Entry, given: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """The options that were given, as values; targets and foils also where the technique has a metric alone."""
    by_name = {option.name: option for option in entry.technique.options}
    options = {option.name: _read(option, value, model) for option, value in _written(entry, given)}
    for name in set(ANSWERS) & by_name.keys():
        values = [_read(by_name[name], text, model) for text in given.get(name) or ()]
        if values:
            options[name] = values[0] if len(values) == 1 else values
    return options | ({"metric": _metric(*answers(given))} if _makes_metric(entry, given) else {})


def _makes_metric(entry: Entry, given: Mapping[str, Any]) -> bool:
    """Whether targets and foils say what the technique's metric is; an error where they can mean nothing to it."""
    names = {option["name"] for option in entry.options}
    if given.get("foil") and "foil" not in names and "target" in names:
        raise InnerworksError(f"{entry.name} compares its target with nothing: it has no --foil.")
    if entry.eats == "Task" or "target" in names or not (given.get("target") or given.get("foil")):
        return False
    if "metric" not in names:
        raise InnerworksError(f"{entry.name} measures no answer: it has no --target and no --metric.")
    if given.get(f"{PREFIX}metric"):
        raise InnerworksError("give --metric, or --target (and --foil), not both.")
    if not given.get("target"):
        raise InnerworksError("--foil is what --target is compared with: give that too.")
    return True


def _metric(targets: Sequence[Any], foils: Sequence[Any]) -> Any:
    """The difference of logits, or where there is no foil the log-probability."""
    target = targets[0] if len(targets) == 1 else list(targets)
    if not foils:
        return iw.log_prob(target)
    return iw.logit_diff(target, foils[0] if len(foils) == 1 else list(foils))


def answers(given: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """The targets and the foils that were given."""
    return [_token(one) for one in given.get("target") or ()], [_token(one) for one in given.get("foil") or ()]


def _token(text: str) -> Any:
    """` Mary` or `'Mary'` as text, `7` as an id, `whole(' New York')` as several tokens."""
    call = call_from(text)
    if call is not None and call.name in ("whole", "first_token"):
        return call.of(getattr(iw, call.name))
    try:
        return literal(text)
    except InnerworksError:
        return text


def _written(entry: Entry, given: Mapping[str, Any]) -> list[tuple[Option, Any]]:
    """The technique's own options that were given, with what was written."""
    by_name = {option.name: option for option in entry.technique.options}
    found: list[tuple[Option, Any]] = []
    for name, option in by_name.items():
        value = given.get(f"{PREFIX}{name}")
        if isinstance(value, bool):
            found.append((option, value))
        elif value and len(value) > 1:
            raise InnerworksError(f"{flag_of(name)} was given {len(value)} times: give it once, several with commas.")
        elif value:
            found.append((option, value[0]))
    return found


def _read(option: Option, value: Any, model: Any) -> Any:
    try:
        return option.parse(value, model)
    except InnerworksError as problem:
        said = str(problem).removeprefix(f"{option.name}: ")
        raise InnerworksError(f"{flag_of(option.name)}: {said}") from problem
