"""Whether a model's parameters are numbers, and which is the first that holds others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from innerworks.model.stored.offloaded import kept
from innerworks.model.stored.quantised import plain_parts

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["no_numbers"]


def no_numbers(module: Any, among: Callable[[str], bool] = lambda name: True) -> str | None:
    """A sentence that names the first parameter with NaN or infinity, of those of these names; None where all is well.

    Of what is stored quantised, the parts that are plain numbers are looked at: scales, and not codes.
    """
    for name in (name for name, _ in module.named_parameters() if among(name)):
        owner, _, own = name.rpartition(".")
        bad = sum(map(_count, plain_parts(kept(module.get_submodule(owner), own))))
        if bad:
            return f"the weight {name} holds {bad} NaN or infinite values: the checkpoint is damaged, load it again."
    return None


def _count(values: Tensor) -> int:
    """How many are NaN or infinite; the two ends tell whether any is, without a copy."""
    if values.is_meta or not values.is_floating_point() or values.dtype.itemsize < 2 or not values.numel():
        return 0
    ends = values.aminmax()
    if bool(ends.min.isfinite()) and bool(ends.max.isfinite()):
        return 0
    return int((~values.isfinite()).sum())
