"""Lenses of the package tuned-lens, read and written: a folder of `config.json` and `params.pt`.

`params.pt` is a torch pickle of tensors alone: it is opened with torch's weights-only reader, which runs no code.
"""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

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
    tensors = _params(folder / _PARAMS)
    depths = sorted({int(name.partition(".")[0]) for name in tensors if name.partition(".")[0].isdigit()})
    strangers = [name for name in tensors if name.split(".")[-1] not in ("weight", "bias") or not name[0].isdigit()]
    if strangers or not depths or depths != list(range(len(depths))):
        raise FileError(
            f"{folder / _PARAMS} holds {', '.join(sorted(tensors)[:4])} …: no translators 0, 1, … of a lens."
        )
    weight = torch.stack([tensors[f"{depth}.weight"].float() for depth in depths])
    none = torch.zeros(weight.shape[1])
    bias = torch.stack([tensors.get(f"{depth}.bias", none).float() for depth in depths])
    if weight.shape != (model.n_layers, model.d_model, model.d_model):
        raise FileError(
            f"{folder}: {weight.shape[0]} translators of {weight.shape[1]} numbers, and the model has {model.n_layers} "
            f"layers of {model.d_model}: it is a lens for {config.get('base_model_name_or_path', 'another model')}."
        )
    about = {"end": model.n_layers, "read from": str(config.get("base_model_name_or_path", ""))}
    return Artifact("tuned-lens", {"weight": weight, "bias": bias}, about, model.fingerprint)


def write_tuned_lens(lens: Artifact, path: str | os.PathLike[str], model: Model, *, overwrite: bool = False) -> Path:
    """Save a lens so that tuned-lens can open it: `TunedLens.from_unembed_and_pretrained(unembed, folder)`."""
    weight, bias = (torch.as_tensor(lens[name]).float() for name in ("weight", "bias"))
    if lens.kind != "tuned-lens" or weight.shape != (model.n_layers, model.d_model, model.d_model):
        raise FileError(
            f"tuned-lens has a translator for each of the {model.n_layers} layers of {model.d_model} numbers, and this "
            f"{lens.kind} has {tuple(weight.shape)}: only a lens that leads to the last layer can be written."
        )
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
        why = str(problem).splitlines()[0][:100]
        raise FileError(
            f"{path} is cut off, or is no file of tensors alone ({why}). What holds code is never opened."
        ) from None
    if not isinstance(found, dict) or not all(isinstance(one, torch.Tensor) for one in found.values()):
        raise FileError(f"{path} holds no tensors by name.")
    return found
