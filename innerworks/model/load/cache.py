"""Folders that are expensive to make, made once: built aside, moved in whole, checked on every use.

Contract: the folder that `kept` returns is complete. Whoever dies half way leaves only a `.part` folder
that the next one sweeps; two processes that want the same folder make it once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from innerworks.errors import LoadError
from innerworks.model.load.safetensors_file import file_damage

__all__ = ["MANIFEST", "cache_dir", "folder_damage", "kept", "lock_path", "sha256_of"]

MANIFEST = "innerworks.json"
log = logging.getLogger("innerworks")


def cache_dir() -> Path:
    """Where converted models are kept: `$INNERWORKS_CACHE`, else the platform's cache folder."""
    named = os.environ.get("INNERWORKS_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "innerworks"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "innerworks"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "innerworks"


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kept(folder: Path, build: Callable[[Path], Mapping[str, object]]) -> Path:
    """Give `folder`, calling `build(empty folder)` first when it is absent or damaged.

    What `build` returns is recorded in the manifest as the folder's origin.
    """
    if folder.exists() and folder_damage(folder) is None:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            _fill(folder, build)
    except OSError as error:
        raise LoadError(
            f"The cache folder {folder.parent} cannot be written ({error}). "
            "Free some space there, or set INNERWORKS_CACHE to a folder that can be written."
        ) from error
    return folder


def folder_damage(folder: Path) -> str | None:
    """What is wrong with a kept folder, or None: by sizes and safetensors headers, in milliseconds."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        sizes = {name: int(entry["size"]) for name, entry in manifest["files"].items()}
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} is not readable"
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes instead of {size}"
        if path.suffix == ".safetensors" and (wrong := file_damage(path)):
            return f"{name}: {wrong}"
    return None


def _fill(folder: Path, build: Callable[[Path], Mapping[str, object]]) -> None:
    if folder.exists():
        damage = folder_damage(folder)
        if damage is None:
            return
        log.warning("innerworks: %s is damaged (%s); building it again.", folder, damage)
        shutil.rmtree(folder)
    _sweep(folder)
    part = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.part"
    part.mkdir()
    try:
        origin = build(part)
        _write_manifest(part, origin)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_manifest(part: Path, origin: Mapping[str, object]) -> None:
    files = {
        path.name: {"size": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(part.iterdir())
        if path.is_file()
    }
    text = json.dumps({"origin": dict(origin), "files": files}, indent=1)
    (part / MANIFEST).write_text(text, encoding="utf-8")
    # safetensors makes its files readable by their owner alone; whether to share is for the umask to say.
    usual = stat.S_IMODE((part / MANIFEST).stat().st_mode)
    for name in files:
        (part / name).chmod(usual)


def lock_path(folder: Path) -> Path:
    """The file that whoever makes or removes a kept folder holds locked."""
    return folder.parent / f".{folder.name}.lock"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = FileLock(str(lock_path(folder)))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.warning("innerworks: another process is preparing %s; waiting for it.", folder.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _sweep(folder: Path) -> None:
    """Remove unfinished folders whose maker is gone: a lock that can be taken has no living holder."""
    for part in folder.parent.glob(".*.part"):
        target = part.name[1:].rsplit(".", 2)[0]
        if target == folder.name:
            shutil.rmtree(part, ignore_errors=True)
            continue
        other = FileLock(str(lock_path(folder.parent / target)))
        try:
            with other.acquire(timeout=0):
                shutil.rmtree(part, ignore_errors=True)
        except Timeout:
            continue
