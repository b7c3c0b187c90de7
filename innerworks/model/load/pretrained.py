"""Opening a folder or a hub id through transformers, and refusing what it would open only in appearance."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerworks.errors import LoadError, OutOfMemoryError
from innerworks.model.load.checkpoint_folder import check_folder
from innerworks.model.load.converted import quiet_bars
from innerworks.model.load.decoder_only import (
    check_decoder_only,
    check_described,
    check_has_causal_form,
)
from innerworks.model.load.hub_failure import first_lines, hub_failure

if TYPE_CHECKING:
    import torch

__all__ = ["Request", "open_config", "open_pretrained"]

_OWN_OPTIONS = frozenset(
    {
        "attn_implementation",
        "config",
        "device_map",
        "dtype",
        "gguf_file",
        "ignore_mismatched_sizes",
        "output_loading_info",
        "quantization_config",
        "revision",
        "state_dict",
        "torch_dtype",
        "trust_remote_code",
        "use_safetensors",
    }
)

_WHERE = frozenset({"cache_dir", "force_download", "local_files_only", "token", "subfolder", "proxies"})


@dataclass(frozen=True)
class Request:
    """What the caller asked of `from_pretrained`, checked."""

    revision: str | None = None
    dtype: torch.dtype | None = None
    device: torch.device | None = None
    device_map: Any = None
    attn_implementation: str | None = None
    quantization_config: Any = None
    trust_remote_code: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.device is not None and self.device_map is not None:
            raise LoadError(f"Pass device={self.device} or device_map={self.device_map!r}, not both.")
        own = sorted(_OWN_OPTIONS & set(self.options))
        if own:
            raise LoadError(
                f"options= may not hold {', '.join(own)}: `load` sets these itself, most as arguments of their own."
            )

    def place(self) -> dict[str, Any]:
        """Where the files are and how to reach them: the part that config and tokenizer need too."""
        place = {key: value for key, value in self.options.items() if key in _WHERE}
        return place if self.revision is None else {**place, "revision": self.revision}

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments for `from_pretrained`, without the config."""
        place = self.device_map if self.device is None else {"": self.device}
        given = {
            "revision": self.revision,
            "device_map": place,
            "attn_implementation": self.attn_implementation,
            "quantization_config": self.quantization_config,
        }
        return {
            "dtype": "auto" if self.dtype is None else self.dtype,
            "trust_remote_code": self.trust_remote_code,
            **{key: value for key, value in given.items() if value is not None},
            **self.options,
        }


def open_pretrained(source: str, request: Request) -> Any:
    """The model of a folder or hub id, in evaluation mode, every weight from the checkpoint."""
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    local = Path(source).is_dir()
    if local and not {"variant", "subfolder"} & set(request.options):
        check_folder(Path(source))
    try:
        with quiet_bars() if local else nullcontext():
            return _from_pretrained(source, request)
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(
            f"{source} does not fit: {first_lines(error, 1)} Pass dtype='bfloat16', a "
            "quantization_config, or device_map='auto'."
        ) from error
    except SafetensorError as error:
        raise LoadError(f"A weights file of {source} is damaged ({error}). Delete it and download it again.") from error
    except (OSError, ValueError, TypeError, ImportError, RuntimeError, StrictDataclassError) as error:
        if local:
            raise LoadError(f"transformers could not open the folder {source}: {first_lines(error)}") from error
        raise hub_failure(error, source, request.revision) from error


def open_config(source: str, request: Request) -> Any:
    """The configuration alone of a folder or hub id, checked to be of a model that can be opened."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        return _config(source, request)
    except (OSError, ValueError, TypeError, ImportError, StrictDataclassError) as error:
        if Path(source).is_dir():
            raise LoadError(f"transformers could not read the config.json of {source}: {first_lines(error)}") from error
        raise hub_failure(error, source, request.revision) from error


def _config(source: str, request: Request) -> Any:
    import transformers

    place = request.place()
    described, _ = transformers.PretrainedConfig.get_config_dict(source, **place)
    check_described(described, source, request.trust_remote_code)
    config = transformers.AutoConfig.from_pretrained(source, trust_remote_code=request.trust_remote_code, **place)
    check_decoder_only(config, source)
    check_has_causal_form(config, source)
    return config


def _from_pretrained(source: str, request: Request) -> Any:
    import transformers

    config = _config(source, request)
    module, loaded = transformers.AutoModelForCausalLM.from_pretrained(
        source, config=config, use_safetensors=True, output_loading_info=True, **_strict(request)
    )
    _check_complete(source, loaded)
    return module


def _strict(request: Request) -> dict[str, Any]:
    # Mismatched shapes are reported through the loading info, with their names, instead of as a wall of text.
    return {**request.arguments(), "ignore_mismatched_sizes": True}


def _check_complete(source: str, loaded: Mapping[str, Any]) -> None:
    """Refuse a model in which transformers filled holes with random numbers."""
    advice = (
        "transformers would fill them with random numbers. Check that the checkpoint is complete and "
        "that config.json belongs to it; to study such a model all the same, open it with "
        "transformers and pass the module to `load`."
    )
    mismatched = sorted(loaded.get("mismatched_keys", ()), key=str)
    if mismatched:
        shapes = [f"{name} (file {tuple(held)}, model {tuple(wanted)})" for name, held, wanted in mismatched]
        raise LoadError(f"{_listed(shapes)} of {source} have another shape than config.json says; {advice}")
    missing = sorted(loaded.get("missing_keys", ()))
    if missing:
        raise LoadError(f"The checkpoint {source} lacks {len(missing)} weights: {_listed(missing)}; {advice}")


def _listed(names: list[str], limit: int = 6) -> str:
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
