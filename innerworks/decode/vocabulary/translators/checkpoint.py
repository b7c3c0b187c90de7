"""Lenses of the package tuned-lens, read and written: a folder of `config.json` and `params.pt`.

`params.pt` is a torch pickle of tensors alone: it is opened with torch's weights-only reader, which runs no code.
"""

from __future__ import annotations

import json
import os
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.decode.vocabulary.translators.affine import Translators, canonical
from innerworks.decode.vocabulary.translators.text_states import stream_sites
from innerworks.errors import FileError
from innerworks.results import Artifact
from innerworks.results.folders import write_folder

if TYPE_CHECKING:
    from innerworks.model.model import Model

__all__ = ["read_tuned_lens", "write_tuned_lens"]

_CONFIG, _PARAMS = "config.json", "params.pt"


def read_tuned_lens(path: str | os.PathLike[str], model: Model) -> Artifact:
    """The lens that tuned-lens saved in a folder, for this model.

    Its translator i reads what enters block i, h + W h + b, and the last state is read as it is.
    """
    folder = Path(path).expanduser()
    config = _config(folder / _CONFIG)
    whose = f"it is a lens for {config.get('base_model_name_or_path', 'another model')}"
    for name, here in (("num_hidden_layers", model.n_layers), ("d_model", model.d_model)):
        if config.get(name, here) != here:
            raise FileError(f"{folder / _CONFIG}: {name} is {config[name]!r}, and the model's {here}: {whose}.")
    tensors = _params(folder / _PARAMS)
    count = _depths(tensors, folder / _PARAMS)
    if count != model.n_layers:
        raise FileError(f"{folder}: {count} translators, and the model has {model.n_layers} layers: {whose}.")
    shapes = {"weight": (model.d_model, model.d_model), "bias": (model.d_model,)}
    for name, tensor in tensors.items():
        expected = shapes[name.partition(".")[2]]
        if tuple(tensor.shape) != expected:
            raise FileError(
                f"{folder / _PARAMS}: {name} has the shape {list(tensor.shape)}, and in a stream of {model.d_model} "
                f"numbers it has {list(expected)}: {whose}, or damaged."
            )
        if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
            raise FileError(f"{folder / _PARAMS}: {name} holds NaN, infinity or no floats: the file is damaged.")
    none = torch.zeros(model.d_model)
    weight = torch.stack([tensors[f"{depth}.weight"].float() for depth in range(count)])
    bias = torch.stack([tensors.get(f"{depth}.bias", none).float() for depth in range(count)])
    about = {"end": model.n_layers, "read from": str(config.get("base_model_name_or_path", ""))}
    return Artifact("tuned-lens", {"weight": weight, "bias": bias}, about, model.fingerprint)


def write_tuned_lens(lens: Artifact, path: str | os.PathLike[str], model: Model, *, overwrite: bool = False) -> Path:
    """Save a lens so that tuned-lens can open it: `TunedLens.from_unembed_and_pretrained(unembed, folder)`."""
    if lens.kind != "tuned-lens":
        raise FileError(
            f"this is of the kind {lens.kind!r}: only what iw.fit_tuned_lens gives can be written for tuned-lens."
        )
    fitted = Translators.of(lens, model)
    if fitted.ahead or fitted.end != model.n_layers or not fitted.adds:
        raise FileError(
            f"this lens leads to the stream behind block {fitted.end - 1} (the model's last is {model.n_layers - 1}), "
            f"{fitted.ahead} tokens further on: tuned-lens has only those that lead to the last, of the same token."
        )
    places = list(map(canonical, stream_sites(range(model.n_layers))))
    if list(fitted.places) != places:
        raise FileError(
            f"this lens has translators for {', '.join(map(str, fitted.places))}, and tuned-lens wants one for what "
            f"enters each of the {model.n_layers} layers."
        )
    weight, bias = fitted.weight.float().cpu(), fitted.bias.float().cpu()
    params: dict[str, Tensor] = {}
    for depth in range(len(weight)):
        params |= {f"{depth}.weight": weight[depth].contiguous(), f"{depth}.bias": bias[depth].contiguous()}
    config = {
        "base_model_name_or_path": model.name,
        "d_model": model.d_model,
        "num_hidden_layers": model.n_layers,
        "bias": True,
        "base_model_revision": model.revision,
        "unembed_hash": None,
        "lens_type": "linear_tuned_lens",
    }

    def write(folder: Path) -> None:
        (folder / _CONFIG).write_text(json.dumps(config, indent=1) + "\n")
        torch.save(params, folder / _PARAMS)

    return write_folder(path, write, ours=frozenset((_CONFIG, _PARAMS)), marker=_CONFIG, overwrite=overwrite)


def _depths(tensors: dict[str, Tensor], path: Path) -> int:
    """How many translators there are, each with a weight, and nothing else."""
    weights = [name for name in tensors if re.fullmatch(r"(0|[1-9][0-9]*)\.weight", name)]
    known = {f"{depth}.{name}" for depth in range(len(weights)) for name in ("weight", "bias")}
    strangers = sorted(set(tensors) - known)
    if strangers or not weights:
        what = f"holds {', '.join(strangers[:4])}" if strangers else "holds nothing"
        raise FileError(
            f"{path} {what}: a lens has 0.weight, 1.weight, … and 0.bias, 1.bias, …, with no gap and nothing else."
        )
    return len(weights)


def _config(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except OSError as problem:
        raise FileError(
            f"{path} cannot be read: {problem.strerror}. A lens is a folder of {_CONFIG} and {_PARAMS}."
        ) from None
    except ValueError as problem:
        raise FileError(f"{path} is not valid JSON: {problem}.") from None
    kind = found.get("lens_type", "linear_tuned_lens") if isinstance(found, dict) else None
    if kind != "linear_tuned_lens":
        raise FileError(f"{path}: lens_type is {kind!r}, and only linear_tuned_lens is known.")
    return dict(found)


def _params(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileError(f"{path} is not there. A lens is a folder of {_CONFIG} and {_PARAMS}.")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as problem:
        why = (str(problem).splitlines() or [type(problem).__name__])[0][:100]
        raise FileError(
            f"{path} is cut off, or is no file of tensors alone ({why}). What holds code is never opened."
        ) from None
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(one, torch.Tensor) for name, one in found.items()
    ):
        raise FileError(f"{path} holds no tensors by name.")
    return found
