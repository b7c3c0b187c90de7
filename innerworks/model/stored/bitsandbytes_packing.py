"""bitsandbytes packs four-bit weights anew in their first forward on some CPUs; here they are taken apart again."""

from __future__ import annotations

import copy
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["plainly_packed"]


def plainly_packed(weight: Any) -> tuple[Tensor, Any]:
    """The codes in their usual order, and the state that tells how to read them; the weight itself stays as it is."""
    codes, state = weight.data, weight.quant_state
    if not getattr(state, "packing_format_for_cpu", False):
        return codes, state
    state = copy.copy(state)
    scales = state.absmax.T.reshape(-1).float()
    state.original_nested = False  # the scales of the scales are gone: what is left are the scales in use
    codes, state = sys.modules["bitsandbytes.functional"]._convert_weight_packed_for_cpu_inverse(codes, state)
    state.absmax = scales
    return codes, state
