"""Reading the head of a safetensors file, to see whether the file is whole without loading it."""

from __future__ import annotations

import json
import os
from pathlib import Path

__all__ = ["file_damage", "tensor_names"]

# The format's own limit on the header; a larger number means that the first bytes are not a header at all.
_LARGEST_HEADER = 100_000_000


def file_damage(path: Path) -> str | None:
    """What is wrong with a safetensors file, or None: too short, not safetensors, or truncated."""
    header, wrong = _header(path)
    if wrong is not None:
        return wrong
    size = os.path.getsize(path)
    try:
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (TypeError, KeyError, IndexError):
        return "its header does not list tensors"
    expected = 8 + _header_length(path) + max(ends, default=0)
    if size != expected:
        return f"it has {size} bytes where its header says {expected} (an interrupted download or copy)"
    return None


def tensor_names(path: Path) -> set[str]:
    """The names of the tensors in a safetensors file that `file_damage` found whole."""
    header, _ = _header(path)
    return {name for name in header if name != "__metadata__"}


def _header_length(path: Path) -> int:
    with path.open("rb") as file:
        return int.from_bytes(file.read(8), "little")


def _header(path: Path) -> tuple[dict[str, dict[str, list[int]]], str | None]:
    length = _header_length(path)
    size = os.path.getsize(path)
    if size < 8:
        return {}, f"it has {size} bytes, too few for a safetensors file"
    if length > _LARGEST_HEADER:
        return {}, "it does not start with a safetensors header"
    if 8 + length > size:
        return {}, f"it has {size} bytes, and ends inside its own header (an interrupted download or copy)"
    with path.open("rb") as file:
        file.seek(8)
        raw = file.read(length)
    try:
        header = json.loads(raw)
    except ValueError:
        return {}, "its header is not readable JSON"
    if not isinstance(header, dict):
        return {}, "its header is not a JSON object"
    return header, None
