"""Arrays as JSON notes: numbers set aside in a tensor file or inlined as base64, texts listed."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from innerworks.errors import FileError, InnerworksError
from innerworks.results.arrays import AnyArray
from innerworks.results.strict_json import field, jsonable

__all__ = ["Pack", "Unpack", "inline", "set_aside", "taken_from", "unpack_inline"]

Pack = Callable[[str, AnyArray], dict[str, Any]]
Unpack = Callable[[Any, str], AnyArray]

_STORED_AS = {
    **{name: name for name in ("bool", "float16", "float32", "float64")},
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "complex64": "float32",
    "complex128": "float64",
}


def _texts(array: AnyArray, name: str) -> dict[str, Any]:
    items = array.ravel().tolist()
    if any(isinstance(item, (list, tuple, dict)) for item in items):
        raise InnerworksError(f"{name} holds lists or objects; an array holds numbers or texts")
    kind = "object" if array.dtype.kind == "O" else "text"
    return {"dtype": kind, "shape": list(array.shape), "items": jsonable(items, name)}


def _stored(array: AnyArray, name: str) -> AnyArray:
    """The array in a number type that the tensor file has: little-endian, contiguous, complex as pairs."""
    if array.dtype.name not in _STORED_AS:
        raise InnerworksError(
            f"{name} is of type {array.dtype}, which is not saved; use one of {', '.join(_STORED_AS)}, or text"
        )
    native = np.array(array, dtype=array.dtype.newbyteorder("<"), order="C")
    if array.dtype.kind == "c":
        return native.reshape(*array.shape, 1).view(_STORED_AS[array.dtype.name])
    return native


def set_aside(tensors: dict[str, AnyArray]) -> Pack:
    """A packer that collects numbers in `tensors` and leaves a note naming each."""

    def pack(name: str, array: AnyArray) -> dict[str, Any]:
        if array.dtype.kind in "OUT":
            return _texts(array, name)
        if name in tensors:
            raise InnerworksError(f"two arrays would both be saved as {name!r}; rename one")
        tensors[name] = _stored(array, name)
        return {"dtype": array.dtype.name, "shape": list(array.shape), "tensor": name}

    return pack


def inline(name: str, array: AnyArray) -> dict[str, Any]:
    """Pack one array into JSON alone; numbers as base64 of little-endian bytes, so NaN survives."""
    if array.dtype.kind in "OUT":
        return _texts(array, name)
    data = base64.b64encode(_stored(array, name).tobytes()).decode("ascii")
    return {"dtype": array.dtype.name, "shape": list(array.shape), "base64": data}


def _shape(note: Any, where: str) -> tuple[int, ...]:
    shape = field(note, "shape", list, where)
    if not all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape):
        raise FileError(f"{where} has the shape {shape!r}, which is not a list of sizes; the file is broken")
    if len(shape) > 32 or any(size > 2**48 for size in shape):
        raise FileError(f"{where} has the impossible shape {shape!r}; the file is broken")
    return tuple(shape)


def _from_items(note: Any, kind: str, shape: tuple[int, ...], where: str) -> AnyArray:
    items = field(note, "items", list, where)
    if len(items) != math.prod(shape):
        raise FileError(f"{where} has {len(items)} items for shape {list(shape)}; the file is broken")
    if kind == "text":
        if not all(isinstance(item, str) for item in items):
            raise FileError(f"{where} should hold texts only; the file is broken")
        return np.array(items, dtype=np.str_).reshape(shape)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


def _restored(stored: AnyArray, dtype: str, shape: tuple[int, ...], where: str) -> AnyArray:
    is_complex = dtype.startswith("complex")
    expected = (*shape, 2) if is_complex else shape
    if stored.dtype.name != _STORED_AS[dtype] or stored.shape != expected:
        raise FileError(
            f"{where} should be {_STORED_AS[dtype]} of shape {list(expected)}; the tensor file has "
            f"{stored.dtype.name} of shape {list(stored.shape)}; the two files do not belong together"
        )
    return stored.view(dtype).reshape(shape) if is_complex else stored


def _dtype(note: Any, where: str) -> str:
    dtype: str = field(note, "dtype", str, where)
    if dtype not in ("text", "object") and dtype not in _STORED_AS:
        raise FileError(f"{where} is of the unknown type {dtype!r}; upgrade innerworks or save it again")
    return dtype


def taken_from(tensors: Mapping[str, AnyArray]) -> Unpack:
    """The reverse of `set_aside`; every disagreement between note and tensor is an error."""

    def unpack(note: Any, where: str) -> AnyArray:
        dtype, shape = _dtype(note, where), _shape(note, where)
        if dtype in ("text", "object"):
            return _from_items(note, dtype, shape, where)
        name = field(note, "tensor", str, where)
        if name not in tensors:
            raise FileError(f"{where} refers to the tensor {name!r}, which the tensor file does not have")
        return _restored(tensors[name], dtype, shape, where)

    return unpack


def unpack_inline(note: Any, where: str) -> AnyArray:
    """The reverse of `inline`."""
    dtype, shape = _dtype(note, where), _shape(note, where)
    if dtype in ("text", "object"):
        return _from_items(note, dtype, shape, where)
    try:
        data = base64.b64decode(field(note, "base64", str, where), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise FileError(f"{where} is not valid base64 ({problem}); the file is broken") from None
    stored = np.dtype(_STORED_AS[dtype]).newbyteorder("<")
    full_shape = (*shape, 2) if dtype.startswith("complex") else shape
    if len(data) != math.prod(full_shape) * stored.itemsize:
        raise FileError(f"{where} has {len(data)} bytes, which do not make shape {list(shape)} of {dtype}")
    values = np.frombuffer(data, dtype=stored).reshape(full_shape).astype(stored.newbyteorder("="))
    return _restored(values, dtype, shape, where)
