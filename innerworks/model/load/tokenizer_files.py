"""Finding a model's tokenizer: absent is fine and says so, present but broken is an error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from innerworks.errors import LoadError
from innerworks.model.load.checkpoint_folder import read_json
from innerworks.model.load.hub_failure import first_lines
from innerworks.model.load.hub_files import has_any_file

__all__ = ["has_tokenizer", "open_tokenizer"]

_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")


def open_tokenizer(source: str, place: Mapping[str, Any], *, trust_remote_code: bool) -> Any:
    """The tokenizer of a folder or hub id; `place` is how to reach it: revision, token and the like."""
    import transformers

    whole = Path(source) / "tokenizer.json"
    if whole.is_file() and "model" not in read_json(whole):
        raise LoadError(f"{whole} is not a tokenizer: it has no 'model'. Copy it again, or pass tokenizer=.")
    try:
        return transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code, **place)
    except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as error:
        raise LoadError(
            f"The tokenizer of {source} does not open: {first_lines(error)}. Pass a working one as "
            "tokenizer=, an object or the path of a folder."
        ) from error


def has_tokenizer(source: str, place: Mapping[str, Any]) -> bool:
    """Whether a folder or hub id has a vocabulary; without one transformers may invent an empty tokenizer."""
    if Path(source).is_dir():
        return any((Path(source) / name).is_file() for name in _FILES)
    return has_any_file(source, _FILES, place)
