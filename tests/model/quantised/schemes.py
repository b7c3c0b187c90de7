"""The ways of storing weights in eight or four bits that run on a CPU, and tiny models stored in them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pytest
import torch
from families import build

import innerworks as iw
from innerworks.model.model import Model
from innerworks.model.stored import stored

SIZES = {
    "llama": {"hidden_size": 64, "intermediate_size": 128},
    "gpt_neox": {"hidden_size": 64, "intermediate_size": 128},
    "olmo2": {"hidden_size": 64, "intermediate_size": 128},
    "gpt2": {"n_embd": 64},
    "mixtral": {"hidden_size": 64, "intermediate_size": 64},
}
"""Wide enough for the blocks that weights are quantised in."""


@dataclass(frozen=True)
class Scheme:
    """A quantisation: which package makes it, and how far its modules are from multiplying by a matrix."""

    package: str
    config: Any
    rounding: float
    """What a module's output is off by, of its largest entry: it rounds its matrix or its input further."""
    differentiable: bool = True


def _bitsandbytes(rounding: float, **options: Any) -> Scheme:
    return Scheme("bitsandbytes", lambda: _config("BitsAndBytesConfig", **options), rounding)


def _quanto(weights: str) -> Scheme:
    return Scheme("optimum.quanto", lambda: _config("QuantoConfig", weights=weights), 2e-6)


def _torchao(name: str, *, rounding: float = 2e-6, differentiable: bool = True, **options: Any) -> Scheme:
    def config() -> Any:
        import torchao.quantization
        from torchao.quantization.granularity import PerGroup

        given = {key: PerGroup(32) if value == "groups of 32" else value for key, value in options.items()}
        return _config("TorchAoConfig", getattr(torchao.quantization, name)(**given))

    return Scheme("torchao", config, rounding, differentiable)


def _config(name: str, *args: Any, **options: Any) -> Any:
    import transformers

    return getattr(transformers, name)(*args, **options)


BFLOAT16 = 2**-7
EIGHT_BITS = 2 / 127
SCHEMES = {
    "bitsandbytes 4-bit": _bitsandbytes(BFLOAT16, load_in_4bit=True),
    "bitsandbytes nf4 twice": _bitsandbytes(
        BFLOAT16, load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
    ),
    "bitsandbytes 8-bit": _bitsandbytes(EIGHT_BITS, load_in_8bit=True),
    "quanto 8-bit": _quanto("int8"),
    "quanto 4-bit": _quanto("int4"),
    "torchao 8-bit": _torchao("Int8WeightOnlyConfig"),
    "torchao 4-bit": _torchao("IntxWeightOnlyConfig", weight_dtype=torch.int4, granularity="groups of 32"),
    "torchao 8-bit, inputs too": _torchao(
        "Int8DynamicActivationInt8WeightConfig", rounding=EIGHT_BITS, differentiable=False
    ),
}
CASES = [(family, scheme) for family in ("llama", "gpt_neox", "olmo2") for scheme in SCHEMES]
CASES += [("gpt2", scheme) for scheme in SCHEMES if SCHEMES[scheme].package == "bitsandbytes"]
CASES += [("mixtral", "bitsandbytes 4-bit"), ("mixtral", "torchao 8-bit")]


@lru_cache(maxsize=16)
def folder_of(family: str) -> str:
    """A checkpoint in full precision."""
    folder = tempfile.mkdtemp(prefix=f"innerworks-{family}-")
    build(family, "sdpa", **SIZES[family]).save_pretrained(folder)
    return folder


@lru_cache(maxsize=64)
def quantised(family: str, scheme: str) -> Model:
    """The checkpoint opened quantised; the test is skipped where the package is missing."""
    package = SCHEMES[scheme].package
    pytest.importorskip(package, reason=f"{package} is not installed: run `make test-quantised`")
    config = SCHEMES[scheme].config()
    model = iw.load(folder_of(family), quantization_config=config, dtype="float32", device_map="cpu")
    with torch.no_grad():  # bitsandbytes packs its weights anew in their first forward
        model.module(torch.tensor([[1, 2, 3]]))
    return model


def packed_modules(model: Model) -> dict[str, Any]:
    """The linear modules that were quantised, by path."""
    return {
        name: part
        for name, part in model.module.named_modules()
        if isinstance(part, torch.nn.Linear) and type(part.weight) is not torch.nn.Parameter
    }


@lru_cache(maxsize=64)
def twin(family: str, scheme: str) -> Model:
    """A plain model in full precision whose matrices are the dequantised ones."""
    model = quantised(family, scheme)
    plain = iw.load(folder_of(family))
    for name, part in packed_modules(model).items():
        own = plain.module.get_submodule(name)
        weight = stored(part)
        assert weight is not None
        with torch.no_grad():
            own.weight.copy_(weight.T if type(own).__name__ == "Conv1D" else weight)
    return plain
