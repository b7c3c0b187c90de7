"""The hand-built GPT-NeoX: parallel attention and MLP, LayerNorm, fused interleaved QKV, partly rotary.

Same table as ``gpt2()``. Only the first twelve coordinates of a head turn (.24 to 1 radian per step); words
are matched on coordinates that do not turn at all. The stream is mirrored as for GPT-2 and holds the constant
``one`` in place of ``pos``; the Q-composition of head 2.0 is that of ``llama()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from innerworks.lab.handbuilt.record import Handbuilt
from innerworks.lab.handbuilt.rotary_heads import WIDTHS, Rotary, RotaryHeads
from innerworks.lab.handbuilt.stream import BOS, POSITIONS, VOCABULARY, Stream
from innerworks.lab.handbuilt.table import ROLES, expected

if TYPE_CHECKING:
    import torch

STREAM = Stream(widths=WIDTHS, hidden_size=2 * sum(WIDTHS.values()), mirrored=True)
TURNING = 12
ROTARY = Rotary(head_dim=STREAM.hidden_size // 2, partner=TURNING // 2, still=TURNING, base=10**0.75)


def neox(*, dtype: torch.dtype | None = None) -> Handbuilt:
    """A real ``GPTNeoXForCausalLM`` with hand-written weights, no bias, in float32 or the given ``dtype``."""
    import torch

    model = _blank_model(dtype or torch.float32)
    model.generation_config.pad_token_id = BOS
    heads = RotaryHeads(STREAM, ROTARY)
    with torch.no_grad():
        model.gpt_neox.embed_in.weight.copy_(STREAM.write("tok") + STREAM.write("one"))
        model.get_output_embeddings().weight.copy_(STREAM.unembedding().T)
        for layer, block in enumerate(model.gpt_neox.layers):
            pair = heads.layer(layer)
            fused = torch.cat([part for h in pair for part in (h.query, h.key, h.value)], 1)
            block.attention.query_key_value.weight.copy_(fused.T)
            block.attention.dense.weight.copy_(torch.cat([h.output for h in pair]).T)
            block.mlp.dense_h_to_4h.weight.zero_()
            block.mlp.dense_4h_to_h.weight.zero_()
    return Handbuilt(model=model, roles=ROLES, expected=expected(constant_width=1), stream=STREAM)


def _blank_model(dtype: torch.dtype) -> Any:
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    config = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=STREAM.hidden_size,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=POSITIONS,
        layer_norm_eps=STREAM.epsilon,
        use_parallel_residual=True,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": ROTARY.base,
            # The library takes the whole part of head_dim times this: half a coordinate more,
            # lest rounding loses one.
            "partial_rotary_factor": (TURNING + 0.5) / ROTARY.head_dim,
        },
        tie_word_embeddings=False,
        bos_token_id=BOS,
        eos_token_id=None,
        attn_implementation="eager",
    )
    # Initialising draws random numbers; the caller's generator must not notice.
    with torch.random.fork_rng(devices=[]):
        return GPTNeoXForCausalLM(config).to(dtype).eval()
