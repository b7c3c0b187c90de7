"""What the caller asks of precision and place, checked before anything large is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from innerworks.errors import LoadError

if TYPE_CHECKING:
    import torch

__all__ = ["available_devices", "checked_device", "named_dtype"]

_DTYPE_NAMES = {
    "float32": "float32",
    "fp32": "float32",
    "f32": "float32",
    "float": "float32",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
    "float16": "float16",
    "fp16": "float16",
    "f16": "float16",
    "half": "float16",
    "float64": "float64",
    "fp64": "float64",
    "f64": "float64",
    "double": "float64",
}


def named_dtype(dtype: torch.dtype | str | None) -> torch.dtype | None:
    """A floating torch dtype from itself or a name; None and "auto" give None: as the checkpoint has it."""
    import torch

    if dtype is None or dtype == "auto":
        return None
    if isinstance(dtype, str):
        known = _DTYPE_NAMES.get(dtype.lower().removeprefix("torch."))
        if known is None:
            raise LoadError(f"There is no dtype {dtype!r}. Use one of {', '.join(_DTYPE_NAMES)}, or 'auto'.")
        found = getattr(torch, known)
        assert isinstance(found, torch.dtype)
        return found
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise LoadError(f"dtype must be a floating torch dtype or its name, not {dtype!r}.")
    return dtype


def checked_device(device: torch.device | str | int | None) -> torch.device | None:
    """The device asked for, proven to exist here by placing a tensor on it."""
    import torch

    if device is None:
        return None
    try:
        asked = torch.device(device)
        torch.empty(1, device=asked)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise LoadError(
            f"The device {device!r} cannot be used here ({str(error).splitlines()[0]}). "
            f"Available: {', '.join(available_devices())}."
        ) from error
    return asked


def available_devices() -> tuple[str, ...]:
    """The devices of this machine, as `device=` takes them."""
    import torch

    names = ["cpu"]
    if torch.accelerator.is_available():
        accelerator = torch.accelerator.current_accelerator()
        kind = "cuda" if accelerator is None else accelerator.type
        names += [f"{kind}:{index}" for index in range(torch.accelerator.device_count())]
    return tuple(names)
