"""From a GGUF file to a folder that transformers opens in a second: dequantised once, kept as safetensors.

Nothing is rounded on the way: the weights of the folder are bit for bit those that transformers gets from
the file.
"""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerworks.errors import LoadError
from innerworks.model.load.gguf_file import GgufHead, read_head

if TYPE_CHECKING:
    import torch

__all__ = ["DIGITS_FIRST", "RECIPE", "convert"]

# Part of every converted folder's name: raised when the conversion changes, so that old folders are not
# reused.
RECIPE = 1

# A GGUF names how text is cut before merging; transformers knows some of the names and cuts the rest as
# GPT-2 does. For these names that is wrong: llama.cpp splits off each digit first, as they were trained,
# and "a  5" differs.
DIGITS_FIRST = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"})


def convert(gguf: Path, folder: Path, dtype: torch.dtype) -> None:
    """Write the model and the tokenizer of `gguf` into the existing, empty `folder`."""
    import transformers
    from safetensors import SafetensorError

    head = read_head(gguf)
    _check_room(head, folder, dtype)
    place = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    # A transformers that has this class may keep the weights packed unless told otherwise.
    dense = {"quantization_config": transformers.GgufConfig(dequantize=True)} if _may_pack() else {}
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(**place, dtype=dtype, **dense)
        tokenizer = transformers.AutoTokenizer.from_pretrained(**place)
    except (ValueError, OSError, KeyError, NotImplementedError, ImportError) as error:
        raise LoadError(
            f"transformers cannot read the GGUF file {gguf} (architecture {head.architecture!r}): {error}"
        ) from error
    _split_digits(tokenizer, head)
    tokenizer.save_pretrained(folder)
    try:
        _write_model(model, folder)
    except SafetensorError as error:
        raise LoadError(f"The converted weights of {gguf} could not be written to {folder}: {error}") from error


def _may_pack() -> bool:
    import transformers

    return hasattr(transformers, "GgufConfig")


def _check_room(head: GgufHead, folder: Path, dtype: torch.dtype) -> None:
    needed = head.parameter_count * dtype.itemsize
    free = shutil.disk_usage(folder).free
    if free < needed * 1.05:
        raise LoadError(
            f"Converting this GGUF needs {needed / 2**30:.1f} GiB in {folder.parent}, where "
            f"{free / 2**30:.1f} GiB are free. Free some space, set INNERWORKS_CACHE to another disk, "
            "or pass dtype='bfloat16' to halve it."
        )


def _split_digits(tokenizer: Any, head: GgufHead) -> None:
    from tokenizers import pre_tokenizers

    if head.pre_tokenizer in DIGITS_FIRST:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )


def _write_model(model: Any, folder: Path) -> None:
    # transformers refuses to save what came from a GGUF, because it may hold packed blocks; ours are dense
    # by now.
    model.hf_quantizer = None
    model.config = copy.deepcopy(model.config)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder, max_shard_size="10000GB")
    # What is left of the place that held the GGUF is of this machine and moment, and says nothing about the
    # model.
    config_file = folder / "config.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    kept = {key: value for key, value in config.items() if key not in ("_name_or_path", "_model_name_or_path")}
    config_file.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
