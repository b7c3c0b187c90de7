"""What is measured on what: the models by shape, and the rows of the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.field.words import FOLDER, written_once

ROWS = {
    "forward": "forward, nothing asked",
    "cache_stream": "cache resid, attn and mlp of every layer",
    "cache_all": "cache everything it can",
    "head_sweep": "patch every head of two layers, per patch",
    "residual_sweep": "patch the stream at every layer and position, per patch",
    "stream_of_two_layers": "patch the stream of two layers at every position, per patch",
    "gradient_to_heads": "gradient to every z",
    "attention_to_first": "attention to the first token, no pattern kept",
    "direct_effects": "direct effect of every head on a logit",
    "head_attribution": "attribution patching of every head",
}
UNDER_SDPA = ("forward", "cache_stream", "head_sweep")


@dataclass(frozen=True)
class Setting:
    """One model, one input, one backend, and what is asked there."""

    shape: str
    attention: str
    rows: tuple[str, ...]
    length: int = 16
    dtype: str = "float32"
    device: str = "cpu"
    prompts: int = 1

    @property
    def key(self) -> str:
        """What the tables call it."""
        return f"{self.shape}, {self.prompts}x{self.length}, {self.attention}, {self.dtype}, {self.device}"


def _llama(**options: Any) -> Any:
    import transformers

    return transformers.LlamaConfig(bos_token_id=1, eos_token_id=2, **options)


def _gpt2() -> Any:
    import transformers

    return transformers.GPT2Config()


CONFIGS: dict[str, Callable[[], Any]] = {
    "GPT-2-small shape": _gpt2,
    "Llama shape": lambda: _llama(
        vocab_size=49152,
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=12,
        num_key_value_heads=4,
    ),
    "Llama-3-8B shape": lambda: _llama(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=16384,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
    ),
    "tiny": lambda: _llama(
        vocab_size=83,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
    ),
}
SMOLLM2 = "SmolLM2"
OVER_A_TASK = ("head_sweep", "stream_of_two_layers")
STANDARD = tuple(row for row in ROWS if row not in ("residual_sweep", "stream_of_two_layers", "attention_to_first"))
FIELD = (
    *(Setting(shape, "eager", STANDARD) for shape in ("GPT-2-small shape", "Llama shape")),
    *(Setting(shape, "sdpa", UNDER_SDPA) for shape in ("GPT-2-small shape", "Llama shape")),
    Setting("Llama shape", "eager", OVER_A_TASK, prompts=8),
    Setting(SMOLLM2, "eager", ("residual_sweep",), length=14),
)
"""The settings of `make bench-field`."""
MEMORY = tuple(Setting(shape, "eager", (), length=512) for shape in ("GPT-2-small shape", "Llama shape"))
"""Where peak memory is measured: long enough that tensors outweigh everything else."""


def swept_layers(n_layers: int) -> list[int]:
    """Two layers as far from the end, on average, as all layers are."""
    return sorted({n_layers // 4, 2 * n_layers // 3})


def folder_of(shape: str, smollm2: Path | None = None) -> Path:
    """Where a shape's weights are: written once, from one seed, so that every environment loads the same."""
    import torch
    import transformers

    if shape == SMOLLM2:
        if smollm2 is None:
            raise FileNotFoundError("no folder of SmolLM2 was given")
        return smollm2
    folder = FOLDER / shape.replace(" ", "-").lower()
    with written_once(folder, "model.safetensors") as part:
        if part is not None:
            torch.manual_seed(0)
            transformers.AutoModelForCausalLM.from_config(CONFIGS[shape]()).save_pretrained(part)
    return folder


def load(setting: Setting, smollm2: Path | None = None) -> Any:
    """The plain Hugging Face model of a setting: from its folder, or, on an accelerator, made there."""
    import torch
    import transformers

    dtype = getattr(torch, setting.dtype)
    if setting.device == "cpu" and setting.shape != "Llama-3-8B shape":
        module = transformers.AutoModelForCausalLM.from_pretrained(
            folder_of(setting.shape, smollm2), attn_implementation=setting.attention, dtype=dtype
        )
        return module.eval()
    torch.manual_seed(0)
    with torch.device(setting.device):
        config = CONFIGS[setting.shape]()
        module = transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation=setting.attention, dtype=dtype
        )
    module.config.architectures = [type(module).__name__]
    return module.eval()


def prompt(setting: Setting, vocabulary: int, seed: int = 1) -> Any:
    """Random token ids, the same for every tool."""
    import torch

    shape = (setting.prompts, setting.length)
    ids = torch.randint(3, vocabulary, shape, generator=torch.Generator().manual_seed(seed))
    return ids.to(setting.device)
