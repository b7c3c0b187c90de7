"""A record for an architecture nobody described: guessed from names and shapes, then held against the model's numbers.

The guess looks for one list of blocks, in it an attention and an MLP with projections under the usual names, and
norms in the usual order. It is kept only if, on a few tokens, the contributions add up to the stream, the heads to
attention's output, and every pattern row to one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from innerworks.errors import InnerworksError
from innerworks.model.anatomy.anatomy import Anatomy
from innerworks.model.anatomy.record import Family, Split

__all__ = ["guess"]

_ATTENTION = ("self_attn", "attn", "attention", "self_attention")
_MLP = ("mlp", "feed_forward", "ffn", "block_sparse_moe")
_FIRST_NORM = (
    "input_layernorm",
    "ln_1",
    "self_attn_layer_norm",
    "attention_norm",
    "norm1",
    "norm_1",
    "layer_norm",
)
_SECOND_NORM = (
    "post_attention_layernorm",
    "ln_2",
    "ffn_norm",
    "norm2",
    "norm_2",
    "final_layer_norm",
    "mlp_norm",
)
_FINAL_NORM = ("norm", "ln_f", "final_layernorm", "final_layer_norm", "norm_f")
_Q, _K, _V = ("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value")
_OUT = ("o_proj", "out_proj", "dense", "c_proj", "wo")
_UP, _GATE, _DOWN = (
    ("up_proj", "fc1", "c_fc", "fc_in", "dense_h_to_4h", "w3"),
    ("gate_proj", "w1"),
    ("down_proj", "fc2", "c_proj", "fc_out", "dense_4h_to_h", "w2"),
)


def guess(module: Any) -> tuple[Anatomy | None, str]:
    """An anatomy that passed its own check, or None and the reason."""
    import torch

    found = _record(module)
    if isinstance(found, str):
        return None, found
    reason = ""
    with torch.no_grad():
        for parallel in (False, True):
            family = replace(found, parallel=parallel)
            try:
                anatomy = Anatomy(module, family)
                reason = _contradiction(anatomy)
            except (InnerworksError, RuntimeError, AttributeError, TypeError, ValueError, KeyError) as error:
                reason = f"{type(error).__name__}: {error}"
            if not reason:
                return anatomy, ""
    return None, f"the guess does not hold on the model itself ({reason})."


def _first(names: Iterable[str], children: dict[str, Any]) -> str | None:
    return next((name for name in names if name in children), None)


def _record(module: Any) -> Family | str:
    import torch

    config = module.config.get_text_config(decoder=True)
    lists = [
        (name, m)
        for name, m in module.named_modules()
        if isinstance(m, torch.nn.ModuleList) and len(m) == config.num_hidden_layers
    ]
    if len(lists) != 1:
        return f"{len(lists)} lists of {config.num_hidden_layers} blocks were found where one was expected."
    path, blocks = lists[0]
    kinds = {type(b) for b in blocks}
    if len(kinds) != 1:
        return f"its blocks are of {len(kinds)} kinds ({', '.join(sorted(k.__name__ for k in kinds))})."
    block = dict(blocks[0].named_children())
    attn, mlp = _first(_ATTENTION, block), _first(_MLP, block)
    if attn is None or mlp is None:
        return f"a block has {', '.join(block)}, among which no attention and MLP are recognised."
    return _assemble(module, config, path, block, attn, mlp)


def _assemble(module: Any, config: Any, path: str, block: dict[str, Any], attn: str, mlp: str) -> Family | str:
    inside, hidden = dict(block[attn].named_children()), dict(block[mlp].named_children())
    projections = [_first(names, inside) for names in (_Q, _K, _V, _OUT)]
    if None in projections:
        return f"{attn} has {', '.join(inside)}, among which q, k, v and output projections are not recognised."
    up, gate, down = (_first(names, hidden) for names in (_UP, _GATE, _DOWN))
    trunk = dict(module.get_submodule(path.rpartition(".")[0]).named_children())
    final = _first(_FINAL_NORM, trunk)
    first, second = _first(_FIRST_NORM, block), _first(_SECOND_NORM, block)
    norms = [n for n in block if n not in (attn, mlp)]
    sample = block[first] if first is not None else None
    q, k, v, out = (f"{attn}.{p}" for p in projections)
    return Family(
        model_type=config.model_type,
        blocks=path,
        final_norm=None if final is None else f"{path.rpartition('.')[0]}.{final}",
        attn=attn,
        mlp=mlp,
        attn_norm=first,
        mlp_norm=second,
        qkv=Split(q, k, v),
        out=out,
        up=None if up is None else f"{mlp}.{up}",
        gate=None if gate is None or up is None else f"{mlp}.{gate}",
        down=None if down is None else f"{mlp}.{down}",
        norm="layer" if type(sample).__name__.endswith("LayerNorm") else "rms",
        qk_norm=(f"{attn}.q_norm", f"{attn}.k_norm") if "q_norm" in inside else None,
        rotary="position_embeddings" in _parameters(block[attn]),
        **_posts(norms, first, second),
        guessed=True,
    )


def _posts(norms: Sequence[str], first: str | None, second: str | None) -> dict[str, Any]:
    """Post-norms: Gemma's four norms, or OLMo's two that both come after."""
    if {"pre_feedforward_layernorm", "post_feedforward_layernorm"} <= set(norms):
        return {
            "attn_post": "post_attention_layernorm",
            "mlp_norm": "pre_feedforward_layernorm",
            "mlp_post": "post_feedforward_layernorm",
        }
    if "post_feedforward_layernorm" in norms:
        return {"attn_post": second, "mlp_norm": None, "mlp_post": "post_feedforward_layernorm"}
    return {}


def _parameters(module: Any) -> set[str]:
    import inspect

    return set(inspect.signature(type(module).forward).parameters)


def _contradiction(anatomy: Anatomy) -> str:
    """What the model's own numbers say against the record; empty if nothing."""
    import torch

    from innerworks.model.model import Model
    from innerworks.model.sites import at

    model = Model(anatomy.module, anatomy=anatomy)
    ids = torch.arange(2, 8)[None] % anatomy.n_vocab
    sites = [at.embed, at.attn_out[:], at.mlp_out[:], at.resid_post[:], at.head_out[:], at.pattern[:]]
    run = model.run(ids, capture=sites, nan="allow")
    plain = anatomy.module(input_ids=ids.to(model.device)).logits
    scale = run[at.resid_post[:]].abs().max().float()
    total = run[at.embed]
    for layer in range(anatomy.n_layers):
        total = total + run[at.attn_out[layer]] + run[at.mlp_out[layer]]
        if (total - run[at.resid_post[layer]]).abs().max() > 1e-4 * scale:
            return f"the contributions do not add up to the stream after block {layer}"
    bias = getattr(anatomy.part(0, anatomy.family.out), "bias", None)
    written = run[at.head_out[0]].sum(2) + (0 if bias is None or anatomy.family.attn_post else bias)
    if (written - run[at.attn_out[0]]).abs().max() > 1e-4 * max(1.0, float(run[at.attn_out[0]].abs().max())):
        return "the heads do not add up to attention's output"
    if (run[at.pattern[:]].sum(-1) - 1).abs().max() > 1e-3:
        return "pattern rows do not sum to one"
    if (run.logits - plain).abs().max() > 1e-3 * plain.abs().max():
        return "the logits differ from the model's own"
    return ""
