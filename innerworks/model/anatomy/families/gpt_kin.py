"""Records of GPT-2 and its kin: LayerNorms, biases, learned, rotary or ALiBi positions, attention written out."""

from __future__ import annotations

from dataclasses import replace

from innerworks.model.anatomy.record import Case, Family, Fused, Refusal, Setting, Split

__all__ = ["FAMILIES"]

POST_LN = "its norms come after the residual addition, so the stream is not a sum of contributions"

gpt2 = Family(
    model_type="gpt2",
    blocks="transformer.h",
    pos_embed="transformer.wpe",
    final_norm="transformer.ln_f",
    attn="attn",
    attn_norm="ln_1",
    mlp_norm="ln_2",
    qkv=Fused("attn.c_attn", "blocks"),
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
        Refusal("do_layer_norm_before", False, POST_LN),
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
    alibi_table="build_alibi_tensor",
    score_scale=Setting("inv_norm_factor"),
    takes_positions=False,
    tuple_blocks=True,
    refusals=(Refusal("apply_residual_connection_post_layernorm", True, POST_LN),),
)

gpt_bigcode = replace(
    gpt2,
    model_type="gpt_bigcode",
    qkv=Fused("attn.c_attn", "per_head"),
    other_eager=None,
    cases=(Case("multi_query", True, {"qkv": Fused("attn.c_attn", "blocks"), "kv_heads": 1}),),
)

gpt_neo = replace(
    gpt2,
    model_type="gpt_neo",
    attn="attn.attention",
    qkv=Split("attn.attention.q_proj", "attn.attention.k_proj", "attn.attention.v_proj"),
    out="attn.attention.out_proj",
    score_scale=Setting("scaling", 1.0),
    other_eager=None,
    masks_by_column=True,
    tuple_blocks=True,
    refusals=(),
)

codegen = replace(
    gptj,
    model_type="codegen",
    qkv=Fused("attn.qkv_proj", "shards_of_qvk"),
)

xglm = replace(
    opt,
    model_type="xglm",
    blocks="model.layers",
    pos_embed="model.embed_positions",
    final_norm="model.layer_norm",
    refusals=(Refusal("add_cross_attention", True, "cross-attention writes to the stream too"),),
)

biogpt = replace(
    opt,
    model_type="biogpt",
    blocks="biogpt.layers",
    pos_embed="biogpt.embed_positions",
    final_norm="biogpt.layer_norm",
    refusals=(),
)

persimmon = replace(
    gpt_neox,
    model_type="persimmon",
    blocks="model.layers",
    final_norm="model.final_layernorm",
    attn="self_attn",
    qkv=Fused("self_attn.query_key_value", "per_head"),
    out="self_attn.dense",
    parallel=False,
    cases=(Case("qk_layernorm", True, {"qk_norm": ("self_attn.q_layernorm", "self_attn.k_layernorm")}),),
)

mpt = Family(
    model_type="mpt",
    blocks="transformer.blocks",
    final_norm="transformer.norm_f",
    attn="attn",
    mlp="ffn",
    attn_norm="norm_1",
    mlp_norm="norm_2",
    qkv=Fused("attn.Wqkv", "blocks"),
    out="attn.out_proj",
    up="ffn.up_proj",
    gate=None,
    down="ffn.down_proj",
    mlp_writes="ffn.down_proj",
    norm="layer",
    rotary=False,
    alibi=True,
    qkv_clip="clip_qkv",
    score_scale=Setting("softmax_scale"),
    takes_positions=False,
    tuple_blocks=True,
)

falcon = Family(
    model_type="falcon",
    blocks="transformer.h",
    final_norm="transformer.ln_f",
    attn="self_attention",
    qkv=Fused("self_attention.query_key_value", "per_head"),
    out="self_attention.dense",
    up="mlp.dense_h_to_4h",
    gate=None,
    down="mlp.dense_4h_to_h",
    norm="layer",
    score_scale=Setting("inv_norm_factor"),
    hides_rotated=True,
    written_over=("mlp",),
    tuple_blocks=True,
    cases=(
        Case("multi_query", True, {"qkv": Fused("self_attention.query_key_value", "blocks"), "kv_heads": 1}),
        Case("parallel_attn", True, {"parallel": True, "mlp_norm": "input_layernorm"}),
        Case(
            "new_decoder_architecture",
            True,
            {
                "qkv": Fused("self_attention.query_key_value", "per_group"),
                "kv_heads": Setting("num_kv_heads"),
            },
        ),
        Case("num_ln_in_parallel_attn", 2, {"attn_norm": "ln_attn", "mlp_norm": "ln_mlp"}),
        Case("alibi", True, {"alibi": True, "rotary": False, "hides_rotated": False}),
    ),
)

FAMILIES = (
    gpt2,
    gpt_neox,
    bloom,
    gptj,
    opt,
    gpt_bigcode,
    gpt_neo,
    codegen,
    xglm,
    biogpt,
    persimmon,
    mpt,
    falcon,
)
