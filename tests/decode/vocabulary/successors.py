"""A model that knows one thing, what follows what, and texts that go on so, or by chance."""

from functools import cache

import families
import numpy as np
import torch

import innerworks as iw

WORDS = [f"t{number}" for number in range(2, 26)]


@cache
def successor_model(dtype=torch.float32):
    """Blocks that write nothing, and a head that reads from each word's embedding the word that follows it."""
    from innerworks.lab import handbuilt

    tokenizer = handbuilt.gpt2().tokenizer()
    module = families.build("llama", dtype=dtype, vocab_size=len(tokenizer), seed=2, hidden_size=64)
    for layer in module.model.layers:
        layer.self_attn.o_proj.weight.data.zero_()
        layer.mlp.down_proj.weight.data.zero_()
    count, generator = len(tokenizer), torch.Generator().manual_seed(4)
    rows = torch.linalg.qr(torch.randn(64, count, generator=generator))[0].T.to(dtype)
    ids = tokenizer.convert_tokens_to_ids(WORDS)
    follows = dict(zip(ids, ids[1:] + ids[:1], strict=True))
    module.model.embed_tokens.weight.data = rows.clone()
    head = torch.zeros_like(rows)
    for before, after in follows.items():
        head[after] = rows[before] * 2
    module.lm_head.weight = torch.nn.Parameter(head)
    return iw.load(module, tokenizer=tokenizer)


def cycles(rows=48, length=24):
    """Texts in which every word is followed by the same word."""
    return [" ".join(WORDS[(start + step) % len(WORDS)] for step in range(length)) for start in range(rows)]


def chance(rows=160, length=24):
    """Texts of words by chance, some of them more usual."""
    generator = np.random.default_rng(6)
    shares = np.arange(1, len(WORDS) + 1) / sum(range(1, len(WORDS) + 1))
    return [" ".join(generator.choice(WORDS, length, p=shares)) for _ in range(rows)]
