"""`open_model`: from whatever names a model to the model itself."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerworks.errors import LoadError
from innerworks.model.load.bundled_models import AVAILABLE
from innerworks.model.load.converted import bundled_folder, gguf_folder
from innerworks.model.load.decoder_only import check_decoder_only, check_has_causal_form, check_has_head
from innerworks.model.load.fingerprint import fingerprint
from innerworks.model.load.hub_failure import check_hub_name
from innerworks.model.load.hub_files import commit_of
from innerworks.model.load.placement import checked_device, named_dtype
from innerworks.model.load.pretrained import Request, open_config, open_pretrained
from innerworks.model.load.tokenizer_files import has_tokenizer, open_tokenizer

if TYPE_CHECKING:
    import torch

__all__ = ["Opened", "open_model"]


@dataclass(frozen=True)
class Opened:
    """A model as it was opened, and what it was opened from."""

    module: Any
    """The transformers `PreTrainedModel`."""
    tokenizer: Any | None
    """None where the source has none: such a model takes ids only."""
    name: str
    """The source as the caller named it; for a live model the name its config carries, else its class."""
    revision: str | None
    """The commit of a hub model; None for everything else."""
    fingerprint: str
    """Tells models apart; see `innerworks.model.load.fingerprint`."""


def open_model(
    source: Any,
    *,
    revision: str | None = None,
    tokenizer: Any = None,
    dtype: torch.dtype | str | None = None,
    device: torch.device | str | int | None = None,
    device_map: Any = None,
    attn_implementation: str | None = None,
    quantization_config: Any = None,
    trust_remote_code: bool = False,
    weights: bool = True,
    options: Mapping[str, Any] | None = None,
) -> Opened:
    """Open a decoder-only language model.

    `source` is a hub id, a folder, a .gguf file, a bundled name (see `bundled`), a live `PreTrainedModel`, of
    which nothing is changed, its training mode included, or a configuration, which gives a model on the meta
    device: sizes, sites and estimates, no weights. Weights come from safetensors only; pickles are never opened.

    `dtype` is a torch dtype or its name; by default ("auto") the one of the checkpoint, as in transformers.
    A .gguf file is dequantised once and kept in the cache, in float32 or the `dtype` asked for.
    With `weights=False` only the configuration of a folder or hub id is read, for a model on the meta device.
    `tokenizer` is an object, a folder or hub id to open one from, or False for none; by default it is the
    source's own. `options` is passed on to `from_pretrained` as it is. transformers maps the weights of a
    folder into memory, so the folder must not be written to while the model is in use.
    """
    request = Request(
        revision=revision,
        dtype=named_dtype(dtype),
        device=checked_device(device),
        device_map=device_map,
        attn_implementation=attn_implementation,
        quantization_config=quantization_config,
        trust_remote_code=trust_remote_code,
        options=dict(options or {}),
    )
    if not isinstance(source, (str, os.PathLike)):
        if not weights:
            raise LoadError("weights=False is for a folder or a hub id; a configuration has none to begin with.")
        return _open_live(_built(source, request), request if _is_module(source) else Request(), tokenizer)
    name = os.fspath(source)
    place, is_local = _place(name, request)
    if revision is not None and is_local:
        raise LoadError(f"revision={revision!r} means nothing for {name!r}: only hub ids have revisions.")
    if not is_local:
        check_hub_name(name)
        request = replace(request, revision=commit_of(name, request.place()) or revision)
    module = open_pretrained(place, request) if weights else _without_weights(place, request)
    return Opened(module, _tokenizer(tokenizer, place, request), name, request.revision, fingerprint(module))


def _place(name: str, request: Request) -> tuple[str, bool]:
    """The folder to open, or the hub id, and whether it is on this machine."""
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf":
        return str(gguf_folder(path, request.dtype)), True
    if path.is_dir():
        return str(path), True
    if path.is_file():
        raise LoadError(f"{path} is a file, but no .gguf. Pass the folder that holds the model.")
    if name in AVAILABLE:
        return str(bundled_folder(AVAILABLE[name])), True
    near = get_close_matches(name.lower(), AVAILABLE, n=1)
    if near and "/" not in name:
        raise LoadError(f"There is no model called {name!r}. Did you mean the bundled {near[0]!r}?")
    if path.is_absolute() or name.startswith((".", "~")):
        raise LoadError(f"There is no folder {path}.")
    return name, False


def _is_module(source: Any) -> bool:
    from transformers import PretrainedConfig

    return not isinstance(source, PretrainedConfig)


def _built(source: Any, request: Request) -> Any:
    """A live model as it is; of a configuration alone, the model on the meta device: shapes without weights."""
    if _is_module(source):
        return source
    import torch
    import transformers

    if replace(request, dtype=None, attn_implementation=None) != Request():
        raise LoadError(
            "A configuration has no weights to place: of the arguments of `load`, only dtype and attn_implementation "
            "go with it."
        )
    name = type(source).__name__
    check_decoder_only(source, name)
    check_has_causal_form(source, name)
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(
            copy.deepcopy(source), dtype=request.dtype, attn_implementation=request.attn_implementation
        ).eval()


def _without_weights(place: str, request: Request) -> Any:
    """The model of a folder or hub id on the meta device, in the dtype of its checkpoint."""
    config = open_config(place, request)
    alone = Request(
        dtype=request.dtype or getattr(config, "dtype", None), attn_implementation=request.attn_implementation
    )
    return _built(config, alone)


def _open_live(module: Any, request: Request, tokenizer: Any) -> Opened:
    from transformers import PreTrainedModel

    if not isinstance(module, PreTrainedModel):
        raise LoadError(
            f"A model is a hub id, a folder, a .gguf file, a bundled name ({', '.join(AVAILABLE)}) or "
            f"a transformers PreTrainedModel, not a {type(module).__module__}.{type(module).__qualname__}."
        )
    if request != Request():
        raise LoadError(
            "A live model is taken as it is: of the arguments of `load`, only tokenizer= goes with it. "
            "Set dtype, device and the rest on the model before."
        )
    name = str(getattr(module.config, "_name_or_path", "") or type(module).__name__)
    check_decoder_only(module.config, name)
    check_has_head(module)
    tokenizer = None if tokenizer is False else tokenizer
    if isinstance(tokenizer, (str, os.PathLike)):
        tokenizer = open_tokenizer(os.fspath(tokenizer), {}, trust_remote_code=False)
    return Opened(module, tokenizer, name, None, fingerprint(module))


def _tokenizer(given: Any, place: str, request: Request) -> Any | None:
    trust = request.trust_remote_code
    reach = {key: value for key, value in request.place().items() if key != "subfolder"}
    if isinstance(given, (str, os.PathLike)):
        elsewhere = {key: value for key, value in reach.items() if key != "revision"}
        return open_tokenizer(os.fspath(given), elsewhere, trust_remote_code=trust)
    if given is False:
        return None
    if given is not None:
        return given
    return open_tokenizer(place, reach, trust_remote_code=trust) if has_tokenizer(place, reach) else None
