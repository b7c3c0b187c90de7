"""The hand-built GPT-2: three layers of two heads, learned positions, LayerNorm, no MLP."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from innerworks.lab.handbuilt.record import Handbuilt
from innerworks.lab.handbuilt.stream import (
    BOS,
    POSITIONS,
    PREDICTION,
    SELF_COPY,
    SUPPRESSION,
    VOCABULARY,
    HeadWeights,
    Stream,
    empty_head,
)
from innerworks.lab.handbuilt.table import ROLES, expected

if TYPE_CHECKING:
    import torch

WIDTHS = {"tok": VOCABULARY, "pos": POSITIONS, "prev": VOCABULARY, "out": VOCABULARY}
STREAM = Stream(widths=WIDTHS, hidden_size=2 * sum(WIDTHS.values()), mirrored=True)
HEAD_DIM = STREAM.hidden_size // 2
# Scores of 40 against 20 against 0: in the softmax, all else is below 1e-8.
SHARPNESS = 40.0


def gpt2(*, dtype: torch.dtype | None = None) -> Handbuilt:
    """A real ``GPT2LMHeadModel`` with hand-written weights, in float32 or the given ``dtype``.

    Its norms keep GPT-2's epsilon of 1e-5, which the reading weights take into account. No bias is used.
    """
    import torch

    model = _blank_model(dtype or torch.float32)
    model.generation_config.pad_token_id = BOS
    with torch.no_grad():
        body = model.transformer
        body.wte.weight.copy_(STREAM.write("tok"))
        body.wpe.weight.copy_(STREAM.write("pos"))
        model.get_output_embeddings().weight.copy_(STREAM.unembedding().T)
        for layer, block in enumerate(body.h):
            heads = [_HEADS[layer, head](STREAM.divisor(layer)) for head in range(2)]
            parts = [torch.cat([getattr(h, part) for h in heads], 1) for part in ("query", "key", "value")]
            block.attn.c_attn.weight.copy_(torch.cat(parts, 1))
            block.attn.c_proj.weight.copy_(torch.cat([h.output for h in heads]))
            block.mlp.c_fc.weight.zero_()
            block.mlp.c_proj.weight.zero_()
    return Handbuilt(model=model, roles=ROLES, expected=expected(constant_width=VOCABULARY), stream=STREAM)


def _blank_model(dtype: torch.dtype) -> Any:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=POSITIONS,
        n_embd=STREAM.hidden_size,
        n_layer=3,
        n_head=2,
        n_inner=16,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        layer_norm_epsilon=STREAM.epsilon,
        tie_word_embeddings=False,
        bos_token_id=BOS,
        eos_token_id=None,
        attn_implementation="eager",
    )
    # Initialising draws random numbers; the caller's generator must not notice.
    with torch.random.fork_rng(devices=[]):
        return GPT2LMHeadModel(config).to(dtype).eval()


def _new_head() -> HeadWeights:
    return empty_head(STREAM.hidden_size, HEAD_DIM)


def _sharpened(head: HeadWeights, divisor: float) -> HeadWeights:
    """Undoes the norm in what the head reads, and the attention's division by √head_dim."""
    return HeadWeights(
        query=head.query * divisor * SHARPNESS * math.sqrt(HEAD_DIM),
        key=head.key * divisor,
        value=head.value * divisor,
        output=head.output,
    )


def _previous_token(divisor: float) -> HeadWeights:
    head, positions = _new_head(), STREAM.read("pos")
    head.query[:, : POSITIONS - 1] = positions[:, 1:]
    head.key[:, : POSITIONS - 1] = positions[:, :-1]
    head.value[:, :VOCABULARY] = STREAM.read("tok")
    head.output[:VOCABULARY] = STREAM.write("prev")
    return _sharpened(head, divisor)


def _duplicate_token(divisor: float) -> HeadWeights:
    head, tokens = _new_head(), STREAM.read("tok")
    head.query[:, :VOCABULARY] = tokens
    head.key[:, :VOCABULARY] = tokens + tokens[:, [BOS]] / 2
    positions = slice(VOCABULARY, VOCABULARY + POSITIONS)
    head.query[:, positions] = -2 * STREAM.read("pos")
    head.key[:, positions] = STREAM.read("pos")
    return _sharpened(head, divisor)


def _induction(divisor: float) -> HeadWeights:
    head, tokens = _new_head(), STREAM.read("tok")
    head.query[:, :VOCABULARY] = tokens
    head.key[:, :VOCABULARY] = STREAM.read("prev") + tokens[:, [BOS]] / 2
    _copy_words(head, PREDICTION)
    return _sharpened(head, divisor)


def _sink(divisor: float) -> HeadWeights:
    head, tokens = _new_head(), STREAM.read("tok")
    # Each token has one coordinate at 1, so their sum is the constant that is in no block of its own.
    head.query[:, 0] = tokens.sum(1)
    head.key[:, 0] = tokens[:, BOS]
    return _sharpened(head, divisor)


def _copy_suppression(divisor: float) -> HeadWeights:
    head, tokens = _new_head(), STREAM.read("tok")
    head.query[:, :VOCABULARY] = STREAM.read("out")
    head.key[:, :VOCABULARY] = tokens
    head.query[:, VOCABULARY] = tokens.sum(1)
    head.key[:, VOCABULARY] = tokens[:, BOS] / 2
    _copy_words(head, -SUPPRESSION)
    return _sharpened(head, divisor)


def _self_copying(divisor: float) -> HeadWeights:
    head = _new_head()
    head.query[:, :POSITIONS] = STREAM.read("pos")
    head.key[:, :POSITIONS] = STREAM.read("pos")
    head.value[:, :VOCABULARY] = STREAM.read("tok")
    head.output[:VOCABULARY] = SELF_COPY * STREAM.write("out")
    return _sharpened(head, divisor)


def _copy_words(head: HeadWeights, gain: float) -> None:
    """Copies the attended token to ``out``, except <bos>, which stands for having found no match."""
    head.value[:, :VOCABULARY] = STREAM.read("tok")
    head.value[:, BOS] = 0.0
    head.output[:VOCABULARY] = gain * STREAM.write("out")


_HEADS: dict[tuple[int, int], Callable[[float], HeadWeights]] = {
    (0, 0): _previous_token,
    (0, 1): _duplicate_token,
    (1, 0): _induction,
    (1, 1): _sink,
    (2, 0): _copy_suppression,
    (2, 1): _self_copying,
}
