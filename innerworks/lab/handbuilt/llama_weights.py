"""The hand-built Llama and Gemma: RMSNorm, rotary positions, grouped keys and values, gated MLPs of zero.

Same table as ``gpt2()``. What is different inside:

- The stream holds ``one``, a constant, in place of ``pos``; no vector is mirrored, for RMSNorm does not
  centre.
- Each layer has four query heads over two key-value heads. Heads 0 and 1 have the roles and share the first;
  heads 2 and 3 share the second, attend evenly, write nothing, and are called idle. They are a null to
  compare with.
- The rotary base is 1e12: the six fastest pairs turn .24 to 1 radian per step and tell positions apart, the
  slowest 52 turn less than 2e-4 in all 64 positions and match words.
- The query constant of head 2.0 is one coordinate and not fifty, so its Q-composition is .141 and not .126.
- Hugging Face computes these models' norms and softmax in float32 whatever the dtype: float64 weights agree
  with the table to about 1e-5, no better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from innerworks.lab.handbuilt.record import Handbuilt
from innerworks.lab.handbuilt.rotary_heads import STILL_COORDINATES, WIDTHS, Rotary, RotaryHeads
from innerworks.lab.handbuilt.stream import BOS, POSITIONS, VOCABULARY, Stream
from innerworks.lab.handbuilt.table import IDLE, ROLES, expected

if TYPE_CHECKING:
    import torch

# One coordinate stays unused: the width must be a multiple of the number of heads.
STREAM = Stream(widths=WIDTHS, hidden_size=152, mirrored=False)
ROTARY = Rotary(head_dim=192, partner=96, still=96 - STILL_COORDINATES, base=1e12)
IDLE_HEADS = tuple((layer, head) for layer in range(3) for head in (2, 3))


def llama(*, dtype: torch.dtype | None = None) -> Handbuilt:
    """A real ``LlamaForCausalLM`` with hand-written weights, in float32 or the given ``dtype``."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return _written(LlamaForCausalLM, LlamaConfig(**_shape()), dtype)


def gemma(*, dtype: torch.dtype | None = None) -> Handbuilt:
    """A real ``GemmaForCausalLM``: as ``llama()``, under norms times 1 + γ and embeddings times √d."""
    import torch
    from transformers import GemmaConfig, GemmaForCausalLM

    found = _written(GemmaForCausalLM, GemmaConfig(**_shape()), dtype)
    body = found.model.model
    with torch.no_grad():
        body.embed_tokens.weight.div_(body.embed_tokens.embed_scale)
        norms = [
            body.norm,
            *(n for b in body.layers for n in (b.input_layernorm, b.post_attention_layernorm)),
        ]
        for norm in norms:
            norm.weight.zero_()
    return found


def _shape() -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": STREAM.hidden_size,
        "intermediate_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": ROTARY.head_dim,
        "max_position_embeddings": POSITIONS,
        "rms_norm_eps": STREAM.epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROTARY.base},
        "tie_word_embeddings": False,
        "bos_token_id": BOS,
        "eos_token_id": None,
        "pad_token_id": None,
        "attn_implementation": "eager",
    }


def _written(model_class: Any, config: Any, dtype: torch.dtype | None) -> Handbuilt:
    import torch

    # Initialising draws random numbers; the caller's generator must not notice.
    with torch.random.fork_rng(devices=[]):
        model = model_class(config).to(dtype or torch.float32).eval()
    model.generation_config.pad_token_id = BOS
    heads = RotaryHeads(STREAM, ROTARY)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(STREAM.write("tok") + STREAM.write("one"))
        model.get_output_embeddings().weight.copy_(STREAM.unembedding().T)
        for layer, block in enumerate(model.model.layers):
            _write_layer(block, heads, layer)
    return Handbuilt(
        model=model,
        roles=dict(ROLES) | dict.fromkeys(IDLE_HEADS, IDLE),
        expected=expected(constant_width=1, idle=IDLE_HEADS),
        stream=STREAM,
    )


def _write_layer(block: Any, heads: RotaryHeads, layer: int) -> None:
    import torch

    first, second = heads.layer(layer)
    idle = heads.idle()
    attention = block.self_attn
    attention.q_proj.weight.copy_(torch.cat([first.query, second.query, idle.query, idle.query], 1).T)
    attention.k_proj.weight.copy_(torch.cat([first.key, idle.key], 1).T)
    attention.v_proj.weight.copy_(torch.cat([first.value, idle.value], 1).T)
    attention.o_proj.weight.copy_(torch.cat([first.output, second.output, idle.output, idle.output]).T)
    for projection in (block.mlp.gate_proj, block.mlp.up_proj, block.mlp.down_proj):
        projection.weight.zero_()
