"""Opening what was saved, whichever it is."""

from __future__ import annotations

import os
from pathlib import Path

from innerworks.errors import FileError
from innerworks.results.artifact import Artifact
from innerworks.results.artifact_files import ARTIFACT_FILE, open_artifact
from innerworks.results.result import Result
from innerworks.results.result_files import RESULT_FILE, open_result
from innerworks.results.tensor_files import PICKLE_ENDINGS, refuse_pickle

__all__ = ["open"]


def open(path: str | os.PathLike[str]) -> Result | Artifact:
    """Open a saved result or artifact, told apart by the JSON file in the folder."""
    given = Path(path)
    refuse_pickle(given)
    if not given.exists():
        raise FileError(f"{given} does not exist; check the path")
    folder = given.parent if given.name in (RESULT_FILE, ARTIFACT_FILE) else given
    if not folder.is_dir():
        raise FileError(f"{given} is a file; give the folder that was saved, with {RESULT_FILE} in it")
    is_result, is_artifact = (folder / RESULT_FILE).is_file(), (folder / ARTIFACT_FILE).is_file()
    if is_result and is_artifact:
        raise FileError(f"{folder} holds both {RESULT_FILE} and {ARTIFACT_FILE}; keep one of them")
    if is_result:
        return open_result(folder)
    if is_artifact:
        return open_artifact(folder)
    for entry in sorted(folder.iterdir()):
        if entry.suffix.lower() in PICKLE_ENDINGS:
            refuse_pickle(entry)
    raise FileError(f"{folder} has neither {RESULT_FILE} nor {ARTIFACT_FILE}; it was not saved by innerworks")
