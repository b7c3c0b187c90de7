"""What a lens shows, as arrays by place and position; and from which layer on it says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from innerworks.decode.vocabulary.lenses.places import STREAM
from innerworks.results import labelled
from innerworks.results.arrays import text_array

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.decode.vocabulary.lenses.reading import Place
    from innerworks.model.model import Model

__all__ = ["lens_arrays", "as_texts"]


def lens_arrays(
    model: Model, places: Sequence[Place], found: Mapping[str, Tensor], columns: Sequence[int] | None, *, listed: int
) -> dict[str, Any]:
    """Statistics [row, place, column, …] as labelled arrays; one named position has no dimension of its own."""
    single = columns is not None and len(columns) == 1
    dims = ["example", "place", *([] if single else ["position" if columns is None else "chosen"])]
    coords: dict[str, Any] = {"place": text_array([str(one.site) for one in places])}
    if columns is not None and not single:
        coords["chosen"] = list(columns)
    layers = {"layer": ("place", np.array([one.layer for one in places]))}
    data = {}
    for name, values in found.items():
        if name in ("top_token", "top_prob") and listed == 0:
            continue
        shown = values[:, :, 0] if single else values
        array: Any = as_texts(model, shown) if name == "top_token" else shown.double()
        data[name] = labelled(array, [*dims, "top"][: array.ndim], coords=coords, beside=layers)
    return data | _decisions(places, found["rank"][:, :, 0] if single else found["rank"], dims)


def as_texts(model: Model, ids: Tensor) -> Any:
    """Token ids as texts, in an array of the same shape."""
    known, where = torch.unique(ids, return_inverse=True)
    if model.tokenizer is None:
        texts = [f"<{one}>" for one in known.tolist()]
    else:
        texts = [model.tokenizer.decode([one]) for one in known.tolist()]
    return text_array(texts)[where.cpu().numpy()]


def _decisions(places: Sequence[Place], rank: Tensor, dims: Sequence[str]) -> dict[str, Any]:
    """The layer at which rank 0 is first reached, and from which on it is kept, over places of the stream."""
    stream = [number for number, one in enumerate(places) if one.site.name in STREAM]
    if len(stream) < 2 or len(stream) != len(places):
        return {}
    order = sorted(stream, key=lambda number: places[number].depth)
    wins = (rank[:, order] == 0).numpy()
    layers = np.array([places[number].depth[0] for number in order], dtype=float)
    kept = np.flip(np.logical_and.accumulate(np.flip(wins, 1), 1), 1)
    shape = [dims[0], *dims[2:]]
    return {
        name: labelled(np.where(held.any(1), layers[held.argmax(1)], np.nan), shape)
        for name, held in (("first", wins), ("decided", kept))
    }
