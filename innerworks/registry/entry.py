"""A technique as the list of techniques shows it: known from the index, without importing what it is made of."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from innerworks.errors import InnerworksError
from innerworks.registry.annotations import Unreadable
from innerworks.registry.options import Option
from innerworks.registry.technique import Technique

__all__ = ["Entry", "OWN", "record_of"]

OWN = "innerworks"


@dataclass(frozen=True)
class Entry:
    """What is known of a technique; call it as `techniques()["name"](model, …)`."""

    name: str
    package: str = OWN
    module: str = ""
    title: str = ""
    section: str = ""
    question: str = ""
    meaning: str = ""
    references: tuple[str, ...] = ()
    cost: Mapping[str, float | str] = field(default_factory=dict)
    eats: str | None = None
    options: tuple[Mapping[str, Any], ...] = ()
    """Name, schema (None where it can only be given in Python), whether it is required, default and help of each."""
    problem: str = ""
    """Why it cannot be used, where a package that registers it is broken."""
    load: Callable[[], Technique] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of_record(cls, record: Mapping[str, Any], package: str = OWN) -> Entry:
        """The entry that a row of the index describes."""
        own = {**record, "references": tuple(record["references"]), "options": tuple(record["options"])}
        return cls(package=package, **own)

    @property
    def technique(self) -> Technique:
        """The technique itself; this imports what it is made of."""
        if self.problem:
            raise InnerworksError(self.problem)
        if self.load is not None:
            return self.load()
        found: Technique = getattr(importlib.import_module(self.module), self.name).technique
        return found

    def __call__(self, model: Any, *given: Any, **options: Any) -> Any:
        """Call the technique."""
        return self.technique(model, *given, **options)

    def record(self) -> dict[str, Any]:
        """The entry as plain JSON."""
        shown = {"name": self.name, "package": self.package, "module": self.module}
        if self.problem:
            return {**shown, "problem": self.problem}
        return {
            **shown,
            "title": self.title,
            "section": self.section,
            "question": self.question,
            "meaning": self.meaning,
            "references": list(self.references),
            "cost": dict(self.cost),
            "eats": self.eats,
            "options": [dict(option) for option in self.options],
        }


def record_of(technique: Technique, *, strict: bool = False) -> dict[str, Any]:
    """A technique as a row of the index; with `strict`, an option that cannot be written as text is an error."""
    return {
        "name": technique.name,
        "module": technique.function.__module__,
        "title": technique.title,
        "section": technique.section,
        "question": technique.question,
        "meaning": technique.meaning,
        "references": list(technique.references),
        "cost": {"forwards": technique.cost.forwards, "backwards": technique.cost.backwards},
        "eats": technique.eats,
        "options": [_option(technique, option, strict) for option in technique.options if option.is_written],
    }


def _option(technique: Technique, option: Option, strict: bool) -> dict[str, Any]:
    try:
        schema: dict[str, Any] | None = option.schema()
    except Unreadable as problem:
        if strict:
            raise InnerworksError(f"the technique {technique.name!r}: {problem}") from None
        schema = None
    shown: dict[str, Any] = {"name": option.name, "schema": schema, "required": option.required}
    if not option.required:
        shown["default"] = option.render(option.default)
    return {**shown, "help": option.help}
