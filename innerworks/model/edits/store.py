"""Edits in files: one safetensors file whose header holds the list as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerworks.errors import EditError, FileError
from innerworks.model.edits import values as v
from innerworks.model.edits.draws import Noise, Resample
from innerworks.model.edits.low_rank import LowRank
from innerworks.model.edits.origin import Origin
from innerworks.model.edits.projections import ProjectOut, Swap
from innerworks.model.sites import Linear, at

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["from_parts", "load", "save", "to_parts"]

_KEY, _VERSION = "innerworks_edits", 1
_OPS: dict[str, type[v.Edit]] = {
    cls.op: cls
    for cls in (
        v.Zero,
        v.Set,
        v.Freeze,
        v.Mean,
        v.Add,
        v.Scale,
        ProjectOut,
        Swap,
        LowRank,
        Resample,
        Noise,
        v.Knockout,
    )
}


def to_parts(edits: v.Edit | Sequence[v.Edit]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The edits as JSON and the tensors it refers to."""
    from torch import contiguous_format as contiguous  # copies, since a file takes no two names for one memory

    rows, tensors = [], {}
    for i, edit in enumerate([edits] if isinstance(edits, v.Edit) else edits):
        if edit.op not in _OPS:
            raise EditError(f"{edit} holds a Python function, which cannot be saved: use another kind of edit.")
        for name, tensor in edit.tensors().items():
            tensors[f"{i}.{name}"] = tensor.detach().clone(memory_format=contiguous)
        row: dict[str, Any] = {"op": edit.op, "site": str(edit.site), "options": dict(edit.options())}
        basis = edit.site.basis
        if basis is not None:
            if not isinstance(basis, Linear):
                raise EditError(f"{edit} goes through the basis {basis.name!r}, which does not know how to be saved.")
            row["basis"] = basis.name
            tensors.update(
                {f"{i}.basis.{name}": t.detach().clone(memory_format=contiguous) for name, t in basis.tensors().items()}
            )
        rows.append(row)
    return {"version": _VERSION, "edits": rows}, tensors


def from_parts(description: dict[str, Any], tensors: dict[str, Tensor]) -> list[v.Edit]:
    """The edits that `to_parts` was given."""
    if description.get("version") != _VERSION:
        raise FileError(
            f"edits of version {description.get('version')!r}: this innerworks reads version {_VERSION}. Upgrade it."
        )
    return [_one(i, row, tensors) for i, row in enumerate(description["edits"])]


def _one(i: int, row: dict[str, Any], tensors: dict[str, Tensor]) -> v.Edit:
    if row["op"] not in _OPS:
        raise FileError(f"unknown edit {row['op']!r}; known: {', '.join(_OPS)}. Upgrade innerworks.")
    own = {k.split(".", 1)[1]: t for k, t in tensors.items() if k.split(".", 1)[0] == str(i)}
    bases = {}
    if "basis" in row:
        bases[row["basis"]] = Linear(row["basis"], own.pop("basis.read"), own.pop("basis.write"))
    options = dict(row["options"])
    if "origin" in options:
        options["origin"] = Origin.of(options["origin"])
    return _OPS[row["op"]](at(row["site"], bases), **own, **options)


def save(path: str | Path, edits: v.Edit | Sequence[v.Edit]) -> None:
    """Write edits to one .safetensors file, whole or not at all."""
    import os
    import tempfile

    from safetensors.torch import save as to_bytes

    description, tensors = to_parts(edits)
    data = to_bytes(tensors, {_KEY: json.dumps(description)})
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: str | Path) -> list[v.Edit]:
    """Read edits that `save` wrote."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FileError(f"cannot read edits from {path}: {error}.") from error
    if _KEY not in metadata:
        raise FileError(f"{path} is a safetensors file, but holds no edits.")
    try:
        return from_parts(json.loads(metadata[_KEY]), tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"the edits in {path} are damaged: {error}.") from error
