"""Records of Llama and its kin: pre-normed or post-normed, rotary positions, an MLP that is mostly gated."""

from __future__ import annotations

from dataclasses import replace

from innerworks.model.anatomy.record import Case, Family, Fused, Part, Setting

__all__ = ["FAMILIES", "gemma", "granite", "llama", "olmo2"]

_SLIDING = Setting("sliding_window")
_QK_NORM = ("self_attn.q_norm", "self_attn.k_norm")

llama = Family(model_type="llama")

qwen3 = replace(
    llama,
    model_type="qwen3",
    qk_norm=("self_attn.q_norm", "self_attn.k_norm"),
    sliding=Setting("sliding_window"),
)

gemma2 = replace(
    llama,
    model_type="gemma2",
    attn_post="post_attention_layernorm",
    mlp_norm="pre_feedforward_layernorm",
    mlp_post="post_feedforward_layernorm",
    norm="rms_plus_one",
    score_softcap=Setting("attn_logit_softcapping"),
    logit_softcap=Setting("final_logit_softcapping"),
    sliding=Setting("sliding_window"),
)

olmo2 = replace(
    llama,
    model_type="olmo2",
    attn_norm=None,
    mlp_norm=None,
    attn_post="post_attention_layernorm",
    mlp_post="post_feedforward_layernorm",
    qk_norm=("self_attn.q_norm", "self_attn.k_norm"),
)

granite = replace(
    llama,
    model_type="granite",
    residual_scale=Setting("residual_multiplier", 1.0),
    embed_scale=Setting("embedding_multiplier", 1.0),
    logit_scale=Setting("logits_scaling", 1.0, inverse=True),
)

mistral = replace(llama, model_type="mistral", sliding=_SLIDING)

ministral = replace(mistral, model_type="ministral")

qwen2 = replace(llama, model_type="qwen2", sliding=_SLIDING)

gemma = replace(llama, model_type="gemma", norm="rms_plus_one")

gemma3_text = replace(gemma2, model_type="gemma3_text", qk_norm=_QK_NORM)

olmo3 = replace(olmo2, model_type="olmo3", sliding=_SLIDING)

exaone4 = replace(
    olmo2,
    model_type="exaone4",
    sliding=_SLIDING,
    rotated_layer=Setting("is_sliding"),
    cases=(Case("sliding_window", None, {"rotated_layer": None}),),
)

smollm3 = replace(llama, model_type="smollm3", sliding=_SLIDING, rotated_layer=Setting("use_rope"))

seed_oss = replace(llama, model_type="seed_oss")

arcee = replace(llama, model_type="arcee", gate=None)

helium = replace(llama, model_type="helium", rotary_pairs="neighbours")

ernie4_5 = replace(llama, model_type="ernie4_5", rotary_pairs="neighbours")

hunyuan_v1_dense = replace(
    llama,
    model_type="hunyuan_v1_dense",
    qk_norm=("self_attn.query_layernorm", "self_attn.key_layernorm"),
    qk_norm_after_rotary=True,
)

glm4 = replace(
    llama,
    model_type="glm4",
    attn_post="post_self_attn_layernorm",
    mlp_post="post_mlp_layernorm",
    gate=Part("mlp.gate_up_proj", 0),
    up=Part("mlp.gate_up_proj", 1),
    rotary_pairs="neighbours",
)

phi3 = replace(
    llama,
    model_type="phi3",
    qkv=Fused("self_attn.qkv_proj", "blocks"),
    gate=Part("mlp.gate_up_proj", 0),
    up=Part("mlp.gate_up_proj", 1),
    sliding=_SLIDING,
)

phi = replace(
    llama,
    model_type="phi",
    final_norm="model.final_layernorm",
    mlp_norm="input_layernorm",
    out="self_attn.dense",
    up="mlp.fc1",
    gate=None,
    down="mlp.fc2",
    parallel=True,
    norm="layer",
    cases=(Case("qk_layernorm", True, {"qk_norm": ("self_attn.q_layernorm", "self_attn.k_layernorm")}),),
)

stablelm = replace(
    llama,
    model_type="stablelm",
    norm="layer",
    cases=(
        Case("use_parallel_residual", True, {"parallel": True, "mlp_norm": "input_layernorm"}),
        Case("qk_layernorm", True, {"qk_norm": ("self_attn.q_layernorm", "self_attn.k_layernorm")}),
    ),
)

starcoder2 = replace(
    llama, model_type="starcoder2", norm="layer", up="mlp.c_fc", gate=None, down="mlp.c_proj", sliding=_SLIDING
)

cohere = replace(
    llama,
    model_type="cohere",
    mlp_norm="input_layernorm",
    parallel=True,
    norm="layer",
    rotary_pairs="neighbours",
    logit_scale=Setting("logit_scale"),
    cases=(Case("use_qk_norm", True, {"qk_norm": _QK_NORM}),),
)

cohere2 = replace(cohere, model_type="cohere2", sliding=_SLIDING, rotated_layer=Setting("sliding_window"), cases=())

nemotron = replace(llama, model_type="nemotron", norm="layer_plus_one", gate=None)

olmo = replace(llama, model_type="olmo", norm="layer", norm_eps=1e-5, qkv_clip="config.clip_qkv")

FAMILIES = (
    llama,
    qwen3,
    gemma2,
    olmo2,
    granite,
    mistral,
    ministral,
    qwen2,
    gemma,
    gemma3_text,
    olmo3,
    exaone4,
    smollm3,
    seed_oss,
    arcee,
    helium,
    ernie4_5,
    hunyuan_v1_dense,
    glm4,
    phi3,
    phi,
    stablelm,
    starcoder2,
    cohere,
    cohere2,
    nemotron,
    olmo,
)
