"""One safetensors file of named tensors; never a pickle."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from innerworks.errors import FileError
from innerworks.results.arrays import AnyArray, is_torch_tensor

__all__ = ["PICKLE_ENDINGS", "read_tensors", "refuse_pickle", "write_tensors"]

PICKLE_ENDINGS = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz")


def refuse_pickle(path: Path) -> None:
    """Refuse, by name, a file that could only be read by running what is in it."""
    if path.suffix.lower() in PICKLE_ENDINGS:
        raise FileError(
            f"{path} may hold a pickle, and opening one runs whatever code is inside; innerworks never does. "
            "Convert it to safetensors where you trust it, then open that"
        )


def write_tensors(path: Path, tensors: Mapping[str, Any]) -> None:
    """Write all tensors to one file. Torch is used only if there is a torch tensor among them."""
    from safetensors import SafetensorError

    try:
        if any(is_torch_tensor(tensor) for tensor in tensors.values()):
            from safetensors.torch import save_file as save_torch

            save_torch(_all_torch(tensors), path)
        else:
            from safetensors.numpy import save_file as save_numpy

            save_numpy(dict(tensors), path)
    except SafetensorError as problem:
        if f"os error {errno.ENOSPC}" in str(problem):
            raise OSError(errno.ENOSPC, "No space left on device") from problem
        raise FileError(f"{path.name} could not be written: {problem}") from problem


def _all_torch(tensors: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    return {
        name: tensor.detach().cpu().contiguous() if is_torch_tensor(tensor) else torch.tensor(tensor)
        for name, tensor in tensors.items()
    }


def _check_length(path: Path) -> None:
    try:
        size = os.path.getsize(path)
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as problem:
        raise FileError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    header = int.from_bytes(start, "little")
    if len(start) < 8 or header > size - 8:
        raise FileError(
            f"{path} is truncated or not safetensors: its header claims {header:,} bytes and the file has "
            f"{size:,}; copy or save it again"
        )


def read_tensors(path: Path, torch_names: set[str] | None = None) -> dict[str, Any]:
    """Read every tensor; those in `torch_names` as torch tensors, the others as read-only numpy arrays."""
    from safetensors import SafetensorError, safe_open

    _check_length(path)
    found: dict[str, Any] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            for name in sorted(names - (torch_names or set())):
                found[name] = _read_only(file.get_tensor(name))
        if names & (torch_names or set()):
            with safe_open(path, framework="pt") as file:
                for name in sorted(names & (torch_names or set())):
                    found[name] = file.get_tensor(name).clone()
    except (SafetensorError, OSError, OverflowError, ValueError) as problem:
        raise FileError(f"{path} is not a whole safetensors file ({problem}); copy or save it again") from problem
    return found


def _read_only(array: AnyArray) -> AnyArray:
    array.flags.writeable = False
    return array
