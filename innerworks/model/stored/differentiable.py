"""Gradients through quantised modules: let through where they can be, refused where they would silently be lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from innerworks.errors import BackendError
from innerworks.model.stored.bitsandbytes_packing import plainly_packed

__all__ = ["differentiable", "is_quantised"]


@contextmanager
def differentiable(model: Any) -> Iterator[None]:
    """The model while gradients go through it."""
    watched, switched = [], []
    try:
        for module in model.modules():
            if is_quantised(module):
                watched.append(module.register_forward_hook(_refuse_a_lost_gradient))
            if getattr(module, "support_avx512bf16_for_cpu", 0) and module.weight.device.type == "cpu":
                fast = module.support_avx512bf16_for_cpu
                switched.append((module, fast, module.weight.data, module.weight.quant_state))
                module.support_avx512bf16_for_cpu = False
                module.weight.data, module.weight.quant_state = plainly_packed(module.weight)
        yield
    finally:
        for hook in watched:
            hook.remove()
        for module, fast, codes, state in switched:
            module.support_avx512bf16_for_cpu = fast
            module.weight.data, module.weight.quant_state = codes, state


def is_quantised(module: Any) -> bool:
    """Whether a module's weight is stored in another way than as a plain tensor of real numbers."""
    import torch

    weight = module._parameters.get("weight")
    return weight is not None and (type(weight) is not torch.nn.Parameter or not weight.is_floating_point())


def _refuse_a_lost_gradient(module: Any, args: Any, output: Any) -> None:
    import torch

    came = torch.is_grad_enabled() and any(getattr(arg, "requires_grad", False) for arg in args)
    if came and not output.requires_grad:
        raise BackendError(
            f"{type(module).__name__} with weights of type {type(module.weight).__name__} lets no gradient through: it "
            "rounds what it is given. Take a quantisation of the weights alone, or none, to differentiate."
        )
