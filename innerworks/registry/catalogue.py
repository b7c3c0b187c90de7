"""`iw.techniques()`: every technique there is, built in, of other packages, or registered just now, by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path

from innerworks.errors import InnerworksError
from innerworks.registry.entry import OWN, Entry, record_of
from innerworks.registry.plugins import entry_of, owner_of, plugins
from innerworks.registry.primer import in_order, section_title, within
from innerworks.registry.technique import Technique, registered

__all__ = ["INDEX", "Catalogue", "built_in", "techniques"]

INDEX = Path(__file__).with_name("index.json")
"""The built-in techniques, written by `python -m innerworks.registry.index`."""


class Catalogue(Mapping[str, Entry]):
    """Techniques by name, as a frozen mapping; printed, a table by the survey's sections.

    Other packages' techniques are imported when they are looked at, and not before.
    """

    def __init__(self, entries: Mapping[str, Callable[[], Entry]]) -> None:
        self._entries = {name: cache(make) for name, make in sorted(entries.items())}

    def __getitem__(self, name: str) -> Entry:
        if name not in self._entries:
            near = get_close_matches(str(name), self._entries, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownTechnique(
                f"there is no technique {name!r}.{meant} iw.techniques() lists them; "
                "in a terminal, `innerworks techniques` does."
            )
        return self._entries[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def where(self, *, section: str | None = None, eats: str | None = None) -> Catalogue:
        """Those of a section and its parts, or those that eat a kind of thing, such as "Prompt", "Pair" or "Task"."""
        if section:
            section_title(section)
        return self._chosen(
            lambda one: (
                not one.problem
                and (section is None or within(one.section, section))
                and (eats is None or (one.eats or "").lower() == eats.lower())
            )
        )

    def search(self, words: str) -> Catalogue:
        """Those that have all the words somewhere in their name, title, question, meaning or references."""
        wanted = words.lower().split()
        return self._chosen(lambda one: all(word in _searched(one) for word in wanted))

    def _chosen(self, is_wanted: Callable[[Entry], bool]) -> Catalogue:
        return Catalogue({name: make for name, make in self._entries.items() if is_wanted(make())})

    def sections(self) -> dict[str, list[Entry]]:
        """The entries by section, in the survey's order."""
        entries = sorted(self.values(), key=lambda one: (in_order(one.section), one.name))
        found: dict[str, list[Entry]] = {}
        for entry in entries:
            found.setdefault(entry.section, []).append(entry)
        return found

    def to_json(self) -> str:
        """The entries as a JSON list."""
        return json.dumps([one.record() for one in self.values()], indent=1, ensure_ascii=False)

    def __str__(self) -> str:
        if not self:
            return "no techniques"
        width = max(map(len, self)) + 2
        eaten = max(len(one.eats or "") for one in self.values()) + 2
        lines = []
        for section, entries in self.sections().items():
            usable = [one for one in entries if not one.problem]
            lines += [section_title(section)] if usable else []
            lines += [f"  {one.name:{width}}{one.eats or '':{eaten}}{_told(one)}" for one in usable]
        problems = [one.problem for one in self.values() if one.problem]
        lines += ["Cannot be used", *(f"  {problem}" for problem in problems)] if problems else []
        return "\n".join(lines)

    __repr__ = __str__


class UnknownTechnique(InnerworksError, KeyError):
    """No technique has that name."""

    __str__ = Exception.__str__


def _told(entry: Entry) -> str:
    return entry.question + ("" if entry.package == OWN else f" [{entry.package}]")


def _searched(entry: Entry) -> str:
    return " ".join((entry.name, entry.title, entry.question, entry.meaning, *entry.references)).lower()


@cache
def built_in() -> Mapping[str, Entry]:
    """The techniques of innerworks itself, from the index."""
    return {row["name"]: Entry.of_record(row) for row in json.loads(INDEX.read_text(encoding="utf-8"))}


def techniques() -> Catalogue:
    """Every technique: those of innerworks, of installed packages, and those registered in this process.

    `techniques()["name"](model, …)` calls one; `.where(section="3.2", eats="Pair")` and `.search("patch")` choose.
    """
    own = built_in()
    found: dict[str, Callable[[], Entry]] = {name: partial(_itself, entry) for name, entry in own.items()}
    for name, points in plugins().items():
        owners = [*([OWN] if name in own else []), *(f"{owner_of(point)} ({point.value})" for point in points)]
        found[name] = partial(_clash, name, owners) if len(owners) > 1 else partial(entry_of, points[0])
    for name, technique in registered().items():
        if technique.function.__module__.partition(".")[0] != OWN:
            found[name] = partial(_with_registered, technique, found.get(name))
    return Catalogue(found)


def _itself(entry: Entry) -> Entry:
    return entry


def _with_registered(technique: Technique, listed: Callable[[], Entry] | None) -> Entry:
    """The entry of a function registered in this process; where a package lists that same one, the package's."""
    module = technique.function.__module__
    if listed is None:
        try:
            return replace(Entry.of_record(record_of(technique), module), load=lambda: technique)
        except InnerworksError as problem:
            return Entry(technique.name, module, module, problem=f"{technique.name!r} cannot be used: {problem}")
    entry = listed()
    if entry.problem or (entry.package != OWN and entry.technique is technique):
        return entry
    return _clash(technique.name, [entry.package, module])


def _clash(name: str, owners: list[str]) -> Entry:
    said = " and ".join(owners)
    return Entry(
        name,
        owners[-1],
        problem=f"{name!r} names the techniques of {said}: rename one, or uninstall one of the packages.",
    )
