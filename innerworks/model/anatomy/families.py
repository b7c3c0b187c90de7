"""The records of the architectures we know. This file is the only place that knows any."""

from __future__ import annotations

from dataclasses import replace

from innerworks.model.anatomy.record import Experts, Family, Fused, Refusal, Setting, Split

__all__ = ["FAMILIES", "family_named"]

_POST_LN = "its norms come after the residual addition, so the stream is not a sum of contributions"

llama = Family(model_type="llama")

gpt2 = Family(
    model_type="gpt2",
    blocks="transformer.h",
    pos_embed="transformer.wpe",
    final_norm="transformer.ln_f",
    attn="attn",
    attn_norm="ln_1",
    mlp_norm="ln_2",
    qkv=Fused("attn.c_attn", "thirds"),
    out="attn.c_proj",
    up="mlp.c_fc",
    gate=None,
    down="mlp.c_proj",
    norm="layer",
    rotary=False,
    other_eager=Setting("reorder_and_upcast_attn", False),
    refusals=(Refusal("add_cross_attention", True, "cross-attention writes to the stream too"),),
)

gpt_neox = Family(
    model_type="gpt_neox",
    blocks="gpt_neox.layers",
    final_norm="gpt_neox.final_layer_norm",
    attn="attention",
    qkv=Fused("attention.query_key_value", "per_head"),
    out="attention.dense",
    up="mlp.dense_h_to_4h",
    gate=None,
    down="mlp.dense_4h_to_h",
    parallel=Setting("use_parallel_residual", True),
    norm="layer",
)

gptj = Family(
    model_type="gptj",
    blocks="transformer.h",
    final_norm="transformer.ln_f",
    attn="attn",
    attn_norm="ln_1",
    mlp_norm="ln_1",
    qkv=Split("attn.q_proj", "attn.k_proj", "attn.v_proj"),
    out="attn.out_proj",
    up="mlp.fc_in",
    gate=None,
    down="mlp.fc_out",
    parallel=True,
    norm="layer",
    rotary_pairs="neighbours",
    score_scale=Setting("scale_attn", inverse=True),
    inner_attention="_attn",
    tuple_blocks=True,
)

opt = Family(
    model_type="opt",
    blocks="model.decoder.layers",
    pos_embed="model.decoder.embed_positions",
    final_norm="model.decoder.final_layer_norm",
    attn_norm="self_attn_layer_norm",
    mlp="fc1",
    mlp_norm="final_layer_norm",
    out="self_attn.out_proj",
    up="fc1",
    gate=None,
    down="fc2",
    mlp_writes="fc2",
    norm="layer",
    rotary=False,
    refusals=(
        Refusal("do_layer_norm_before", False, _POST_LN),
        Refusal("word_embed_proj_dim", "hidden_size", "its embeddings are projected into the stream", other_than=True),
    ),
)

bloom = Family(
    model_type="bloom",
    blocks="transformer.h",
    embed_norm="transformer.word_embeddings_layernorm",
    final_norm="transformer.ln_f",
    attn="self_attention",
    qkv=Fused("self_attention.query_key_value", "per_head"),
    out="self_attention.dense",
    up="mlp.dense_h_to_4h",
    gate=None,
    down="mlp.dense_4h_to_h",
    attn_writes="self_attention.dense",
    mlp_writes="mlp.dense_4h_to_h",
    norm="layer",
    rotary=False,
    alibi=True,
    score_scale=Setting("inv_norm_factor"),
    takes_positions=False,
    tuple_blocks=True,
    refusals=(Refusal("apply_residual_connection_post_layernorm", True, _POST_LN),),
)

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

granite = replace(
    llama,
    model_type="granite",
    residual_scale=Setting("residual_multiplier", 1.0),
    embed_scale=Setting("embedding_multiplier", 1.0),
    logit_scale=Setting("logits_scaling", 1.0, inverse=True),
)

FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        gpt2,
        gpt_neox,
        llama,
        qwen3,
        gemma2,
        olmo2,
        bloom,
        gptj,
        opt,
        mixtral,
        gpt_oss,
        granite,
    )
}


def family_named(model_type: str) -> Family | None:
    """The record of an architecture, by its config's `model_type`."""
    return FAMILIES.get(model_type)
