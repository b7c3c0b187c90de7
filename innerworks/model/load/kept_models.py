"""What models the cache holds, how large they are, whether they are whole, and how to be rid of one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from innerworks.errors import LoadError
from innerworks.model.load.bundled_models import AVAILABLE
from innerworks.model.load.cache import MANIFEST, cache_dir, folder_damage, lock_path, sha256_of

__all__ = ["KeptModel", "kept_models"]

_KINDS = ("bundled", "gguf")


@dataclass(frozen=True)
class KeptModel:
    """One converted model of the cache: a bundled one, or one made from a user's GGUF file."""

    name: str
    """What it is loaded by where it is bundled; else the name of its folder."""
    kind: str
    """ "bundled" or "gguf"."""
    origin: str
    """The package or the file that it was made from."""
    folder: Path

    @property
    def bytes(self) -> int:
        """What it takes on the disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def damage(self, *, thorough: bool = False) -> str | None:
        """What is wrong with it, or None; by sizes and headers, or with `thorough` by the sha256 of every file."""
        found = folder_damage(self.folder)
        if found is not None or not thorough:
            return found
        files = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        for name, entry in files.items():
            if sha256_of(self.folder / name) != entry.get("sha256"):
                return f"{name} is not what was written (its sha256 differs)"
        return None

    def remove(self) -> int:
        """Delete it; how many bytes that frees. An error where another process is making it."""
        freed = self.bytes
        try:
            with FileLock(str(lock_path(self.folder))).acquire(timeout=0):
                aside = self.folder.with_name(f".{self.folder.name}.removed.part")
                self.folder.rename(aside)
                shutil.rmtree(aside)
        except Timeout:
            raise LoadError(f"{self.name} is being prepared by another process: wait for it, then remove it.") from None
        return freed


def kept_models() -> tuple[KeptModel, ...]:
    """The models of the cache, bundled ones first, damaged ones among them."""
    return tuple(one for kind in _KINDS for one in _kept(kind))


def _kept(kind: str) -> Iterator[KeptModel]:
    place = cache_dir() / kind
    if not place.is_dir():
        return
    for folder in sorted(place.iterdir()):
        if folder.is_dir() and not folder.name.startswith(".") and folder.name != "seen":
            origin = _origin(folder)
            name = str(origin.get("name") or _bundled_name(folder.name) or folder.name)
            yield KeptModel(name, kind, str(origin.get("package") or origin.get("file") or "unknown"), folder)


def _origin(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("origin")
    except (OSError, ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def _bundled_name(folder: str) -> str | None:
    """The bundled model whose folder this is, where its manifest is gone."""
    return next((name for name, one in AVAILABLE.items() if folder.startswith(f"{name}-{one.sha256[:8]}-")), None)
