"""A record for an architecture nobody described: guessed from names and from what flows where, then held against the
model's numbers.

A draft is kept only if, on a few tokens, the contributions add up to the stream, the logits are what the unembedding
gives, and no token changes what comes before it. Finer places (heads, patterns, neurons, experts) are offered where
their own numbers explain one another, and refused by name where they do not.
"""

from __future__ import annotations

from typing import Any

from innerworks.model.anatomy import Anatomy, Family
from innerworks.model.guess.draft import drafts
from innerworks.model.guess.measured import FAILURES, Contradiction, held_against
from innerworks.model.guess.offered import confirmed
from innerworks.model.guess.traced import blocks_of, trace

__all__ = ["guess", "recognised"]


def guess(module: Any) -> tuple[Anatomy | None, str]:
    """An anatomy that passed its own check, or None and the reason."""
    import torch

    from innerworks.model.engine.forward import evaluating
    from innerworks.model.stored import without_values

    with torch.no_grad(), evaluating(module):
        found = blocks_of(module)
        if isinstance(found, str):
            return None, found
        if without_values(module.get_input_embeddings()):
            return None, (
                "a guess is checked on the model's own numbers, and this one is on the meta device, with shapes and no "
                "weights. Load it with weights, or describe it with load(..., family=Family(...))."
            )
        try:
            said = drafts(module, trace(module, *found))
            if isinstance(said, str):
                return None, said
            best = _best(module, said)
        except Contradiction as error:
            return None, f"the guess does not hold on the model itself ({error})."
        except FAILURES as error:
            return None, f"the guess does not hold on the model itself ({type(error).__name__}: {error})."
    return Anatomy(module, best), ""


def _best(module: Any, said: list[Family]) -> Family:
    """Of drafts that differ in how queries, keys and values lie, the one that explains most."""
    held = held_against(module, said[0])
    best: Family | None = None
    for draft in said:
        family = confirmed(module, _laid(held, draft))
        if best is None or len(family.absent) < len(best.absent):
            best = family
        if not {"q", "k", "v", "z"} & family.absent.keys():
            break
    assert best is not None
    return best


def _laid(held: Family, draft: Family) -> Family:
    from dataclasses import replace

    return replace(held, qkv=draft.qkv)


def recognised(anatomy: Anatomy) -> str:
    """What a guess has found, in a sentence, and what it cannot know."""
    f = anatomy.family
    shape = "parallel" if anatomy.parallel else "sequential"
    halves = [f"attention {f.attn}"] if anatomy.attention_layers else []
    mixers = {m.path for layer in anatomy.mixer_layers if (m := anatomy.in_layer(layer).mixer) is not None}
    halves += [f"another token mixer ({', '.join(sorted(mixers))})"] if mixers else []
    gated = "" if not anatomy.dense_layers else " (gated)" if f.gate else " (plain)"
    halves += [f"MLP {f.mlp}{gated}"] if anatomy.mlp_layers else []
    halves += [f"experts {f.experts.experts}"] if f.experts and anatomy.mixture_layers else []
    after = f", each followed by {f.attn_post} and {f.mlp_post}" if f.attn_post else ""
    absent = f" It does not offer {', '.join(f.absent)}, which could not be confirmed." if f.absent else ""
    return (
        f"innerworks has no record of {f.model_type!r} and guessed one: {anatomy.n_layers} {shape} blocks at "
        f"{f.blocks}, {', '.join(halves)}, norms {f.attn_norm}, {f.mlp_norm} and {f.final_norm} ({f.norm})"
        f"{after}. It was checked on the model's own numbers: contributions, heads, patterns, embedding and logits."
        f"{absent} The weights' QK circuits and experts need a tested record."
    )
