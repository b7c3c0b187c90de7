"""A short hash that tells two models apart without reading all of their weights."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from innerworks.model.stored import kept, plain_parts, without_values

if TYPE_CHECKING:
    import torch

__all__ = ["fingerprint"]

# What a config remembers about how and where it was loaded, which does not change what the model computes.
_CIRCUMSTANCES = frozenset({"transformers_version", "dtype", "torch_dtype", "architectures"})
_VALUES_PER_SPOT = 16


def fingerprint(module: torch.nn.Module) -> str:
    """16 hex digits over the config, every parameter's name, shape and dtype, and a sample of its values.

    The sample is 48 values of each parameter, at its start, middle and end: training or noise changes it,
    an edit of a few weights elsewhere may not. Parameters that are offloaded count as if they were not; those of
    a model on the meta device, by shape alone.
    """
    config = getattr(module, "config", None)
    digest = hashlib.sha256()
    if config is not None:
        described = json.dumps(_lasting(config.to_dict()), sort_keys=True, default=str)
        digest.update(described.encode())
    for name, parameter in sorted(module.named_parameters(remove_duplicate=False)):
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        for part in plain_parts(parameter if not parameter.is_meta else _offloaded(module, name)):
            digest.update(_sample(part))
    return digest.hexdigest()[:16]


def _lasting(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        str(key): entry if key == "quantization_config" else _lasting(entry)
        for key, entry in value.items()
        if not str(key).startswith("_") and key not in _CIRCUMSTANCES
    }


def _offloaded(module: Any, name: str) -> torch.Tensor | None:
    owner, _, own = name.rpartition(".")
    part = module.get_submodule(owner)
    return None if without_values(part, own) else kept(part, own)


def _sample(parameter: torch.Tensor) -> bytes:
    import torch

    if parameter.numel() == 0:
        return b""
    flat = parameter.detach().reshape(-1)
    middle = max(0, flat.numel() // 2 - _VALUES_PER_SPOT // 2)
    spots = (flat[:_VALUES_PER_SPOT], flat[middle : middle + _VALUES_PER_SPOT], flat[-_VALUES_PER_SPOT:])
    # Bytes rather than numbers: every dtype has them, quantised ones too.
    return b"".join(bytes(spot.contiguous().cpu().view(torch.uint8).tolist()) for spot in spots)
