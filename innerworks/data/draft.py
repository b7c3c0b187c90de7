"""One example before any tokenizer has seen it: text with marked words, and the answer it should have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Literal

from innerworks.errors import TaskError

__all__ = ["Answer", "Draft", "Marked", "Stretch", "filled", "found", "joined"]

Answer = str | int
"""A token's text with the space in front of it, or a token's id."""
Stretch = tuple[int, int]
"""From a character (or token) up to, and without, another one."""


@dataclass(frozen=True)
class Marked:
    """A text (or token ids) and where in it each role lies; a role may lie in several places."""

    text: str = ""
    roles: tuple[tuple[str, tuple[Stretch, ...]], ...] = ()
    ids: tuple[int, ...] = ()
    """Where there is no text; roles then count tokens."""

    def words(self, role: str) -> tuple[str, ...]:
        """What the text says at each place of a role."""
        return tuple(self.text[start:end] for start, end in dict(self.roles)[role])

    def __str__(self) -> str:
        return self.text or f"{len(self.ids)} token ids"


@dataclass(frozen=True)
class Draft:
    """A clean and a corrupt text, what should follow the clean one, and what should not."""

    clean: Marked
    corrupt: Marked | None
    targets: tuple[Answer, ...]
    """Any of these is right."""
    foils: tuple[Answer, ...] = ()
    corrupt_targets: tuple[Answer, ...] = ()
    """What is right after the corrupt text; empty where nothing is."""
    group: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    """What else tells examples apart, such as the relation or the number of a template."""
    align: Literal["position", "role"] = "position"
    """Whether the pair must have as many tokens, or may also be aligned by its roles."""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two drafts the same example."""
        return (self.clean.text, self.clean.ids, self.targets)


def joined(parts: Iterable[tuple[str, ...]]) -> Marked:
    """A text from its parts, each followed by the roles it has."""
    text = ""
    places: dict[str, list[Stretch]] = {}
    for part, *roles in parts:
        for role in roles:
            places.setdefault(role, []).append((len(text), len(text) + len(part)))
        text += part
    return Marked(text, tuple((role, tuple(stretches)) for role, stretches in places.items()))


def filled(template: str, words: Mapping[str, str]) -> Marked:
    """`template` with each `{name}` filled in, and where the words lie; names that begin with _ are no roles."""
    parts: list[tuple[str, ...]] = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append((literal,))
        if name is not None:
            parts.append((words[name],) if name.startswith("_") else (words[name], name))
    return joined(parts)


def found(text: str, spans: Mapping[str, str], where: str) -> Marked:
    """`text` with roles named by words that occur in it exactly once."""
    return Marked(text, tuple(_placed(text, spans.items(), where)))


def _placed(text: str, spans: Iterable[tuple[str, str]], where: str) -> Iterable[tuple[str, tuple[Stretch, ...]]]:
    for role, words in spans:
        times = text.count(words) if words else 0
        if times != 1:
            raise TaskError(
                f"{where}: the span {role!r} is {words!r}, which is {times} times in {text!r}. Give words that are "
                "there once, or the characters from and to which it lies, such as (4, 8)."
            )
        start = text.index(words)
        yield role, ((start, start + len(words)),)
