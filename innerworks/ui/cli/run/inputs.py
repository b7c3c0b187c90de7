"""What a technique is asked of: from flags and files to what it eats, checked before any model is opened."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import innerworks as iw
from innerworks.errors import InnerworksError
from innerworks.registry.written import literal, split

__all__ = ["Inputs", "task_of"]

_SHORT_TASK = re.compile(r"(?P<name>\w+):(?P<options>.*=.*)", re.DOTALL)
_ACCEPTED = {
    "Prompt": "a prompt in quotes, --prompt, --prompts or --task",
    "Pair": "--clean and --corrupt, --prompts or --task",
    "Task": "--task, or prompts (--prompt, --prompts, or --clean and --corrupt) with --target",
    "Corpus": "text files, or --corpus",
    "None": "nothing but the model",
}
_USABLE = {
    "Prompt": {"words", "prompt", "prompts", "task"},
    "Pair": {"words", "clean", "corrupt", "prompts", "task"},
    "Task": {"prompt", "clean", "corrupt", "prompts", "task"},
    "Corpus": {"words", "corpus"},
    "None": set(),
}
_ROW = ("clean", "corrupt", "target", "foil", "spans", "group", "corrupt_target")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Inputs:
    """The flags that say what is asked of, as they were given."""

    words: tuple[str, ...] = ()
    prompt: tuple[str, ...] = ()
    prompts: Path | None = None
    clean: tuple[str, ...] = ()
    corrupt: tuple[str, ...] = ()
    task: str | None = None
    corpus: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Inputs:
        """Those among all that a command was given."""
        several = {name: tuple(given.get(name) or ()) for name in ("words", "prompt", "clean", "corrupt", "corpus")}
        return cls(**several, prompts=given.get("prompts"), task=given.get("task"))

    def check(self, name: str, eats: str | None) -> None:
        """Raise where these are not what the technique eats, or nothing was given; the flags that fit are named."""
        if str(eats) not in _ACCEPTED:
            raise InnerworksError(f"{name} takes {eats}, which can only be given in Python.")
        accepted = f"{name} takes {_ACCEPTED[str(eats)]}"
        named = [one for one in vars(self) if getattr(self, one) not in ((), None)]
        wrong = next((one for one in named if one not in _USABLE[str(eats)]), None)
        if wrong is not None:
            raise InnerworksError(f"{accepted}, not --{wrong}.")
        if eats is not None and not named:
            raise InnerworksError(f"{accepted}. None of these was given.")
        if self.task is not None and len(named) > 1:
            raise InnerworksError(f"--task brings its own prompts: give it without {_other(named)}.")
        if eats == "Corpus" and len(named) > 1:
            raise InnerworksError("give text files or --corpus, not both.")
        if len(self.clean) != len(self.corrupt):
            raise InnerworksError(
                f"there are {len(self.clean)} --clean and {len(self.corrupt)} --corrupt: each clean prompt has one "
                "corrupt one."
            )
        if eats == "Pair" and len(self.words) not in (0, 2):
            raise InnerworksError(
                f"{name} takes two prompts in quotes, a clean and a corrupt one, and was given {len(self.words)}: "
                "for more give --clean and --corrupt, or --prompts."
            )

    def read(self, eats: str | None, targets: Sequence[Any], foils: Sequence[Any]) -> Callable[[Any], Any]:
        """All files read and all rows checked: a function of the model to what is passed to the technique.

        Targets and foils make a task where that is what it eats.
        """
        if eats == "Corpus":
            corpus = iw.Corpus(*self.words) if self.words else iw.Corpus.parse(", ".join(self.corpus))
            next(corpus.documents(), None)  # a file that is not there is told at once
            return lambda model: corpus
        if self.task is not None:
            task = task_of(self.task)
            return lambda model: task
        rows = [_checked(row, eats) for row in self._rows(eats)]
        if eats == "Task" or any("target" in row for row in rows):
            answered = _answered(rows, targets, foils)
            return lambda model: answered
        single = len(rows) == 1 and self.prompts is None

        def given(model: Any) -> Any:
            made = [_given(row, model) for row in rows]
            return made[0] if single else made

        return given

    def _rows(self, eats: str | None) -> list[Row]:
        """Every prompt or pair that was given, as what a line of a file would say."""
        rows: list[Row] = [{"clean": one, "corrupt": two} for one, two in zip(self.clean, self.corrupt, strict=True)]
        if eats == "Pair" and self.words:
            rows.append(dict(zip(("clean", "corrupt"), self.words, strict=True)))
        else:
            rows += [{"clean": one} for one in (*self.words, *self.prompt)]
        return rows + (_from_file(self.prompts) if self.prompts is not None else [])


def task_of(text: str) -> Any:
    """The task of `ioi:n=64,seed=0`, of `ioi(n=64)`, of a sum of these, or of a file."""
    return iw.Task.parse(" + ".join(_as_call(part.strip()) for part in split(text, "+")))


def _as_call(text: str) -> str:
    short = _SHORT_TASK.fullmatch(text)
    if short is None:
        return f"{text}()" if text.isidentifier() else text
    options = [_named(part) for part in split(short["options"])]
    return f"{short['name']}({', '.join(options)})"


def _named(part: str) -> str:
    name, equals, value = (piece.strip() for piece in part.partition("="))
    if not equals or not name.isidentifier():
        raise InnerworksError(
            f"--task takes names with values behind the colon, such as ioi:n=64,seed=0, not {part!r}."
        )
    return f"{name}={_literal(value)!r}"


def _literal(text: str) -> Any:
    """A number or a quoted text; any other text is itself."""
    try:
        return literal(text)
    except InnerworksError:
        return text


def _other(named: list[str]) -> str:
    other = next(one for one in named if one != "task")
    return "prompts in quotes" if other == "words" else f"--{other}"


# -- files of prompts -----------------------------------------------------------------------------------------------


def _from_file(path: Path) -> list[Row]:
    """The prompts of a file, or of stdin: JSON lines where every line is JSON, else a prompt in each line."""
    lines = [(number, line) for number, line in enumerate(_text(path).splitlines(), 1) if line.strip()]
    if not lines:
        raise InnerworksError(f"{_called(path)} has no prompts: give one in each line, or JSON lines.")
    is_text = path.suffix.lower() == ".txt"
    must_be = path.suffix.lower() in (".jsonl", ".ndjson", ".json")
    parsed = [None if is_text else _json(line) for _, line in lines]
    if must_be or all(one is not None for one in parsed):
        return [_row(one, f"{_called(path)}, line {number}") for (number, _), one in zip(lines, parsed, strict=True)]
    return [{"clean": line} for _, line in lines]


def _text(path: Path) -> str:
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise InnerworksError(f"{path} is not text in UTF-8 ({problem}).") from problem
    except OSError as problem:
        raise InnerworksError(f"{path} cannot be read: {problem.strerror or problem}.") from problem


def _called(path: Path) -> str:
    return "stdin" if str(path) == "-" else str(path)


def _json(line: str) -> Any:
    """What a line of JSON holds that can be a prompt; None where it holds none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (dict, str, list)) else None


def _row(found: Any, where: str) -> Row:
    if isinstance(found, (str, list)):
        return {"clean": found}
    if not isinstance(found, dict):
        raise InnerworksError(f"{where} is no prompt: give a text in quotes, ids in [], or an object.")
    row = {"clean" if name in ("prompt", "text") else name: value for name, value in found.items()}
    unknown = [name for name in row if name not in _ROW]
    if unknown or "clean" not in row:
        raise InnerworksError(
            f"{where} has {', '.join(found) or 'nothing'}; it needs prompt (or clean), and may have "
            f"{', '.join(_ROW[1:])}."
        )
    return row


# -- rows as what techniques eat --------------------------------------------------------------------------------------


def _answered(rows: Sequence[Row], targets: Sequence[Any], foils: Sequence[Any]) -> Any:
    """A task of the rows: each with its own answer, or with those of the flags."""
    for name, values in (("target", targets), ("foil", foils)):
        if values and len(values) not in (1, len(rows)):
            raise InnerworksError(
                f"there are {len(values)} --{name} for {len(rows)} prompts: give one, or one for each."
            )
    made = []
    for number, row in enumerate(rows):
        own = {"corrupt": None, **row}
        for name, values in (("target", targets), ("foil", foils)):
            if name not in own and values:
                own[name] = values[0 if len(values) == 1 else number]
        if "target" not in own:
            raise InnerworksError(f"the prompt {str(row['clean'])!r} has no answer: give --target, or one in its line.")
        made.append(own)
    return iw.tasks.pairs(made)


def _checked(row: Row, eats: str | None) -> Row:
    """A row that is a prompt where prompts are eaten, and a pair where pairs are."""
    if eats == "Prompt" and row.get("corrupt") is not None:
        raise InnerworksError(f"this takes prompts, and a line has a pair: {row['clean']!r} with a corrupt prompt.")
    if eats == "Pair" and row.get("corrupt") is None:
        raise InnerworksError(
            f"this compares two prompts, and {row['clean']!r} has no corrupt one: give clean and corrupt."
        )
    return row


def _given(row: Row, model: Any) -> Any:
    """A row as a prompt, or as a pair, with its named spans."""
    clean, corrupt, spans = row["clean"], row.get("corrupt"), row.get("spans")
    if corrupt is None:
        return model.prompt(clean, spans=spans) if spans else clean
    if not spans:
        return (clean, corrupt)
    return model.pair(model.prompt(clean, spans=spans), model.prompt(corrupt, spans=spans))
