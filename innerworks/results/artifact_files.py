"""Artifacts on disk: `artifact.json` says what `tensors.safetensors` must hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from innerworks.errors import FileError, InnerworksError
from innerworks.results.arrays import is_torch_tensor
from innerworks.results.artifact import Artifact
from innerworks.results.folders import write_folder
from innerworks.results.records import check_header, provenance_from, provenance_record
from innerworks.results.strict_json import SIZE_LIMIT, check_name, field, json_text, read_json_file
from innerworks.results.tensor_files import read_tensors, refuse_pickle, write_tensors

__all__ = ["ARTIFACT_FILE", "open_artifact", "save_artifact"]

ARTIFACT_FILE = "artifact.json"
_TENSOR_FILE = "tensors.safetensors"
_FORMAT = "innerworks artifact"
_SCHEMA = 1


def _dtype_name(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _record(artifact: Artifact) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "schema": _SCHEMA,
        "kind": artifact.kind,
        "model": artifact.model,
        "config": artifact.config,
        "tensors": {
            name: {
                "library": "torch" if is_torch_tensor(tensor) else "numpy",
                "dtype": _dtype_name(tensor),
                "shape": list(tensor.shape),
            }
            for name, tensor in artifact.tensors.items()
        },
        "provenance": provenance_record(artifact.provenance),
    }


def save_artifact(artifact: Artifact, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the folder whole or not at all."""

    def write(folder: Path) -> None:
        write_record(folder / ARTIFACT_FILE, _record(artifact))
        write_tensors(folder / _TENSOR_FILE, artifact.tensors)

    ours = frozenset((ARTIFACT_FILE, _TENSOR_FILE))
    return write_folder(path, write, ours=ours, marker=ARTIFACT_FILE, overwrite=overwrite)


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a JSON file, refusing one that would be too large to open again."""
    text = json_text(record, indent=1)
    if len(text) > SIZE_LIMIT:
        raise FileError(
            f"{path.name} would be {len(text):,} bytes, more than the {SIZE_LIMIT:,} that are read back; "
            "keep long tables and texts as arrays of numbers"
        )
    path.write_text(text, encoding="ascii")


def open_artifact(path: str | os.PathLike[str]) -> Artifact:
    """Open a saved artifact; a broken, hostile or newer file is refused with a `FileError`."""
    folder = folder_of(path, ARTIFACT_FILE)
    where = str(folder / ARTIFACT_FILE)
    record = read_json_file(folder / ARTIFACT_FILE)
    check_header(record, _FORMAT, _SCHEMA, where)
    listed = field(record, "tensors", dict, where)
    try:
        for name in listed:
            check_name(name, "a tensor")
        torch_names = {name for name, note in listed.items() if field(note, "library", str, where) == "torch"}
        tensors = read_tensors(folder / _TENSOR_FILE, torch_names)
        _compare(listed, tensors, where)
        return Artifact(
            kind=field(record, "kind", str, where),
            tensors={name: tensors[name] for name in listed},
            config=field(record, "config", dict, where),
            model=field(record, "model", str, where),
            provenance=provenance_from(field(record, "provenance", dict, where), where),
        )
    except FileError:
        raise
    except InnerworksError as problem:
        raise FileError(f"{where} is broken: {problem}") from problem


def _compare(listed: dict[str, Any], tensors: dict[str, Any], where: str) -> None:
    if listed.keys() != tensors.keys():
        missing = sorted(listed.keys() - tensors.keys())
        extra = sorted(tensors.keys() - listed.keys())
        wrong = f"has no tensor {missing[0]!r}" if missing else f"has an unlisted tensor {extra[0]!r}"
        raise FileError(f"{where}: {_TENSOR_FILE} {wrong}; the two files do not belong together")
    for name, note in listed.items():
        tensor = tensors[name]
        promised = (field(note, "dtype", str, where), field(note, "shape", list, where))
        found = (_dtype_name(tensor), list(tensor.shape))
        if promised != found:
            raise FileError(
                f"{where} says tensor {name!r} is {promised[0]}{promised[1]}, and {_TENSOR_FILE} has "
                f"{found[0]}{found[1]}; the two files do not belong together"
            )


def folder_of(path: str | os.PathLike[str], marker: str) -> Path:
    """The saved folder, given itself or its JSON file."""
    given = Path(path)
    refuse_pickle(given)
    folder = given.parent if given.name == marker else given
    if not folder.exists():
        raise FileError(f"{folder} does not exist; check the path")
    if not (folder / marker).is_file():
        raise FileError(f"{folder} has no {marker}; it was not saved by innerworks, or is something else")
    return folder
