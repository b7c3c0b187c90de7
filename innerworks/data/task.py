"""A task: a frozen recipe for examples, made without a model and turned into examples by a model's tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, overload

from innerworks.data.draft import Draft
from innerworks.data.example import Example, said
from innerworks.data.examples import Examples, Measure
from innerworks.data.picks import Pick, Slice, Where
from innerworks.data.sources import Joined, Source
from innerworks.data.words import TokenWords
from innerworks.errors import TaskError

__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """A recipe and what is picked from its examples. Make one with `iw.tasks.ioi(...)` and its like.

    `task.on(model)` gives the examples for a model. Without a model a task can be looked at as texts: iterating
    gives drafts, before any tokenizer has left words out.
    """

    source: Source
    picks: tuple[Pick, ...] = ()

    @property
    def name(self) -> str:
        """What the task is called."""
        return self.source.name

    @property
    def measure(self) -> Measure | None:
        """What its metric measures."""
        return self.source.measure

    def on(self, model: Any, *, allow_fewer: bool = False) -> Examples:
        """The examples for a model (or a bare tokenizer).

        Words that are not one token there, and pairs that do not align, are left out and counted in `.dropped`.
        Fewer examples than asked for are an error, unless `allow_fewer=True`.
        """
        words = _words(model)
        rows, asked = self._fitted(words, allow_fewer)
        if not rows:
            raise TaskError(f"Nothing is left of the task {self.name!r} after {self._picked()}.")
        return Examples(tuple(rows), self.name, self.measure, words.dropped, asked)

    def _fitted(self, words: TokenWords, allow_fewer: bool) -> tuple[list[Example], int]:
        if isinstance(self.source, Joined):
            parts = [part._fitted(words, allow_fewer) for part in self.source.tasks]
            rows, asked = [row for part, _ in parts for row in part], sum(one for _, one in parts)
        else:
            rows, asked = self.source.examples(words, allow_fewer)
        for pick in self.picks:
            rows = pick.of(rows, _draft_of)
        return rows, len(rows) if self.picks else asked

    def drafts(self) -> list[Draft]:
        """The examples as texts, as if every word were one token."""
        if isinstance(self.source, Joined):
            found = [draft for part in self.source.tasks for draft in part.drafts()]
        else:
            found = self.source.drafts()
        for pick in self.picks:
            found = pick.of(found, _itself)
        return found

    def where(self, **conditions: Any) -> Task:
        """The task's examples with, for example, group="ABBA" or relation=["capital", "currency"]."""
        return replace(self, picks=(*self.picks, Where.of_values(conditions)))

    def __iter__(self) -> Iterator[Draft]:
        return iter(self.drafts())

    def __len__(self) -> int:
        if any(isinstance(pick, Where) for pick in self.picks):
            return len(self.drafts())
        places = range(self.source.size())
        for pick in self.picks:
            if isinstance(pick, Slice):
                places = places[pick.start : pick.stop : pick.step]
        return len(places)

    @overload
    def __getitem__(self, place: int) -> Draft: ...
    @overload
    def __getitem__(self, place: slice) -> Task: ...
    def __getitem__(self, place: int | slice) -> Draft | Task:
        if isinstance(place, slice):
            return replace(self, picks=(*self.picks, Slice(place.start, place.stop, place.step)))
        return self.drafts()[place]

    def __add__(self, other: Task) -> Task:
        return Task(Joined((self, other)))

    def to_json(self) -> str:
        """The recipe as JSON text: options and seed, not the examples (those go to CSV)."""
        from innerworks.data.task_files import task_json

        return task_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Task:
        """The reverse of `to_json`."""
        from innerworks.data.task_files import task_from_json

        return task_from_json(text)

    @classmethod
    def parse(cls, text: str, model: Any = None) -> Task:
        """A task from "ioi(n=64, seed=0)", from a recipe in a .json file, or from examples in a .csv file."""
        from innerworks.data.task_text import task_from_text

        return task_from_text(text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of a task's text."""
        from innerworks.data.task_text import EXAMPLES

        return {
            "type": "string",
            "format": "task",
            "description": "a recipe, or a .json or .csv file",
            "examples": EXAMPLES,
        }

    def written(self) -> str:
        """The text that `parse` reads where this is one whole recipe; in words where it is not."""
        return self.source.written() if not self.picks else str(self).partition("\n")[0]

    def _picked(self) -> str:
        return ", then ".join(map(str, self.picks)) or "nothing was picked"

    def __str__(self) -> str:
        lines = [self.source.described()]
        lines += [f"  picked: {self._picked()}"] if self.picks else []
        first = self.source.first()
        if first is not None:
            lines += [f"  clean:   {str(first.clean)!r} → {said(first)}"]
            lines += [] if first.corrupt is None else [f"  corrupt: {str(first.corrupt)!r}"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Task({self.name!r}{''.join(f', {pick}' for pick in self.picks)})"


def _words(model: Any) -> TokenWords:
    if hasattr(model, "tokenizer") and hasattr(model, "n_vocab"):
        return TokenWords(model.tokenizer, model.n_vocab)
    if callable(model) and hasattr(model, "convert_ids_to_tokens"):
        return TokenWords(model)
    raise TaskError(f"A task meets a Model or a tokenizer, not {type(model).__name__}: task.on(iw.load(...)).")


def _draft_of(row: Example) -> Draft:
    return row.draft


def _itself(draft: Draft) -> Draft:
    return draft
