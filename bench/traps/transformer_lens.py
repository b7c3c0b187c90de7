"""The silent failures, tried on TransformerLens' bridge."""

from __future__ import annotations

from typing import Any

from bench.field.families import build, ids
from bench.field.numbers import largest
from bench.field.places import Reader
from bench.field.tool import NotOffered
from bench.field.traps import Finding, against_alone, by_hand, judged, over, padded, with_mid_stream
from bench.field.words import words

LLAMA = "Llama, grouped heads"


def _open(family: str, attention: str = "eager") -> Any:
    from transformer_lens.model_bridge import TransformerBridge

    module = build(family, attention)
    return TransformerBridge.boot_transformers(words().name_or_path, hf_model=module, tokenizer=words())


def _hooked(bridge: Any, name: str, hook: Any, tokens: Any = None) -> Any:
    import torch

    with torch.no_grad():
        return bridge.run_with_hooks(ids() if tokens is None else tokens, fwd_hooks=[(name, hook)], use_cache=False)


def _cached(bridge: Any, tokens: Any = None) -> Any:
    import torch

    with torch.no_grad():
        return bridge.run_with_cache(ids() if tokens is None else tokens, use_cache=False)


def resid_mid() -> Finding:
    import torch

    value = torch.randn(1, 9, 32, generator=torch.Generator().manual_seed(0))
    found = _hooked(_open(LLAMA), "blocks.1.hook_resid_mid", lambda x, hook: value)
    return judged(float(largest(found, with_mid_stream(value))))


def scores() -> Finding:
    import torch

    def one(family: str) -> Finding:
        cache = _cached(_open(family))[1]
        found, pattern = (cache[f"blocks.1.attn.hook_{kind}"] for kind in ("attn_scores", "pattern"))
        same = float(largest(found, pattern)) == 0
        masked = found.masked_fill(torch.ones(9, 9).triu(1).bool(), float("-inf"))
        verdict, text = judged(float(largest(masked.softmax(-1), pattern)))
        return verdict, text + ", the scores are the pattern" * same

    return over(("OPT", "GPT-J", "GPT-Neo"), one)


def pattern_edits() -> Finding:
    import torch

    def without(pattern: Any, hook: Any) -> Any:
        pattern[:, 2] = 0
        return pattern

    def one(family: str) -> Finding:
        found = _hooked(_open(family), "blocks.1.attn.hook_pattern", without)[:, -1]
        true = Reader(build(family)).with_head(ids(), 1, 2, torch.zeros(1, 9, 4, 8))
        return judged(float(largest(found, true)))

    return over(("OPT", "GPT-J", "GPT-Neo", "XGLM"), one)


def weights() -> Finding:
    bridge = _open("gpt-oss")
    bridge.enable_compatibility_mode()
    found = _cached(bridge)[0].log_softmax(-1)
    return judged(float(largest(found, Reader(build("gpt-oss")).forward(ids()).log_softmax(-1))))


def left_padding() -> Finding:
    import torch

    def one(family: str) -> Finding:
        tokens, mask, rows = padded()
        with torch.no_grad():
            found = _open(family)(tokens, attention_mask=mask, padding_side="left", use_cache=False)[:, -1]
        return against_alone(family, found, rows)

    return over(("GPT-2", "GPT-Neo", "XGLM"), one)


def never_ran() -> Finding:
    import torch

    bridge, heard = _open(LLAMA), []
    stream = _cached(bridge)[1]["blocks.2.hook_resid_pre"]
    hooks = [("blocks.0.attn.hook_z", lambda z, hook: heard.append(z))]
    with torch.no_grad():
        bridge.run_with_hooks(stream, start_at_layer=2, fwd_hooks=hooks, use_cache=False)
    return "wrong", f"nothing is said; the hook was called {len(heard)} times"


def gradients() -> Finding:
    """By `incl_bwd`, which wants a loss."""
    import torch

    bridge, reader = _open(LLAMA), Reader(build(LLAMA))
    cache = bridge.run_with_cache(ids(), incl_bwd=True, return_type="loss", use_cache=False)[1]
    kept: list[Any] = []
    with reader.changed(lambda _, args: kept.append(args[0]), reader.part(1, "heads"), before=True):
        logits = reader.module(input_ids=ids(), use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits[0, :-1], ids()[0, 1:])
    true = torch.autograd.grad(loss, kept[0])[0]
    return judged(float(largest(cache["blocks.1.attn.hook_z_grad"].flatten(2), true)))


def no_such_option() -> Finding:
    import torch

    try:
        with torch.no_grad():
            _open(LLAMA).run_with_hooks(ids(), fwd_hooks=[], incl_bwd=True)
    except (TypeError, ValueError) as error:
        return "right", type(error).__name__
    return "wrong", "nothing is said"


def grouped_heads() -> Finding:
    import torch

    bridge = _open(LLAMA)

    def without(v: Any, hook: Any) -> Any:
        if v.shape[-2] != 2:
            raise NotOffered(f"hook_v has {v.shape[-2]} heads")
        v[:, :, 1] = 0
        return v

    before = _cached(bridge)[1]["blocks.1.attn.hook_z"]
    with torch.no_grad(), bridge.hooks(fwd_hooks=[("blocks.1.attn.hook_v", without)]):
        after = bridge.run_with_cache(ids(), use_cache=False)[1]["blocks.1.attn.hook_z"]
    reached = ((after - before).abs().amax((0, 1, 3)) > 1e-3).nonzero().flatten().tolist()
    bridge.set_use_split_qkv_input(True)
    moved = float(largest(_cached(bridge)[0], Reader(build(LLAMA)).forward(ids())))
    right = reached == [2, 3] and moved < 1e-4
    return "right" if right else "wrong", f"reached query heads {reached}; split q/k/v move the logits by {moved:.1e}"


def causality() -> Finding:
    bridge, later = _open(LLAMA, "sdpa"), ids()
    later[:, -1] = 7
    (a, cache), (b, _) = _cached(bridge), _cached(bridge, later)
    ahead = float(cache["blocks.1.attn.hook_pattern"].triu(1).abs().max())
    return judged(max(ahead, float(largest(a[:, :-1], b[:, :-1]))), what="a later token moves earlier by")


def steered_writing() -> Finding:
    import torch

    bridge, heard = _open(LLAMA), []
    vector = torch.full((32,), 3.0)

    def steer(stream: Any, hook: Any) -> Any:
        stream[:, 9:] += vector
        heard.append(stream.clone())
        return stream

    with torch.no_grad(), bridge.hooks(fwd_hooks=[("blocks.1.hook_resid_post", steer)]):
        written = bridge.generate(ids(), max_new_tokens=4, do_sample=False, stop_at_eos=False, verbose=False)
    unsteered = Reader(build(LLAMA)).read(written[:, :-1])["resid_post"][1]
    return judged(float(largest(heard[1][:, -1], unsteered[:, 9] + vector)), what="hooks see one new token; off by")


def own_scale() -> Finding:
    def one(family: str) -> Finding:
        bridge, module = _open(family), build(family)
        norm = module.transformer.ln_f if family == "GPT-2" else module.model.norm
        cache = _cached(bridge)[1]
        lens = cache.accumulated_resid(layer=-1, incl_mid=False, apply_ln=True)[1]
        true = norm(cache["blocks.0.hook_resid_post"])
        return judged(float(largest(lens, true)))

    return over(("GPT-2", LLAMA), one)


TRAPS = {
    "resid_mid": resid_mid,
    "scores": scores,
    "pattern_edits": pattern_edits,
    "weights": weights,
    "left_padding": left_padding,
    "never_ran": never_ran,
    "gradients": gradients,
    "no_such_option": no_such_option,
    "grouped_heads": grouped_heads,
    "causality": causality,
    "steered_writing": lambda: by_hand(steered_writing()),
    "own_scale": own_scale,
}
