"""JSON that is written so that it always reads back, and read as if it came from a stranger.

Numbers JSON does not have (NaN and the infinities) are written as `{"$float": "NaN"}`.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from innerworks.errors import FileError, InnerworksError

__all__ = ["check_name", "field", "json_text", "jsonable", "parse_json", "read_json_file"]

SIZE_LIMIT = 64 * 2**20
DEPTH_LIMIT = 64
_FLOAT_TAG = "$float"
_TAGGED_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def jsonable(value: object, where: str, depth: int = 0) -> Any:
    """The same value in plain JSON types, or an error that names the part which has none."""
    if depth > DEPTH_LIMIT:
        raise InnerworksError(f"{where} is nested more than {DEPTH_LIMIT} deep, or holds itself")
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist(), where, depth)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return [jsonable(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_key(key, where): jsonable(item, f"{where}.{key}", depth + 1) for key, item in value.items()}
    raise InnerworksError(
        f"{where} is a {type(value).__name__}, which JSON cannot hold; give its text form or plain numbers"
    )


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise InnerworksError(f"{where} has the key {key!r}; keys must be text")
    if key == _FLOAT_TAG:
        raise InnerworksError(f"{where} has the key {_FLOAT_TAG!r}, which is reserved for NaN and infinity")
    return key


def _tagged(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        return {_FLOAT_TAG: name}
    if isinstance(value, dict):
        return {key: _tagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_tagged(item) for item in value]
    return value


def json_text(value: object, *, indent: int | None = None) -> str:
    """ASCII JSON text; NaN and infinities tagged, anything JSON cannot hold refused."""
    return json.dumps(_tagged(jsonable(value, "value")), indent=indent, allow_nan=False)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice!r} appears twice in one object")
    if _FLOAT_TAG in found:
        number = found[_FLOAT_TAG]
        if len(found) != 1 or not isinstance(number, str) or number not in _TAGGED_FLOATS:
            raise ValueError(f"{_FLOAT_TAG} marks {number!r}, which is none of {', '.join(_TAGGED_FLOATS)}")
        return _TAGGED_FLOATS[number]
    return found


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def parse_json(text: str | bytes, name: str) -> Any:
    """Parse text that may be hostile; `name` is what the error calls it."""
    if len(text) > SIZE_LIMIT:
        raise FileError(f"{name} is {len(text):,} bytes, more than the {SIZE_LIMIT:,} that are read; not opened")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise FileError(f"{name} is nested too deeply to be something innerworks wrote; not opened") from None
    except ValueError as problem:
        raise FileError(f"{name} is not valid JSON ({problem}); save it again from its source") from None


def read_json_file(path: Path) -> Any:
    """Read one JSON file, never more than the size limit."""
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_LIMIT + 1)
    except OSError as problem:
        raise FileError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    return parse_json(text, str(path))


def field(record: Any, name: str, kinds: type | tuple[type, ...], where: str) -> Any:
    """One required field of a JSON object, of one of the given types."""
    if not isinstance(record, dict):
        raise FileError(f"{where} should be a JSON object and is a {type(record).__name__}; the file is broken")
    if name not in record:
        raise FileError(f"{where} has no {name!r}; the file is broken or was not written by innerworks")
    value = record[name]
    allowed = kinds if isinstance(kinds, tuple) else (kinds,)
    is_misplaced_bool = isinstance(value, bool) and bool not in allowed
    if not isinstance(value, allowed) or is_misplaced_bool:
        expected = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
        raise FileError(f"{where}: {name!r} should be {expected} and is {type(value).__name__}")
    return value


def check_name(name: object, what: str) -> str:
    """A name fit for a file: text, printable, not empty, and not something a path could walk out by."""
    if not isinstance(name, str) or not name or len(name) > 200 or not name.isprintable():
        raise InnerworksError(f"{what} is named {name!r}; a name is 1 to 200 printable characters")
    if name == "__metadata__" or name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise InnerworksError(f"{what} is named {name!r}; a name must not look like a path out of the folder")
    return name
