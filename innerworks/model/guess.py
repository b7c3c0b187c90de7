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
from innerworks.model.anatomy import Anatomy, Family, NormKind, Setting, Split
from innerworks.model.model import Model
from innerworks.model.sites import Site, at

__all__ = ["guess", "recognised"]

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

    reason = ""
    with torch.no_grad():
        found = _record(module)
        if isinstance(found, str):
            return None, found
        for parallel in (False, True):
            try:
                anatomy = Anatomy(module, replace(found, parallel=parallel))
                measured = _Measured(anatomy)
                reason = measured.contradiction()
            except (InnerworksError, RuntimeError, AttributeError, TypeError, ValueError, KeyError) as error:
                reason = f"{type(error).__name__}: {error}"
            if not reason:
                scaled = replace(anatomy.family, embed_scale=measured.embed_scale, logit_scale=measured.logit_scale)
                return Anatomy(module, scaled), ""
    return None, f"the guess does not hold on the model itself ({reason})."


def recognised(anatomy: Anatomy) -> str:
    """What a guess has found, in a sentence, and what it cannot know."""
    f = anatomy.family
    shape = "parallel" if anatomy.parallel else "sequential"
    mlp = f"{f.mlp} ({'gated' if f.gate else 'plain'}{'' if f.down else ', neurons not recognised'})"
    after = f", each followed by {f.attn_post} and {f.mlp_post}" if f.attn_post else ""
    return (
        f"innerworks has no record of {f.model_type!r} and guessed one: {anatomy.n_layers} {shape} blocks at "
        f"{f.blocks}, attention {f.attn}, MLP {mlp}, norms {f.attn_norm}, {f.mlp_norm} and {f.final_norm} ({f.norm})"
        f"{after}. It was checked on the model's own numbers: contributions, heads, patterns, embedding and logits. "
        "The weights' QK circuits and experts need a tested record."
    )


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
    a_norm = next((block[n] for n in (first, second) if n is not None), trunk.get(final or ""))
    kind = None if a_norm is None else _norm_kind(a_norm)
    if kind is None:
        return f"its norm, {type(a_norm).__name__}, is neither a LayerNorm nor an RMSNorm that we know."
    q, k, v, out = (f"{attn}.{p}" for p in projections)
    return Family(
        model_type=config.model_type,
        blocks=path,
        final_norm=None if final is None else f"{path.rpartition('.')[0]}.{final}",
        attn=attn,
        mlp=mlp,
        attn_norm=first,
        qkv=Split(q, k, v),
        out=out,
        up=None if up is None else f"{mlp}.{up}",
        gate=None if gate is None or up is None else f"{mlp}.{gate}",
        down=None if down is None else f"{mlp}.{down}",
        norm=kind,
        sliding=Setting("sliding_window") if hasattr(config, "sliding_window") else None,
        qk_norm=(f"{attn}.q_norm", f"{attn}.k_norm") if "q_norm" in inside else None,
        rotary="position_embeddings" in _parameters(block[attn]),
        guessed=True,
        **_after_the_first(norms, second),
    )


def _after_the_first(norms: Sequence[str], second: str | None) -> dict[str, Any]:
    """The norms past the first: before the MLP, or Gemma's three more, or OLMo's two that both come after."""
    if {"pre_feedforward_layernorm", "post_feedforward_layernorm"} <= set(norms):
        return {
            "attn_post": "post_attention_layernorm",
            "mlp_norm": "pre_feedforward_layernorm",
            "mlp_post": "post_feedforward_layernorm",
        }
    if "post_feedforward_layernorm" in norms:
        return {"attn_post": second, "mlp_norm": None, "mlp_post": "post_feedforward_layernorm"}
    return {"mlp_norm": second}


def _norm_kind(norm: Any) -> NormKind | None:
    """Which formula a norm module follows, found by running it."""
    import torch

    weight = getattr(norm, "weight", None)
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
    }
    scale = max(1.0, float(out.abs().max()))
    return next((kind for kind, y in formulas.items() if (y - out).abs().max() < 1e-2 * scale), None)


def _parameters(module: Any) -> set[str]:
    import inspect

    return set(inspect.signature(type(module).forward).parameters)


class _Measured:
    """The model's own numbers on a few tokens, held against a record."""

    def __init__(self, anatomy: Anatomy) -> None:
        import torch

        self.anatomy = anatomy
        self.embed_scale = self.logit_scale = 1.0
        model = Model(anatomy.module, anatomy=anatomy)
        self.ids = (torch.arange(2, 8)[None] % anatomy.n_vocab).to(model.device)
        sites = [
            at.token_embed,
            at.embed,
            at.attn_out[:],
            at.mlp_out[:],
            at.resid_post[:],
            at.head_out[:],
            at.pattern[:],
            at.z[0],
            at.v[0],
        ]
        sites += [site for site in (at.resid_mid[:], at.final_norm, at.norm_scale["attn", :]) if self._has(site)]
        self.run = model.run(self.ids, capture=sites, nan="allow")

    def _has(self, site: Site) -> bool:
        return site.name not in self.anatomy.missing

    def contradiction(self) -> str:
        """What speaks against the record; empty if nothing."""
        checks = (self._embedding, self._stream, self._heads, self._patterns, self._logits)
        return next((reason for reason in (check() for check in checks) if reason), "")

    def _embedding(self) -> str:
        scale = _factor(self.run[at.embed], self.run[at.token_embed])
        if scale is None:
            return "what enters block 0 is not a multiple of the token embeddings"
        self.embed_scale = scale
        return ""

    def _stream(self) -> str:
        run, total = self.run, self.run[at.embed]
        allowed = 1e-4 * float(run[at.resid_post[:]].abs().max())
        for layer in range(self.anatomy.n_layers):
            total = total + run[at.attn_out[layer]]
            if self._has(at.resid_mid) and (total - run[at.resid_mid[layer]]).abs().max() > allowed:
                return f"the MLP of block {layer} does not read the stream that attention has written to"
            total = total + run[at.mlp_out[layer]]
            if (total - run[at.resid_post[layer]]).abs().max() > allowed:
                return f"the contributions do not add up to the stream after block {layer}"
        return ""

    def _heads(self) -> str:
        family, written = self.anatomy.family, self.run[at.head_out[0]].sum(2)
        bias = getattr(self.anatomy.part(0, family.out), "bias", None)
        if bias is not None and family.attn_post is None:
            written = written + bias
        out = self.run[at.attn_out[0]]
        wrong = (written - out).abs().max() > 1e-4 * max(1.0, float(out.abs().max()))
        return "the heads do not add up to attention's output" if wrong else ""

    def _patterns(self) -> str:
        pattern, z = self.run[at.pattern[:]].float(), self.run[at.z[0]].float()
        if (pattern.sum(-1) - 1).abs().max() > 1e-3:
            return "pattern rows do not sum to one"
        shared = self.anatomy.n_heads // self.anatomy.n_kv_heads
        v = self.run[at.v[0]].float().repeat_interleave(shared, 2)
        mixed = (pattern[0].unsqueeze(-1) * v.permute(0, 2, 1, 3).unsqueeze(2)).sum(3).transpose(1, 2)
        wrong = (mixed - z).abs().max() > 1e-3 * max(1.0, float(z.abs().max()))
        return "the pattern does not mix the values into what the heads put out" if wrong else ""

    def _logits(self) -> str:
        plain = self.anatomy.module(input_ids=self.ids).logits
        if (self.run.logits - plain).abs().max() > 1e-3 * plain.abs().max():
            return "the logits differ from the model's own"
        if not self._has(at.final_norm):
            return ""
        scale = _factor(plain, self.anatomy.unembedding(self.run[at.final_norm]))
        if scale is None:
            return "the logits are not a multiple of what the unembedding gives"
        self.logit_scale = scale
        return ""


def _factor(whole: Any, part: Any) -> float | None:
    """The number that turns `part` into `whole` everywhere, if there is one."""
    factor = float((whole.double() * part.double()).sum() / part.double().pow(2).sum())
    off = (whole - part * factor).abs().max() > 1e-3 * whole.abs().max()
    if off:
        return None
    return 1.0 if abs(factor - 1) < 1e-4 else factor
