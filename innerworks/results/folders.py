"""Writing a folder or a file whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from innerworks.errors import FileError

__all__ = ["check_writable", "write_file", "write_folder"]


def _sentence(path: Path, problem: OSError) -> str:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path} was not saved: the disk is full; free some space or choose another place"
    if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path} was not saved: no permission to write there; choose another place"
    return f"{path} was not saved: {problem.strerror or problem}"


@contextmanager
def _as_file_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise FileError(_sentence(path, problem)) from problem


def check_writable(path: str | os.PathLike[str], *, folder: bool, overwrite: bool) -> None:
    """Raise where a folder (or a file) could not be written there, before anything is worked out for it."""
    target = Path(path).resolve()
    if target.exists() and target.is_dir() != folder:
        is_now, wanted = ("a file", "a folder") if folder else ("a folder", "a file")
        raise FileError(f"{target} is {is_now}, and {wanted} is to be saved there; choose another name")
    with _as_file_error(target):
        if folder and target.exists() and any(target.iterdir()) and not overwrite:
            raise FileError(f"{target} already holds something; choose another name, or say that it may be overwritten")
    there = next(parent for parent in (target, *target.parents) if parent.exists())
    if not os.access(there, os.W_OK) or (there != target and not there.is_dir()):
        raise FileError(f"{target} cannot be saved: {there} is no folder that may be written to; choose another place")


def _partial(path: Path) -> Path:
    return path.parent / f".{path.name}.{os.urandom(4).hex()}.partial"


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _refuse_what_is_not_ours(path: Path, ours: frozenset[str], marker: str, overwrite: bool) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise FileError(f"{path} is a file, and a folder is to be saved there; choose another name")
    inside = {entry.name for entry in path.iterdir()}
    if not inside:
        return
    if marker not in inside or inside - ours:
        strangers = ", ".join(sorted(inside - ours)[:3])
        raise FileError(
            f"{path} already holds something else ({strangers}), which is never overwritten; "
            "choose another name or move it away"
        )
    if not overwrite:
        raise FileError(f"{path} already holds a saved one; pass overwrite=True to replace it")


def write_folder(
    path: str | os.PathLike[str],
    write: Callable[[Path], None],
    *,
    ours: frozenset[str],
    marker: str,
    overwrite: bool,
) -> Path:
    """Let `write` fill a folder beside `path`, then put it in place in one step.

    Whatever interrupts the writing, nothing half-written stays, and what was at `path` is still there.
    A folder that holds files not in `ours` is never replaced.
    """
    target = Path(path).resolve()
    with _as_file_error(target):
        _refuse_what_is_not_ours(target, ours, marker, overwrite)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(target)
        try:
            partial.mkdir()
            write(partial)
            for entry in partial.iterdir():
                _flush_to_disk(entry)
            _swap_in(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def _swap_in(partial: Path, target: Path) -> None:
    """A folder cannot replace a full one, so the old one steps aside, and back if the new one fails."""
    if not target.exists():
        partial.rename(target)
        return
    aside = _partial(target)
    try:
        target.rename(aside)
        partial.rename(target)
    finally:
        if aside.exists() and not target.exists():
            aside.rename(target)
        shutil.rmtree(aside, ignore_errors=True)


def write_file(path: str | os.PathLike[str], text: str) -> Path:
    """Write a text file whole or not at all, replacing what was there."""
    target = Path(path).resolve()
    with _as_file_error(target):
        if target.is_dir():
            raise FileError(f"{target} is a folder, and a file is to be written; choose another name")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(target)
        try:
            # A token may hold half of a surrogate pair, which no encoding can write.
            partial.write_bytes(text.encode("utf-8", errors="replace"))
            _flush_to_disk(partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    return target
