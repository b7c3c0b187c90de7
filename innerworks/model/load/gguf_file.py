"""What a GGUF file says about itself, and whether it is whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from innerworks.errors import LoadError

__all__ = ["GgufHead", "quick_key", "read_head"]


@dataclass(frozen=True)
class GgufHead:
    """The part of a GGUF's metadata that decides how it is converted."""

    architecture: str
    pre_tokenizer: str | None
    parameter_count: int


def read_head(path: Path) -> GgufHead:
    """Read the metadata of a GGUF, refusing a file that is cut off, split, or no GGUF at all."""
    _check_magic(path)
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError, KeyError, OverflowError, UnicodeDecodeError) as error:
        raise LoadError(
            f"The GGUF file {path} ends too early or is damaged ({error}). Download or copy it again."
        ) from error
    splits = _field(reader, "split.count")
    if splits is not None and int(splits) > 1:
        raise LoadError(
            f"{path} is one of {splits} parts of a model. Join them first: "
            "`llama-gguf-split --merge first-part.gguf whole.gguf`."
        )
    architecture = _field(reader, "general.architecture")
    pre_tokenizer = _field(reader, "tokenizer.ggml.pre")
    return GgufHead(
        architecture=str(architecture),
        pre_tokenizer=None if pre_tokenizer is None else str(pre_tokenizer),
        parameter_count=sum(int(tensor.n_elements) for tensor in reader.tensors),
    )


def quick_key(path: Path) -> str:
    """A hash of a file's size, time and both ends: enough to know a file again without reading it through."""
    stat = path.stat()
    digest = hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode())
    with path.open("rb") as file:
        digest.update(file.read(1 << 16))
        file.seek(max(0, stat.st_size - (1 << 16)))
        digest.update(file.read(1 << 16))
    return digest.hexdigest()[:32]


def _check_magic(path: Path) -> None:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise LoadError(
            f"{path} is not a GGUF file: it starts with {magic!r} instead of b'GGUF'. It may be an "
            "error page saved under that name, a Git LFS pointer, or an unfinished download. Fetch it again."
        )


def _field(reader: Any, name: str) -> Any:
    field = reader.fields.get(name)
    return None if field is None else field.contents()
