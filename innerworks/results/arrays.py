"""Labelled arrays: building them, and finding what stands out in them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from innerworks.errors import InnerworksError

if TYPE_CHECKING:
    import xarray

__all__ = ["Extreme", "extremes", "is_torch_tensor", "joined", "labelled", "text_array", "to_numpy"]

AnyArray: TypeAlias = npt.NDArray[Any]


def is_torch_tensor(value: object) -> bool:
    """Whether this is a torch tensor; never imports torch, since without it there are none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def to_numpy(values: Any) -> AnyArray:
    """Values as a numpy array; torch tensors come detached from any device, bfloat16 widened to float32."""
    if is_torch_tensor(values):
        tensor = values.detach().cpu().resolve_conj().resolve_neg()
        numpy_has_no_such_float = tensor.is_floating_point() and str(tensor.dtype) not in (
            "torch.float16",
            "torch.float32",
            "torch.float64",
        )
        return np.array((tensor.float() if numpy_has_no_such_float else tensor).numpy())
    return np.asarray(values)


def text_array(texts: Sequence[object]) -> AnyArray:
    """Texts as an object array: numpy's own text type would drop a trailing NUL from a token.

    Half of a surrogate pair is no text (pandas' Arrow strings refuse it): it becomes U+FFFD.
    """
    array = np.empty(len(texts), dtype=object)
    array[:] = [_whole(text) if isinstance(text, str) else text for text in texts]
    return array


def _whole(text: str) -> str:
    if text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def labelled(
    values: Any,
    dims: Sequence[str],
    *,
    coords: Mapping[str, Sequence[Any] | AnyArray] | None = None,
    tokens: Sequence[str] | None = None,
    token_dim: str = "position",
    beside: Mapping[str, tuple[str, Any]] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xarray.DataArray:
    """A labelled array. Token texts become a coordinate `token` along `token_dim` that is not an index.

    `beside` are other labels that are no index, each with the dimension that it stands along.
    A prompt may hold the same token twice, so positions are told apart by number and only described by text.
    """
    import xarray

    array = to_numpy(values)
    if array.ndim != len(dims):
        raise InnerworksError(
            f"values of shape {array.shape} have {array.ndim} dimensions; {len(dims)} named: {list(dims)}"
        )
    all_coords: dict[str, Any] = {name: (name, to_numpy(labels)) for name, labels in (coords or {}).items()}
    all_coords |= beside or {}
    if tokens is not None:
        if token_dim not in dims:
            raise InnerworksError(f"tokens describe the dimension {token_dim!r}; the array has {list(dims)}")
        places = array.shape[list(dims).index(token_dim)]
        if len(tokens) != places:
            raise InnerworksError(f"{len(tokens)} tokens for {places} places along {token_dim!r}")
        all_coords["token"] = (token_dim, text_array(tokens))
    try:
        return xarray.DataArray(array, dims=tuple(dims), coords=all_coords, attrs=dict(attrs or {}))
    except ValueError as problem:
        raise InnerworksError(f"the labels do not fit the values: {problem}") from problem


def joined(arrays: Sequence[xarray.DataArray], dim: str) -> xarray.DataArray:
    """Labelled arrays one behind the other along a dimension, or side by side along a new one."""
    import xarray

    found: xarray.DataArray = xarray.concat(list(arrays), dim, coords="different", compat="equals")
    return found


@dataclass(frozen=True)
class Extreme:
    """One value that stands out, with the labels of where it is."""

    value: float
    labels: dict[str, Any]

    def __str__(self) -> str:
        return ", ".join(f"{dim} {_label(label)}" for dim, label in self.labels.items())


def _label(label: Any) -> str:
    return repr(label) if isinstance(label, str) else str(label)


def extremes(array: Any, count: int) -> list[Extreme]:
    """The `count` values of largest magnitude in a labelled array, largest first; NaN left out."""
    values = np.asarray(array.values)
    magnitudes = np.abs(values).astype(float).ravel()
    take = min(count, magnitudes.size)
    if take == 0:
        return []
    top = np.argpartition(-magnitudes, take - 1)[:take]
    top = top[np.lexsort((top, -magnitudes[top]))]
    return [
        Extreme(values.ravel()[flat].item(), _labels_at(array, np.unravel_index(flat, values.shape)))
        for flat in top
        if magnitudes[flat] >= 0
    ]


def _labels_at(array: Any, place: Sequence[Any]) -> dict[str, Any]:
    labels: dict[str, Any] = {}
    for dim, index in zip(array.dims, place, strict=True):
        label = array.coords[dim].values[index] if dim in array.coords else index
        labels[str(dim)] = label.item() if isinstance(label, np.generic) else label
        for name, coord in array.coords.items():
            if name != dim and coord.dims == (dim,):
                described = coord.values[index]
                labels[str(name)] = described.item() if isinstance(described, np.generic) else described
    return labels
