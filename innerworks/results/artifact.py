"""An artifact: what was fitted, frozen, with the model it was fitted on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from innerworks.errors import InnerworksError
from innerworks.results.arrays import is_torch_tensor
from innerworks.results.provenance import Provenance
from innerworks.results.strict_json import check_name, jsonable

__all__ = ["Artifact"]


@dataclass(frozen=True, eq=False)
class Artifact:
    """Named tensors of one kind ("tuned-lens", "probe", …), their configuration, and their origin.

    Tensors are copied on the way in, so that a fit which goes on does not change what was kept. Numpy
    arrays are read-only; torch tensors keep their type (bfloat16 too) and carry no gradient.
    `model` is the fingerprint of the model this was fitted on.
    """

    kind: str
    tensors: Mapping[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        check_name(self.kind, "the kind of an artifact")
        frozen = {check_name(name, "a tensor"): _frozen(name, tensor) for name, tensor in self.tensors.items()}
        object.__setattr__(self, "tensors", MappingProxyType(frozen))
        object.__setattr__(self, "config", jsonable(self.config, "config"))

    @classmethod
    def parse(cls, text: str, model: Any = None) -> Artifact:
        """The artifact saved in a folder."""
        from innerworks.results.opening import open

        found = open(text.strip())
        if not isinstance(found, Artifact):
            raise InnerworksError(f"{text.strip()!r} holds a result, and this takes what was fitted, such as lens/.")
        return found

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of the folder."""
        return {"type": "string", "format": "artifact", "description": "the folder of a saved artifact"}

    def __getitem__(self, name: str) -> Any:
        try:
            return self.tensors[name]
        except KeyError:
            known = ", ".join(map(repr, self.tensors)) or "none"
            raise InnerworksError(f"this {self.kind} has no tensor {name!r}; it has {known}") from None

    def __repr__(self) -> str:
        listed = ", ".join(f"{name} {_described(tensor)}" for name, tensor in self.tensors.items())
        return f"Artifact({self.kind!r}, {listed}, model={self.model!r})"

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Save to a folder of `artifact.json` and `tensors.safetensors`, whole or not at all."""

        from innerworks.results.artifact_files import save_artifact

        return save_artifact(self, path, overwrite=overwrite)


def _described(tensor: Any) -> str:
    """Type and shape of a tensor, such as "bfloat16[576, 64]"."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"{dtype}[{', '.join(map(str, tensor.shape))}]"


def _frozen(name: str, tensor: Any) -> Any:
    if is_torch_tensor(tensor):
        if str(tensor.layout) != "torch.strided" or tensor.device.type == "meta":
            raise InnerworksError(
                f"tensor {name!r} is {tensor.layout} on {tensor.device}; an artifact keeps dense tensors with data"
            )
        return tensor.detach().clone()
    array = np.asarray(tensor)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InnerworksError(f"tensor {name!r} is of type {array.dtype}; an artifact keeps numbers and bools")
    is_already_frozen = not array.flags.writeable and array.base is None and array.dtype.isnative
    if is_already_frozen:
        return array
    copy = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    copy.flags.writeable = False
    return copy
