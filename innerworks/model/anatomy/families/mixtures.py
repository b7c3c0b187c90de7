"""Records of mixtures of experts."""

from __future__ import annotations

from dataclasses import replace

from innerworks.model.anatomy.families.llama_kin import llama
from innerworks.model.anatomy.record import Experts, Setting

__all__ = ["FAMILIES"]

mixtral = replace(
    llama,
    model_type="mixtral",
    up=None,
    gate=None,
    down=None,
    experts=Experts("mlp.gate", "mlp.experts"),
    sliding=Setting("sliding_window"),
)

gpt_oss = replace(
    llama,
    model_type="gpt_oss",
    up=None,
    gate=None,
    down=None,
    sinks="self_attn.sinks",
    experts=Experts("mlp.router", "mlp.experts", interleaved=True, transposed=True),
    sliding=Setting("sliding_window"),
)

FAMILIES = (mixtral, gpt_oss)
