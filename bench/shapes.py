"""The models that are measured: GPT-2-small and Llama shapes with random weights, and the bundled SmolLM2."""

from __future__ import annotations

from typing import Any


def gpt2_small() -> Any:
    """124M parameters, 12 layers x 12 heads."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.GPT2Config(attn_implementation="eager")
    return transformers.GPT2LMHeadModel(config).eval()


def llama_small() -> Any:
    """A Llama of GPT-2-small's size: 12 layers, 12 heads over 4 key-value heads."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=49152,
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=12,
        num_key_value_heads=4,
        attn_implementation="eager",
    )
    return transformers.LlamaForCausalLM(config).eval()


def tiny() -> Any:
    """Small enough that a call's own cost shows."""
    import transformers

    config = transformers.GPT2Config(
        n_embd=16, n_layer=1, n_head=2, vocab_size=64, n_positions=32, attn_implementation="eager"
    )
    return transformers.GPT2LMHeadModel(config).eval()


SHAPES = {"GPT-2-small shape": gpt2_small, "Llama shape": llama_small}
