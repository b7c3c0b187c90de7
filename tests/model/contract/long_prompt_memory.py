"""Prints two peaks of resident memory, in bytes: after a plain pass over 8192 tokens, and after looking into one."""

from __future__ import annotations

import resource

import torch
import transformers

import innerworks as iw
from innerworks import at

torch.set_num_threads(1)
config = transformers.LlamaConfig(
    vocab_size=512,
    hidden_size=256,
    intermediate_size=512,
    num_hidden_layers=2,
    num_attention_heads=8,
    num_key_value_heads=2,
    max_position_embeddings=8192,
)
model = iw.load(transformers.LlamaForCausalLM._from_config(config, attn_implementation="sdpa").eval())
prompt = torch.arange(8192) % 512


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


model.run(prompt, logits="last")
print(peak())
run = model.run(
    prompt,
    logits="last",
    capture={
        at.pattern[:]: iw.reduce.attention_to(0),
        at.pattern[1]: iw.reduce.mean(2),
        at.scores[1] @ (-1, None): None,
        at.resid_post[:]: iw.reduce.norm,
    },
)
assert run[at.resid_post[:]].shape == (2, 1, 8192) and run[at.scores[1] @ (-1, None)].shape == (1, 8, 8192)
print(peak())
