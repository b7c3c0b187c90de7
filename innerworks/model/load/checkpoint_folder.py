"""Whether a folder holds a model that can be opened, told before anything is opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from innerworks.errors import LoadError
from innerworks.model.load.safetensors_file import file_damage

__all__ = ["check_folder", "read_json"]

_ONE_FILE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PICKLES = ("pytorch_model*.bin", "pytorch_model*.bin.index.json", "*.pt", "*.pth", "*.ckpt")


def check_folder(folder: Path) -> None:
    """Raise LoadError unless `folder` has a readable config.json and whole safetensors weights."""
    if not (folder / "config.json").is_file():
        raise LoadError(_no_config(folder))
    read_json(folder / "config.json")
    if (folder / _ONE_FILE).is_file():
        _check_weights(folder / _ONE_FILE)
    elif (folder / _INDEX).is_file():
        _check_shards(folder)
    else:
        raise LoadError(_no_weights(folder))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, or a LoadError that says where it stops being one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LoadError(f"{path} is not readable JSON ({error}). Download or copy it again.") from error
    if not isinstance(content, dict):
        raise LoadError(f"{path} holds a JSON {type(content).__name__} instead of an object.")
    return content


def _check_weights(path: Path) -> None:
    damage = file_damage(path)
    if damage is not None:
        raise LoadError(f"The weights file {path} is damaged: {damage}. Download or copy it again.")


def _check_shards(folder: Path) -> None:
    weight_map = read_json(folder / _INDEX).get("weight_map")
    if not isinstance(weight_map, dict):
        raise LoadError(f"{folder / _INDEX} has no 'weight_map'. Download or copy it again.")
    shards = sorted({str(name) for name in weight_map.values()})
    missing = [name for name in shards if not (folder / name).is_file()]
    if missing:
        raise LoadError(
            f"{folder} lacks {len(missing)} of the {len(shards)} weight files that its index lists: "
            f"{', '.join(missing)}. The download did not finish; fetch them."
        )
    for name in shards:
        _check_weights(folder / name)


def _no_config(folder: Path) -> str:
    inside = sorted(path.name for path in folder.iterdir())
    below = sorted(path.parent.name for path in folder.glob("*/config.json"))
    ggufs = [name for name in inside if name.endswith(".gguf")]
    if below:
        advice = f"A folder inside it has one: pass {folder / below[-1]}."
    elif ggufs:
        advice = f"It holds a GGUF file: pass {folder / ggufs[0]}."
    elif "adapter_config.json" in inside:
        advice = "It holds an adapter: load it on its base model with peft, merge it, and pass the model itself."
    else:
        advice = f"It holds {', '.join(inside[:8]) or 'nothing'}. Pass the folder that `save_pretrained` wrote."
    return f"{folder} is not a model folder: it has no config.json. {advice}"


def _no_weights(folder: Path) -> str:
    pickles = sorted({path.name for pattern in _PICKLES for path in folder.glob(pattern)})
    if pickles:
        return (
            f"{folder} has its weights as pickles only ({', '.join(pickles)}). Opening a pickle runs "
            "whatever code is in it, so innerworks never does. If you trust the file, convert it once: "
            "`AutoModelForCausalLM.from_pretrained(folder).save_pretrained(new_folder)` in "
            "transformers writes safetensors; then load new_folder."
        )
    return f"{folder} has a config.json but no weights: neither {_ONE_FILE} nor {_INDEX}. Download them too."
