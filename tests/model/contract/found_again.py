"""What a module looks like from outside, so that a test can say nothing was left on it."""

from __future__ import annotations

from typing import Any

import torch

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
)


def appearance(module: torch.nn.Module) -> dict[str, Any]:
    """Weights, hooks, instance attributes, configs, modes and flags of a module and all its parts."""
    seen: dict[str, Any] = {}
    for name, part in module.named_modules():
        seen[f"{name}: attributes"] = {key: id(value) for key, value in vars(part).items() if key != "training"}
        seen[f"{name}: training"] = part.training
        seen[f"{name}: hooks"] = {kind: len(getattr(part, kind)) for kind in _HOOKS}
        config = getattr(part, "config", None)
        if config is not None:
            seen[f"{name}: config"] = {key: repr(value) for key, value in vars(config).items()}
    for name, parameter in module.named_parameters():
        seen[f"{name}: weight"] = (parameter.data_ptr(), parameter._version, parameter.requires_grad)
        seen[f"{name}: gradient"] = parameter.grad is None
    for name, buffer in module.named_buffers():
        seen[f"{name}: buffer"] = (buffer.data_ptr(), buffer._version)
    return seen


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What changed, in words."""
    out = []
    for key in before.keys() | after.keys():
        if before.get(key) != after.get(key):
            out.append(f"{key}: {before.get(key)} became {after.get(key)}")
    return sorted(out)
