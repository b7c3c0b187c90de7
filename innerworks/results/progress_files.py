"""What a long computation has done so far, in a folder: `progress.json` and the folder of numbers it names."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from innerworks.errors import FileError
from innerworks.results.folders import write_file, write_folder
from innerworks.results.records import check_header
from innerworks.results.strict_json import field, json_text, jsonable, read_json_file
from innerworks.results.tensor_files import read_tensors, write_tensors

__all__ = ["PROGRESS_FILE", "Progressing"]

PROGRESS_FILE = "progress.json"
_FORMAT = "innerworks progress"
_SCHEMA = 1
_NUMBERS = "numbers.safetensors"
_STATE = re.compile(r"progress-\d+")
_OURS = re.compile(r"\.?progress(-\d+|\.json)(\.[0-9a-f]+\.partial)?")


@dataclass(frozen=True)
class Progressing:
    """A folder that holds how far one computation has come; `question` is all that its outcome depends on.

    The numbers are written under a new name before `progress.json` is exchanged in one step, and old ones are
    deleted after that: whatever interrupts it, the folder holds one whole state.
    """

    folder: Path
    what: str
    question: Mapping[str, Any]

    @classmethod
    def at(cls, folder: str | os.PathLike[str], what: str, question: Mapping[str, Any]) -> Progressing:
        """The folder, if it is empty or holds the same computation; refused otherwise, by what is different."""
        asked = jsonable(dict(question), "question")
        found = cls(Path(folder).expanduser().resolve(), what, asked)
        found._refuse_others()
        return found

    def opened(self) -> tuple[int, dict[str, Any]] | None:
        """How many parts were done, and the numbers by name as torch tensors; None where nothing was begun."""
        path = self.folder / PROGRESS_FILE
        if not path.exists():
            return None
        record = self._record()
        stored = self.folder / self._state(record) / _NUMBERS
        names = set(field(record, "names", list, str(path)))
        tensors = read_tensors(stored, names)
        if set(tensors) != names:
            raise FileError(f"{stored} does not hold what {path} says; delete the folder to begin again")
        return field(record, "done", int, str(path)), tensors

    def save(self, done: int, tensors: Mapping[str, Any]) -> None:
        """Keep this state in the place of the one before."""
        name = f"progress-{done}"
        ours = frozenset((_NUMBERS,))

        def write(folder: Path) -> None:
            write_tensors(folder / _NUMBERS, tensors)

        write_folder(self.folder / name, write, ours=ours, marker=_NUMBERS, overwrite=True)
        record = {
            "format": _FORMAT,
            "schema": _SCHEMA,
            "what": self.what,
            "question": self.question,
            "done": done,
            "names": sorted(tensors),
            "state": name,
        }
        write_file(self.folder / PROGRESS_FILE, json_text(record, indent=1))
        for old in self.folder.iterdir():
            if _OURS.fullmatch(old.name) and old.name not in (name, PROGRESS_FILE):
                shutil.rmtree(old) if old.is_dir() else old.unlink()

    def _record(self) -> Any:
        path = self.folder / PROGRESS_FILE
        record = read_json_file(path)
        check_header(record, _FORMAT, _SCHEMA, str(path))
        return record

    def _state(self, record: Any) -> str:
        where = str(self.folder / PROGRESS_FILE)
        name: str = field(record, "state", str, where)
        if not _STATE.fullmatch(name):
            raise FileError(f"{where} names the folder {name!r}, which innerworks would not have written")
        return name

    def _refuse_others(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise FileError(f"{self.folder} is a file, and a folder is to be kept there; choose another name")
        if not self.folder.exists():
            return
        if not (self.folder / PROGRESS_FILE).exists():
            strangers = [entry.name for entry in self.folder.iterdir() if not _OURS.fullmatch(entry.name)]
            if strangers:
                raise FileError(
                    f"{self.folder} already holds something else ({min(strangers)}); choose another folder, or an "
                    "empty one"
                )
            return
        record = self._record()
        where = str(self.folder / PROGRESS_FILE)
        what, before = field(record, "what", str, where), field(record, "question", dict, where)
        if what != self.what:
            raise FileError(f"{self.folder} holds the progress of {what}, not of {self.what}; choose another folder")
        names = [name for name in {**before, **self.question} if before.get(name) != self.question.get(name)]
        if names:
            changed = "; ".join(
                f"{one} was {_short(before.get(one))}, and is {_short(self.question.get(one))}" for one in names
            )
            raise FileError(
                f"{self.folder} holds the progress of {what} that asked something else: {changed}. Choose another "
                "folder, or delete this one to begin again"
            )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
