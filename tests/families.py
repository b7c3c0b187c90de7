"""Tiny random models, one per family."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import transformers
from family_configs import CONFIGS, HYBRIDS, VARIANTS

FAMILIES = (*CONFIGS, *VARIANTS)
FIRST = (
    "gpt2",
    "gpt_neox",
    "llama",
    "qwen3",
    "gemma2",
    "olmo2",
    "bloom",
    "gptj",
    "opt",
    "mixtral",
    "gpt_oss",
    "granite",
    "gpt_neox_sequential",
)
"""The families that have, between them, nearly every difficulty: they go through everything in the default suite."""
FIRST_HYBRIDS = ("mamba", "jamba", "falcon_h1", "nemotron_h", "qwen3_next", "zamba2")
CLOSE = frozenset((*FAMILIES, *HYBRIDS)) - frozenset((*FIRST, *FIRST_HYBRIDS))
NO_SDPA = {"gptj", "bloom", "gemma2", "gpt_oss", "gpt_neo", "codegen", "xglm", "mpt"}
"""Falcon is among them for its scores and patterns, which it forms in eager attention only."""
NO_SDPA |= {"falcon", "falcon_grouped", "falcon_sequential"}
MOE = {
    "mixtral",
    "gpt_oss",
    "qwen2_moe",
    "qwen3_moe",
    "olmoe",
    "granitemoe",
    "deepseek_v2",
    "deepseek_v3",
}
MIXED_HYBRIDS = {"jamba", "granitemoehybrid", "nemotron_h", "lfm2_moe", "qwen3_next", "qwen3_5_moe_text", "kimi_linear"}
MIXED_HYBRIDS |= {"minimax"}
MIXTURES = MOE | {"llama4_text"}
"""Llama 4 runs every expert on every token."""
LATENT = {"deepseek_v2", "deepseek_v3"}
"""Keys and values are made of latent vectors: no matrix takes the stream to them."""
NO_POSITION_IDS = {"bloom", "mpt"}
MASKED_BY_COLUMN = {"bloom", "mpt", "falcon_sequential", "gpt_neo"}
"""ALiBi, or windows over columns: tokens of several variants cannot share one row."""
SHORT_WINDOW = {
    **dict.fromkeys(("mistral", "phi3", "starcoder2"), (0, 1, 2)),
    **dict.fromkeys(("gpt_oss", "ministral", "gemma3_text", "olmo3", "exaone4", "cohere2"), (0, 2)),
    "gemma2": (0, 2),
}
"""The layers in which a family's tokens see the last five only, fewer than the tests' prompts have."""
SCALED_EMBEDDING = {"gemma", "gemma2", "gemma3_text", "granite", "granitemoe", "bloom", "xglm", "biogpt"}
SLOPES_UNKNOWN = {"mpt", "falcon_sequential"}
"""ALiBi whose slopes `weights` cannot tell."""
SHIFTED_SCORES = {"mpt"}
"""Their ALiBi counts from the last key: all scores of a row move with the length, which softmax does not see."""
NO_FLOAT64 = {"xglm"}
"""Their own code does not run in float64."""
DOUBLE = tuple(family for family in FAMILIES if family not in NO_FLOAT64)
NO_QK_MATRIX = {"hunyuan_v1_dense", "llama4_text"}
"""Their scores are no bilinear form of the distance, even with frozen norms."""
ALWAYS_CUT = {"dbrx"}
"""Queries, keys and values are always cut to a range, so that no matrix says what they are."""
WITH_MATRICES = tuple(family for family in DOUBLE if family not in LATENT | ALWAYS_CUT)
POST_NORM = {"gemma2", "olmo2", "gemma3_text", "olmo3", "exaone4", "glm4"}
SCALED_RESIDUAL = {"granite", "granitemoe"}


def backends(family: str) -> tuple[str, ...]:
    """The attention backends a family has on any machine."""
    return ("eager",) if family in NO_SDPA | {"mamba", "falcon_mamba", "mamba2"} else ("eager", "sdpa")


def build(
    family: str, backend: str = "eager", dtype: torch.dtype = torch.float32, seed: int = 0, **changes: Any
) -> Any:
    """A new random model with weights large enough to leave the linear regime."""
    model_type, extra = VARIANTS.get(family, (family, {}))
    config = transformers.AutoConfig.for_model(model_type, **{**{**CONFIGS, **HYBRIDS}[model_type], **extra, **changes})
    config._attn_implementation = backend
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=backend)
        for name, parameter in module.named_parameters():
            with torch.no_grad():
                if parameter.dim() == 1 and "bias" not in name and "sinks" not in name:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
                else:
                    scale = 0.35 if parameter.dim() > 1 else 0.2
                    parameter.normal_(std=scale)
    if dtype == torch.float64 and family in MIXTURES | MIXED_HYBRIDS:
        config._experts_implementation = "batched_mm"
    return module.eval().to(dtype)


@lru_cache(maxsize=64)
def module_of(family: str, backend: str = "eager", dtype: torch.dtype = torch.float32) -> Any:
    """A shared model; tests must leave it as they found it (which is part of what they test)."""
    return build(family, backend, dtype)


def ids(rows: int = 1, length: int = 9, seed: int = 3, vocab: int = 83) -> torch.Tensor:
    """Random token ids, 2 and up."""
    return torch.randint(2, vocab, (rows, length), generator=torch.Generator().manual_seed(seed))
