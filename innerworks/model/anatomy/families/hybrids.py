"""Records of hybrids: layers whose token mixer is no attention, alone, beside attention, or between layers of it."""

from __future__ import annotations

from dataclasses import replace

from innerworks.model.anatomy.families.llama_kin import gemma, granite, llama, olmo2
from innerworks.model.anatomy.families.mixtures import deepseek_v3, mixtral, qwen2_moe
from innerworks.model.anatomy.record import Case, Experts, Family, LayerCase, Mixer, Part, Setting, Shared, Split

__all__ = ["FAMILIES"]

_MAMBA = "a Mamba mixer"
_MAMBA2 = "a Mamba-2 mixer"
_DELTA = "linear attention (a gated delta rule)"
_CONVOLUTION = "a short convolution"
_GATED = "a gate that depends on the token multiplies what each head mixes"


def _instead(module: str, called: str) -> LayerCase:
    """The layers where another token mixer stands in attention's place."""
    return LayerCase(module, {"has_attention": False, "mixer": Mixer(module, called)})


mamba = Family(
    model_type="mamba",
    blocks="backbone.layers",
    final_norm="backbone.norm_f",
    attn_norm="norm",
    up=None,
    gate=None,
    down=None,
    rotary=False,
    has_attention=False,
    has_mlp=False,
    mixer=Mixer("mixer", _MAMBA),
    takes_positions=False,
)

falcon_mamba = replace(mamba, model_type="falcon_mamba")

mamba2 = replace(mamba, model_type="mamba2", mixer=Mixer("mixer", _MAMBA2))

jamba = replace(
    llama,
    model_type="jamba",
    final_norm="model.final_layernorm",
    mlp="feed_forward",
    mlp_norm="pre_ff_layernorm",
    up="feed_forward.up_proj",
    gate="feed_forward.gate_proj",
    down="feed_forward.down_proj",
    rotary=False,
    experts=Experts("feed_forward.router", "feed_forward.experts"),
    layers=(_instead("mamba", _MAMBA),),
)

bamba = replace(
    jamba,
    model_type="bamba",
    rotary=True,
    experts=None,
    tuple_blocks=True,
    layers=(_instead("mamba", _MAMBA2),),
)

falcon_h1 = replace(
    bamba,
    model_type="falcon_h1",
    embed_scale=Setting("embedding_multiplier", 1.0),
    logit_scale=Setting("lm_head_multiplier", 1.0),
    attn_scale=Setting("attention_out_multiplier", 1.0),
    mixer=Mixer("mamba", _MAMBA2, scale=Setting("ssm_out_multiplier", 1.0)),
    no_circuits="multipliers stand between its projections, which are in no matrix",
    layers=(),
)

granitemoehybrid = replace(
    granite,
    model_type="granitemoehybrid",
    mlp="shared_mlp",
    mlp_adds="block_sparse_moe",
    up=Part("shared_mlp.input_linear", 1),
    gate=Part("shared_mlp.input_linear", 0),
    down="shared_mlp.output_linear",
    experts=Experts(
        "block_sparse_moe.router",
        "block_sparse_moe.experts",
        shared=Shared("shared_mlp", down="output_linear", up=Part("input_linear", 1), branch=Part("input_linear", 0)),
    ),
    layers=(_instead("mamba", _MAMBA2),),
    cases=(Case("position_embedding_type", "rope", {"rotary": False}, other_than=True),),
)

nemotron_h = Family(
    model_type="nemotron_h",
    final_norm="model.norm_f",
    attn="mixer",
    mlp="mixer",
    attn_norm="norm",
    mlp_norm="norm",
    qkv=Split("mixer.q_proj", "mixer.k_proj", "mixer.v_proj"),
    out="mixer.o_proj",
    up="mixer.up_proj",
    gate=None,
    down="mixer.down_proj",
    rotary=False,
    has_attention=False,
    has_mlp=False,
    experts=Experts("mixer.gate", "mixer.experts", shared=Shared("mixer.shared_experts", branch=None)),
    layers=(
        LayerCase("mixer.conv1d", {"mixer": Mixer("mixer", _MAMBA2)}),
        LayerCase("mixer.o_proj", {"has_attention": True}),
        LayerCase("mixer.down_proj", {"has_mlp": True}),
        LayerCase("mixer.experts", {"has_mlp": True}),
    ),
    cases=(
        Case(
            "moe_latent_size",
            None,
            {"absent": dict.fromkeys(("expert_out", "routed_out"), "its experts write to a latent vector")},
            other_than=True,
        ),
    ),
)

lfm2 = replace(
    llama,
    model_type="lfm2",
    final_norm="model.embedding_norm",
    attn_norm="operator_norm",
    mlp="feed_forward",
    mlp_norm="ffn_norm",
    out="self_attn.out_proj",
    up="feed_forward.w3",
    gate="feed_forward.w1",
    down="feed_forward.w2",
    qk_norm=("self_attn.q_layernorm", "self_attn.k_layernorm"),
    layers=(_instead("conv", _CONVOLUTION),),
)

lfm2_moe = replace(lfm2, model_type="lfm2_moe", experts=Experts("feed_forward.gate", "feed_forward.experts"))

recurrent_gemma = replace(
    gemma,
    model_type="recurrent_gemma",
    final_norm="model.final_norm",
    attn="temporal_block",
    mlp="mlp_block",
    attn_norm="temporal_pre_norm",
    mlp_norm="channel_pre_norm",
    qkv=Split("temporal_block.q_proj", "temporal_block.k_proj", "temporal_block.v_proj"),
    out="temporal_block.o_proj",
    up="mlp_block.up_proj",
    gate="mlp_block.gate_proj",
    down="mlp_block.down_proj",
    logit_softcap=Setting("logits_soft_cap"),
    sliding=Setting("sliding_window"),
    left_padding="its recurrent layers take no mask, and their convolution would read them",
    layers=(
        LayerCase(
            "temporal_block.rg_lru",
            {"has_attention": False, "mixer": Mixer("temporal_block", "a gated linear recurrence")},
        ),
    ),
)

qwen3_next = replace(
    qwen2_moe,
    model_type="qwen3_next",
    norm="rms_plus_one",
    qk_norm=("self_attn.q_norm", "self_attn.k_norm"),
    qkv=Split(gated=True),
    sliding=None,
    no_circuits=_GATED,
    layers=(_instead("linear_attn", _DELTA),),
)

qwen3_5_text = replace(qwen3_next, model_type="qwen3_5_text", experts=None)

qwen3_5_moe_text = replace(qwen3_next, model_type="qwen3_5_moe_text")

olmo_hybrid = replace(
    olmo2,
    model_type="olmo_hybrid",
    layers=(
        LayerCase(
            "linear_attn",
            {
                "has_attention": False,
                "mixer": Mixer("linear_attn", _DELTA),
                "attn_norm": "input_layernorm",
                "attn_post": None,
                "mlp_norm": "post_attention_layernorm",
                "mlp_post": None,
            },
        ),
    ),
    cases=(Case("rope_parameters", None, {"rotary": False}),),
)

kimi_linear = replace(
    deepseek_v3,
    model_type="kimi_linear",
    rotary=False,
    layers=(
        LayerCase("self_attn.conv1d", {"has_attention": False, "mixer": Mixer("self_attn", "linear attention (KDA)")}),
    ),
)

_NORMED = "each half of a block norms the stream before it adds to it"

minimax = replace(
    mixtral,
    model_type="minimax",
    attn_scale=Setting("full_attn_beta_factor", 1.0),
    mlp_scale=Setting("mlp_beta_factor", 1.0),
    no_sum=_NORMED,
    left_padding="writing on with a cache, its lightning attention looks at the first column of the mask",
    no_circuits=_NORMED,
    layers=(
        LayerCase(
            "self_attn.output_gate",
            {
                "has_attention": False,
                "mixer": Mixer("self_attn", "lightning attention", scale=Setting("linear_attn_beta_factor", 1.0)),
            },
        ),
    ),
)

_FEEDS = "attention and MLP give their sum to the Mamba mixer and write nothing to the stream: see at.mixer_out"
_WIDE = "attention reads the stream and the embeddings side by side"

zamba = replace(
    llama,
    model_type="zamba",
    final_norm="model.final_layernorm",
    rotary=False,
    attn="shared_transf.self_attn",
    mlp="shared_transf.feed_forward",
    attn_norm="input_layernorm",
    mlp_norm="shared_transf.pre_ff_layernorm",
    qkv=Split("shared_transf.self_attn.q_proj", "shared_transf.self_attn.k_proj", "shared_transf.self_attn.v_proj"),
    out="shared_transf.self_attn.o_proj",
    up="shared_transf.feed_forward.up_proj",
    gate="shared_transf.feed_forward.gate_proj",
    down="shared_transf.feed_forward.down_proj",
    has_attention=False,
    has_mlp=False,
    mixer=Mixer("mamba", _MAMBA),
    absent={"attn_in": _WIDE, **dict.fromkeys(("attn_out", "head_out", "mlp_out", "resid_mid"), _FEEDS)},
    layers=(
        LayerCase(
            "shared_transf",
            {
                "has_attention": True,
                "has_mlp": True,
                "mixer": Mixer("mamba_decoder.mamba", _MAMBA),
                "attn_norm": "shared_transf.input_layernorm",
            },
        ),
    ),
)

_ADAPTED = "an adapter of the layer's own is added to what the shared projection gives"

zamba2 = replace(
    zamba,
    model_type="zamba2",
    attn="shared_transformer.self_attn",
    mlp="shared_transformer.feed_forward",
    mlp_norm="shared_transformer.pre_ff_layernorm",
    qkv=Split(
        "shared_transformer.self_attn.q_proj",
        "shared_transformer.self_attn.k_proj",
        "shared_transformer.self_attn.v_proj",
    ),
    out="shared_transformer.self_attn.o_proj",
    up=Part("shared_transformer.feed_forward.gate_up_proj", 1),
    gate=Part("shared_transformer.feed_forward.gate_up_proj", 0),
    down="shared_transformer.feed_forward.down_proj",
    mixer=Mixer("mamba", _MAMBA2),
    absent={**zamba.absent, "neuron_pre": _ADAPTED, "gate": _ADAPTED},
    layers=(
        LayerCase(
            "shared_transformer",
            {
                "has_attention": True,
                "has_mlp": True,
                "mixer": Mixer("mamba_decoder.mamba", _MAMBA2),
                "attn_norm": "shared_transformer.input_layernorm",
            },
        ),
    ),
    cases=(
        Case("use_mem_rope", True, {"rotary": True}),
        Case(
            "use_shared_attention_adapter",
            True,
            {"absent": {**zamba.absent, **dict.fromkeys(("neuron_pre", "gate", "q", "k", "v"), _ADAPTED)}},
        ),
    ),
)

FAMILIES = (
    mamba,
    falcon_mamba,
    mamba2,
    jamba,
    bamba,
    falcon_h1,
    granitemoehybrid,
    nemotron_h,
    lfm2,
    lfm2_moe,
    recurrent_gemma,
    qwen3_next,
    qwen3_5_text,
    qwen3_5_moe_text,
    olmo_hybrid,
    kimi_linear,
    minimax,
    zamba,
    zamba2,
)
