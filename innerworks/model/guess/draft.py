"""From a trace, a record: which module of a block does what, told by names and by what flows between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from innerworks.model.anatomy import Experts, Family, Fused, Latent, LayerCase, Mixer, NormKind, Part, Setting, Split
from innerworks.model.guess.traced import Block, Trace, same

__all__ = ["drafts"]

_ATTENTION = ("self_attn", "attn", "attention", "self_attention", "multi_head_attention")
_MLP = ("mlp", "feed_forward", "ffn", "ff", "block_sparse_moe", "moe")
_BESIDE_MIXTURE = ("shared_mlp",)
_CROSS = ("encoder_attn", "crossattention", "cross_attn", "encoder_attention")
_Q = ("q_proj", "query", "q_lin", "wq", "query_proj")
_K = ("k_proj", "key", "k_lin", "wk", "key_proj")
_V = ("v_proj", "value", "v_lin", "wv", "value_proj")
_FUSED = ("qkv_proj", "query_key_value", "c_attn", "Wqkv", "qkv", "W_pack", "in_proj")
_OUT = ("o_proj", "out_proj", "dense", "c_proj", "wo", "Wo", "out_lin")
_UP = ("up_proj", "fc1", "c_fc", "fc_in", "dense_h_to_4h", "w3", "Wi", "lin1", "intermediate")
_GATE = ("gate_proj", "w1")
_BOTH = ("gate_up_proj", "gate_up", "input_linear")
_DOWN = ("down_proj", "fc2", "c_proj", "fc_out", "dense_4h_to_h", "w2", "output_linear", "Wo", "lin2")
_QK_NORMS = (("q_norm", "k_norm"), ("q_layernorm", "k_layernorm"), ("query_layernorm", "key_layernorm"))
_FINAL_NORM = ("norm", "ln_f", "final_layernorm", "final_layer_norm", "norm_f", "final_norm", "layer_norm")
_LAYOUTS = ("blocks", "per_head", "per_group", "shards_of_qvk")


def drafts(module: Any, traced: Trace) -> list[Family] | str:
    """The records a model may have, the likeliest first, or why none could be drawn up."""
    said = [_layer(block) for block in traced.blocks]
    reasons = [found for found in said if isinstance(found, str)]
    if reasons:
        return reasons[0]
    layers = [found for found in said if not isinstance(found, str)]
    cases = _cases(traced, layers)
    if isinstance(cases, str):
        return cases
    base = next((found for found in layers if found.get("has_attention", True)), layers[0])
    trunk = _trunk(module, traced)
    if isinstance(trunk, str):
        return trunk
    config = module.config.get_text_config(decoder=True)
    family = replace(
        Family(model_type=config.model_type, blocks=traced.path, guessed=True),
        **{"up": None, "gate": None, "down": None, **trunk, **base, **_experts(traced)},
        layers=cases,
        tuple_blocks=traced.tuples,
        sliding=Setting("sliding_window") if hasattr(config, "sliding_window") else None,
    )
    if isinstance(family.qkv, Fused):
        return [replace(family, qkv=Fused(family.qkv.path, layout)) for layout in _LAYOUTS]  # type: ignore[arg-type]
    return [family]


def _first(names: Iterable[str], among: Any) -> str | None:
    return next((name for name in names if name in among), None)


def _layer(block: Block) -> dict[str, Any] | str:
    """What a record says of one block."""
    children = {name: part for name, part in block.module._modules.items() if part is not None}
    norms = [name for name, part in children.items() if _is_norm(part)]
    crossing = _first(_CROSS, children)
    if crossing is not None:
        return f"its blocks have cross-attention ({crossing}), which writes to the stream too."
    attn = _first(_ATTENTION, children) or _only(children, "attention")
    mlp = _first(_MLP, children) or _only(children, "mlp", "feedforward", "moe")
    rest = [name for name in children if name not in (*norms, attn, mlp) and name in block.outputs]
    mixers = [name for name in rest if block.outputs[name].shape == block.outputs[""].shape]
    if attn is None and len(mixers) != 1:
        return f"a block has {', '.join(children)}, among which no attention and MLP are recognised."
    if mlp is None and attn is not None:
        return f"a block has {', '.join(children)}, among which no attention and MLP are recognised."
    found: dict[str, Any] = {"has_attention": attn is not None, "has_mlp": mlp is not None}
    if attn is None:
        after = block.reader_of(block.outputs[mixers[0]], norms) or ""
        found["mixer"] = Mixer(mixers[0], f"a {type(children[mixers[0]]).__name__}, which is no attention", after)
    else:
        found |= {"attn": attn, **_attention(attn, children[attn])}
    found |= _norms(block, attn or mixers[0], mlp, norms)
    if mlp is None:
        return found
    shared = _first(_BESIDE_MIXTURE, [name for name in rest if name != mlp])
    if shared is not None:  # it runs after the mixture, whose output it is added to
        return {**found, "mlp": shared, "mlp_adds": mlp, **_dense(shared, children[shared])}
    return {**found, "mlp": mlp, **_dense(mlp, children[mlp])}


def _only(children: dict[str, Any], *said: str) -> str | None:
    """The one child whose class is called so."""
    found = [name for name, part in children.items() if any(word in type(part).__name__.lower() for word in said)]
    return found[0] if len(found) == 1 else None


def _is_norm(part: Any) -> bool:
    return "norm" in type(part).__name__.lower() and not list(part.children())


def _norms(block: Block, mixer: str, mlp: str | None, norms: list[str]) -> dict[str, Any]:
    """The norms by what flows through them: before a half, or between it and the stream."""
    inputs, outputs = block.inputs, block.outputs
    found: dict[str, Any] = {
        "attn_norm": block.giver_of(inputs[mixer], norms) if mixer in inputs else None,
        "attn_post": block.reader_of(outputs[mixer], norms) if mixer in outputs else None,
        "mlp_norm": None,
        "mlp_post": None,
    }
    if mlp is not None and mlp in inputs and mlp in outputs:
        found["mlp_norm"] = block.giver_of(inputs[mlp], norms)
        found["mlp_post"] = block.reader_of(outputs[mlp], norms)
        reads = inputs.get(found["mlp_norm"] or mlp)
        found["parallel"] = same(reads, inputs.get("")) or found["mlp_norm"] == found["attn_norm"] is not None
    return found


def _attention(path: str, attn: Any) -> dict[str, Any]:
    """Where the projections of an attention module are, as far as names tell."""
    inside = {name: part for name, part in attn._modules.items() if part is not None}
    if len(inside) == 1 and not _first(_OUT, inside):  # a wrapper, as in GPT-Neo
        name, inner = next(iter(inside.items()))
        return {"attn": f"{path}.{name}", **_attention(f"{path}.{name}", inner)}
    q, k, v, out, fused = (_first(names, inside) for names in (_Q, _K, _V, _OUT, _FUSED))
    found: dict[str, Any] = {"out": "" if out is None else f"{path}.{out}", "qkv": Split("", "", "")}
    if q and k and v:
        found["qkv"] = Split(f"{path}.{q}", f"{path}.{k}", f"{path}.{v}")
    elif fused:
        found["qkv"] = Fused(f"{path}.{fused}", "blocks")
    if "kv_b_proj" in inside:  # keys and values are expanded from a latent vector
        wide = "q_b_proj" if "q_b_proj" in inside else "q_proj"
        found["qkv"] = Split(f"{path}.{wide}", f"{path}.kv_b_proj", f"{path}.kv_b_proj")
        found["latent"] = Latent(f"{path}.kv_b_proj")
    pair = next((pair for pair in _QK_NORMS if pair[0] in inside and pair[1] in inside), None)
    found["qk_norm"] = None if pair is None else (f"{path}.{pair[0]}", f"{path}.{pair[1]}")
    found["sinks"] = f"{path}.sinks" if "sinks" in attn._parameters else None
    return found


def _dense(path: str, mlp: Any) -> dict[str, Any]:
    """The projections of an MLP, as far as names tell; nothing for a mixture."""
    inside = {name: part for name, part in mlp._modules.items() if part is not None}
    up, gate, down, both = (_first(names, inside) for names in (_UP, _GATE, _DOWN, _BOTH))
    if down is None or (up is None and both is None) or "experts" in inside:
        return {}
    if both is not None:
        return {"up": Part(f"{path}.{both}", 1), "gate": Part(f"{path}.{both}", 0), "down": f"{path}.{down}"}
    return {"up": f"{path}.{up}", "gate": None if gate is None else f"{path}.{gate}", "down": f"{path}.{down}"}


def _experts(traced: Trace) -> dict[str, Any]:
    """A mixture on transformers' own interface for experts, where a block has one."""
    for block in traced.blocks:
        for name, part in block.module.named_modules():
            if hasattr(part, "_apply_gate") and getattr(part, "gate_up_proj", None) is not None:
                owner = name.rpartition(".")[0]
                siblings = block.module.get_submodule(owner)._modules
                router = next((r for r in ("gate", "router") if hasattr(siblings.get(r), "top_k")), None)
                if router is not None:
                    return {
                        "experts": Experts(f"{owner}.{router}", name, transposed=bool(part.is_transposed)),
                    }
    return {}


def _cases(traced: Trace, layers: list[dict[str, Any]]) -> tuple[LayerCase, ...] | str:
    """What is said of single layers, by a module that only they have."""
    dense = next((found for found in layers if "up" in found), {})
    filled = [{**{name: dense.get(name) for name in ("up", "gate", "down")}, **found} for found in layers]
    base = next((found for found in filled if found["has_attention"]), filled[0])
    modules = [{name for name, _ in block.module.named_modules()} for block in traced.blocks]
    out: list[LayerCase] = []
    for found in filled:
        changes = {name: value for name, value in found.items() if base.get(name) != value}
        if not changes or any(case.changes == changes for case in out):
            continue
        mine = [names for names, other in zip(modules, filled, strict=True) if other == found]
        theirs = [names for names, other in zip(modules, filled, strict=True) if other != found]
        marks = set.intersection(*mine) - set.union(*theirs) if theirs else set()
        if not marks:
            return "its layers differ in how they are built, and no module tells which is which."
        out.append(LayerCase(min(marks, key=len), changes))
    for found in layers:
        found.update({name: value for name, value in dense.items() if name in ("up", "gate", "down")})
    return tuple(out)


def _trunk(module: Any, traced: Trace) -> dict[str, Any] | str:
    """What lies around the blocks."""
    import torch

    stack = traced.path.rpartition(".")[0]
    parts = dict(module.get_submodule(stack).named_children())
    final = _first(_FINAL_NORM, {name for name, part in parts.items() if _is_norm(part)})
    block = traced.blocks[0]
    a_norm = next((part for part in block.module.children() if _is_norm(part)), parts.get(final or ""))
    kind = None if a_norm is None else _norm_kind(a_norm)
    if kind is None:
        return f"its norm, {type(a_norm).__name__}, is neither a LayerNorm nor an RMSNorm that we know."
    tokens = module.get_input_embeddings()
    places = [n for n, p in parts.items() if isinstance(p, torch.nn.Embedding) and p is not tokens]
    return {
        "final_norm": None if final is None else f"{stack}.{final}" if stack else final,
        "norm": kind,
        "pos_embed": f"{stack}.{places[0]}" if len(places) == 1 else None,
        "takes_positions": "position_ids" in _parameters(module),
        "rotary": any("rotary" in type(part).__name__.lower() for part in module.modules()),
    }


def _norm_kind(norm: Any) -> NormKind | None:
    """Which formula a norm module follows, found by running it."""
    import torch

    weight = getattr(norm, "weight", None)
    if weight is None and not list(norm.parameters()):
        weight = torch.ones(64)
    if weight is None or weight.dim() != 1:
        return None
    x = torch.linspace(-1, 2, 3 * weight.shape[0], device=weight.device, dtype=weight.dtype).view(3, -1).cos()
    out, bias = norm(x).double(), getattr(norm, "bias", None)
    out = out if bias is None else out - bias.double()
    x, gamma = x.double(), weight.double()
    centred = x - x.mean(-1, keepdim=True)
    formulas: dict[NormKind, Any] = {
        "layer": centred / centred.pow(2).mean(-1, keepdim=True).sqrt() * gamma,
        "rms": x / x.pow(2).mean(-1, keepdim=True).sqrt() * gamma,
        "rms_plus_one": x / x.pow(2).mean(-1, keepdim=True).sqrt() * (1 + gamma),
        "layer_plus_one": centred / centred.pow(2).mean(-1, keepdim=True).sqrt() * (1 + gamma),
    }
    scale = max(1.0, float(out.abs().max()))
    return next((kind for kind, y in formulas.items() if (y - out).abs().max() < 1e-2 * scale), None)


def _parameters(module: Any) -> set[str]:
    import inspect

    return set(inspect.signature(type(module).forward).parameters)
