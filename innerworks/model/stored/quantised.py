"""Weights stored in eight or four bits, as the matrices that their modules multiply by."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from innerworks.errors import AnatomyError
from innerworks.model.stored.bitsandbytes_packing import plainly_packed
from innerworks.model.stored.offloaded import kept

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["features", "plain_parts", "rows_share_rounding", "stored", "stored_bytes"]


def stored(module: Any, name: str = "weight") -> Tensor | None:
    """A parameter's values as the module computes with them, dequantised where need be; None where it has none.

    Full-precision parameters come as they are, without a copy unless they are offloaded.
    """
    import torch

    if name != "weight" and getattr(module, name, None) is None:
        return None
    if not isinstance(getattr(module, name, None), torch.Tensor):
        raise AnatomyError(_refusal(module, "its weight has another name"))
    found = _unpacked(module, name)
    if found is not None:
        return found.detach()
    value = kept(module, name)
    assert value is not None
    if not value.is_floating_point() or value.dtype.itemsize < 2:
        raise AnatomyError(_refusal(module, f"its weight is {value.dtype}"))
    return value


def features(projection: Any) -> tuple[int, int]:
    """How many features a linear module reads and gives, whichever way its weight lies or is packed."""
    said = [getattr(projection, name, None) for name in ("in_features", "out_features")]
    if all(isinstance(number, int) for number in said):
        return int(said[0]), int(said[1])  # type: ignore[arg-type]
    *_, rows, columns = projection.weight.shape  # some keep one matrix for each expert
    return (int(rows), int(columns)) if type(projection).__name__ == "Conv1D" else (int(columns), int(rows))


def plain_parts(parameter: Tensor | None) -> Iterator[Tensor]:
    """A parameter as plain tensors: those that a quantised one is made of, in their order; none where it has none."""
    if parameter is None:
        return
    if not hasattr(parameter, "__tensor_flatten__"):
        yield parameter
        return
    for name in parameter.__tensor_flatten__()[0]:
        yield from plain_parts(getattr(parameter, name))


def stored_bytes(model: Any) -> int:
    """How many bytes a model's parameters take, as they are stored (the scales of 4-bit blocks left out)."""
    own = {id(parameter): parameter for parameter in model.parameters()}
    tied = model.get_output_embeddings().weight
    if tied.is_meta and model.config.get_text_config(decoder=True).tie_word_embeddings:
        del own[id(tied)]  # offloading leaves two parameters where there was one
        own[id(model.get_input_embeddings().weight)] = model.get_input_embeddings().weight
    parts = (part for parameter in own.values() for part in plain_parts(parameter))
    return sum(part.numel() * part.element_size() for part in parts)


def rows_share_rounding(model: Any) -> bool:
    """Whether what one row of a batch gives depends on the others: bitsandbytes' eight bits leave out columns in which
    any row is large."""
    return any(type(part).__name__ == "Linear8bitLt" and part.state.threshold > 0 for part in model.modules())


def _unpacked(module: Any, name: str) -> Tensor | None:
    """The dequantised parameter, for the ways of storing it that are known; None for others, and for plain tensors."""
    import torch

    weight = getattr(module, name)
    if type(weight).dequantize is not torch.Tensor.dequantize:  # torchao, quanto
        found: Tensor = weight.dequantize()
        return found
    if getattr(weight, "quant_state", None) is not None:
        return _bitsandbytes_4bit(weight)
    if type(module).__name__ == "Linear8bitLt" and name == "weight" and weight.dtype == torch.int8:
        return _bitsandbytes_8bit(module)
    return None


def _bitsandbytes_4bit(weight: Any) -> Tensor:
    """Four-bit codes times the scale of their block."""
    found: Tensor = sys.modules["bitsandbytes.functional"].dequantize_4bit(*plainly_packed(weight))
    return found


def _bitsandbytes_8bit(module: Any) -> Tensor:
    """int8 rows times their largest entry over 127. The module also rounds what it is given to eight bits."""
    scale = module.state.SCB if module.state.SCB is not None else module.weight.SCB
    rows = module.state.CB if module.state.CB is not None else module.weight.data
    found: Tensor = rows.float() * (scale.float()[:, None] / 127)
    return found


def _refusal(module: Any, why: str) -> str:
    return (
        f"{type(module).__name__} stores quantised weights ({why}), and in which way is not known here, so there is no "
        "matrix to look at: load the model without quantisation, or dequantise it first (model.dequantize())."
    )
