"""Records of mixtures of experts."""

from __future__ import annotations

from dataclasses import replace

from innerworks.model.anatomy.families.llama_kin import granite, llama
from innerworks.model.anatomy.record import Case, Experts, Family, Fused, Latent, Setting, Shared, Split

__all__ = ["FAMILIES", "deepseek_v3", "mixtral", "qwen2_moe"]

_QK_NORM = ("self_attn.q_norm", "self_attn.k_norm")

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

_ROUTED = Experts("mlp.gate", "mlp.experts")

qwen2_moe = replace(
    llama,
    model_type="qwen2_moe",
    experts=replace(_ROUTED, shared=Shared("mlp.shared_expert", "mlp.shared_expert_gate")),
    sliding=Setting("sliding_window"),
)

qwen3_moe = replace(qwen2_moe, model_type="qwen3_moe", experts=_ROUTED, qk_norm=_QK_NORM)

olmoe = replace(
    llama,
    model_type="olmoe",
    experts=_ROUTED,
    qk_norm=_QK_NORM,
    qkv_clip="config.clip_qkv",
    clipped=(*_QK_NORM, "self_attn.v_proj"),
)

granitemoe = replace(
    granite,
    model_type="granitemoe",
    mlp="block_sparse_moe",
    experts=Experts("block_sparse_moe.router", "block_sparse_moe.experts"),
)

deepseek_v3 = replace(
    llama,
    model_type="deepseek_v3",
    experts=replace(_ROUTED, shared=Shared("mlp.shared_experts")),
    latent=Latent(),
    qkv=Split("self_attn.q_b_proj", "self_attn.kv_b_proj", "self_attn.kv_b_proj"),
    cases=(
        Case("q_lora_rank", None, {"qkv": Split("self_attn.q_proj", "self_attn.kv_b_proj", "self_attn.kv_b_proj")}),
    ),
)

deepseek_v2 = replace(deepseek_v3, model_type="deepseek_v2")

llama4_text = replace(
    llama,
    model_type="llama4_text",
    mlp="feed_forward",
    up="feed_forward.up_proj",
    gate="feed_forward.gate_proj",
    down="feed_forward.down_proj",
    experts=Experts(
        "feed_forward.router",
        "feed_forward.experts",
        transposed=True,
        shared=Shared("feed_forward.shared_expert"),
        everywhere=True,
    ),
    rotary_pairs="neighbours",
    rotated_layer=Setting("use_rope"),
    sliding=Setting("attention_chunk_size"),
    written_over=("feed_forward.shared_expert",),
    cases=(
        Case(
            "use_qk_norm",
            True,
            {"qk_norm": ("self_attn.qk_norm", "self_attn.qk_norm"), "qk_norm_after_rotary": True},
        ),
    ),
)

_OWN_FORM = "its router gives logits alone and its experts lie in one matrix, a form of its own"

dbrx = Family(
    model_type="dbrx",
    blocks="transformer.blocks",
    final_norm="transformer.norm_f",
    attn="norm_attn_norm.attn",
    mlp="ffn",
    attn_norm="norm_attn_norm.norm_1",
    mlp_norm="norm_attn_norm.norm_2",
    qkv=Fused("norm_attn_norm.attn.Wqkv", "blocks"),
    qkv_clip="clip_qkv",
    unclipped=float("inf"),
    out="norm_attn_norm.attn.out_proj",
    up=None,
    gate=None,
    down=None,
    norm="layer",
    absent=dict.fromkeys(
        (
            *("neuron_pre", "neurons", "gate", "router", "router_weights", "router_index"),
            *("expert_neurons", "expert_out", "routed_neurons", "routed_out", "shared_neurons", "shared_out"),
        ),
        _OWN_FORM,
    ),
)

FAMILIES = (
    dbrx,
    mixtral,
    gpt_oss,
    qwen2_moe,
    qwen3_moe,
    olmoe,
    granitemoe,
    deepseek_v2,
    deepseek_v3,
    llama4_text,
)
