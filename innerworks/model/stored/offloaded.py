"""Parameters that accelerate keeps in memory or on disk, and puts on the module only while its forward runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["device_of", "kept", "reloaded_left_behind", "without_values"]


def kept(module: Any, name: str) -> Tensor | None:
    """A parameter with its values, on the device the module computes on; None where the module has no such one.

    Of a model that is on the meta device itself, the shapes alone.
    """
    parameter: Tensor | None = getattr(module, name, None)
    if parameter is None or not parameter.is_meta:
        return None if parameter is None else parameter.detach()
    for hook in _offloading(module):
        if name in hook.weights_map:
            found: Tensor = hook.weights_map[name]
            return found.detach().to(device_of(module))
    return parameter.detach()


def device_of(module: Any) -> Any:
    """Where a module's inputs go: where its weight is, or is put for the length of its forward."""
    import torch

    for hook in _hooks(module):
        if getattr(hook, "execution_device", None) is not None:
            return torch.device(hook.execution_device)
    return module.weight.device


def without_values(module: Any, name: str = "weight") -> bool:
    """Whether a parameter is on the meta device, and nothing will put it elsewhere."""
    return bool(getattr(module, name).is_meta) and not any(name in hook.weights_map for hook in _offloading(module))


@contextmanager
def reloaded_left_behind(model: Any) -> Iterator[None]:
    """Send weights back that stopping early, or an exception, left on modules whose forward it cut short."""
    try:
        yield
    finally:
        if hasattr(model, "_hf_hook"):
            for module in model.modules():
                for hook in _offloading(module):
                    if any(not parameter.is_meta for parameter in module.parameters(recurse=hook.place_submodules)):
                        hook.post_forward(module, None)


def _hooks(module: Any) -> Iterator[Any]:
    """accelerate's hooks on one module, those of a sequence one by one."""
    hook = getattr(module, "_hf_hook", None)
    if hook is not None:
        yield from getattr(hook, "hooks", (hook,))


def _offloading(module: Any) -> Iterator[Any]:
    for hook in _hooks(module):
        if getattr(hook, "offload", False) is True and hook.weights_map is not None:
            yield hook
