"""A drafted record held against the model's own numbers: what must hold, and what is offered only where it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from innerworks.errors import InnerworksError
from innerworks.model.anatomy import Anatomy, Family, Setting
from innerworks.model.guess.traced import probe
from innerworks.model.model import Model
from innerworks.model.sites import Site, at

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAILURES", "Contradiction", "factor", "held_against", "near"]

FAILURES = (InnerworksError, RuntimeError, AttributeError, TypeError, ValueError, KeyError, IndexError)
"""What running a model under a wrong record may raise."""
_CAPS = (Setting("final_logit_softcapping"), Setting("logits_soft_cap"))
_STREAM = ("embed", "resid_mid", "resid_post", "attn_out", "mixer_out", "mlp_out")


class Contradiction(InnerworksError):
    """What speaks against a drafted record."""


def held_against(module: Any, draft: Family) -> Family:
    """The record with what was measured filled in, or a `Contradiction`."""
    found = _scaled(module, draft)
    _check_stream(Model(module, anatomy=Anatomy(module, found)))
    _check_causal(module, found)
    found = _with_logits(module, _with_embedding(module, found))
    return _with_padding(module, found)


def near(a: Tensor, b: Tensor, allowed: float = 1e-3) -> bool:
    """Whether two tensors differ by no more than a share of the larger numbers in the second."""
    return a.shape == b.shape and bool(
        (a.double() - b.double()).abs().max() <= allowed * max(1.0, float(b.abs().max()))
    )


def factor(whole: Tensor, part: Tensor) -> float | None:
    """The number that turns `part` into `whole` everywhere, if there is one."""
    size = float(part.double().pow(2).sum())
    if size == 0.0:
        return None
    found = float((whole.double() * part.double()).sum() / size)
    if not (whole.double() - part.double() * found).abs().max() <= 1e-3 * whole.abs().max():
        return None
    return 1.0 if abs(found - 1) < 1e-4 else found


def _scaled(module: Any, draft: Family) -> Family:
    """The record with the residual multiplier, the same for all halves of all blocks."""
    model = Model(module, anatomy=Anatomy(module, draft))
    run = model.run(probe(module), capture=_sites(model, (*_STREAM, "resid_pre")), nan="allow")
    multipliers = set()
    for layer in range(model.n_layers):
        before, after = run[at.resid_pre[layer]], run[at.resid_post[layer]]
        if before.shape != after.shape or before.shape[-1] != model.d_model or before.dim() != 3:
            raise Contradiction("its blocks do not pass on one stream of the model's width")
        mixed = [run[kind[layer]] for kind in (at.attn_out, at.mixer_out) if layer in model.layers_with(kind.name)]
        thought = [run[at.mlp_out[layer]]] if layer in model.layers_with("mlp_out") else []
        if layer in model.layers_with("resid_mid"):
            middle = run[at.resid_mid[layer]]
            if middle.shape != before.shape:
                raise Contradiction(f"the MLP of block {layer} does not read the stream that attention has written to")
            multipliers |= {factor(middle - before, sum(mixed)), factor(after - middle, sum(thought))}
        else:
            multipliers.add(factor(after - before, sum(mixed + thought)))
    known = [m for m in multipliers if m is not None]
    if len(known) != len(multipliers) or max(known) - min(known) > 1e-3 * max(map(abs, known)):
        raise Contradiction("the contributions of its blocks do not add up to the stream")
    return replace(draft, residual_scale=known[0])


def _sites(model: Model, kinds: tuple[str, ...]) -> list[Site]:
    missing = model.anatomy.missing
    layered = [Site(kind)[layer] for kind in kinds if Site(kind).kind.layered for layer in model.layers_with(kind)]
    return layered + [Site(kind) for kind in kinds if kind not in missing and not Site(kind).kind.layered]


def _check_stream(model: Model) -> None:
    run = model.run(probe(model.module), capture=_sites(model, _STREAM), nan="allow")
    total = run[at.embed]
    allowed = 1e-4 * max(float(run[at.resid_post[layer]].abs().max()) for layer in range(model.n_layers))
    for layer in range(model.n_layers):
        for kind in (at.attn_out, at.mixer_out):
            total = total + run[kind[layer]] if layer in model.layers_with(kind.name) else total
        between = layer in model.layers_with("resid_mid")
        if between and not (total - run[at.resid_mid[layer]]).abs().max() <= allowed:
            raise Contradiction(f"the MLP of block {layer} does not read the stream that attention has written to")
        total = total + run[at.mlp_out[layer]] if layer in model.layers_with("mlp_out") else total
        off = (total - run[at.resid_post[layer]]).abs().max()
        if not off <= allowed:
            raise Contradiction(f"the contributions do not add up to the stream after block {layer}")
        total = run[at.resid_post[layer]]


def _check_causal(module: Any, family: Family) -> None:
    """What comes later must not reach back: sweeps and padding stand on that."""
    model = Model(module, anatomy=Anatomy(module, family))
    ids = probe(module)
    other = ids.clone()
    other[:, -1] = ids[:, 0]
    one, two = model.run(ids, logits="all").logits, model.run(other, logits="all").logits
    if not (one - two)[:, :-1].abs().max() <= 1e-3 * one.abs().max():
        raise Contradiction("a later token changes what the model says before it")
    alone = model.run(ids[:, :4]).logits
    rows = model.run([ids[0].tolist(), ids[0, :4].tolist()]).logits
    if not (rows[1, :4] - alone[0]).abs().max() <= 1e-3 * alone.abs().max():
        raise Contradiction("a row padded on the right is not what it is alone")


def _with_embedding(module: Any, family: Family) -> Family:
    model = Model(module, anatomy=Anatomy(module, family))
    kinds = ("embed", "token_embed", "pos_embed")
    run = model.run(probe(module), capture=_sites(model, kinds), nan="allow")
    embed, tokens = run[at.embed], run[at.token_embed]
    if not tokens.equal(model.anatomy.embedding(probe(module))):
        over = "the model changes the embeddings in place after giving them"
        return replace(family, pos_embed=None, no_circuits=_NOT_TOLD, absent={**family.absent, "token_embed": over})
    if embed.shape != tokens.shape:
        return replace(family, pos_embed=None, no_circuits=_NOT_TOLD)
    if family.pos_embed is not None:
        places = run[at.pos_embed]
        scale = factor(embed - places, tokens) if places.shape[1:] == embed.shape[1:] else None
        return replace(family, pos_embed=None, no_circuits=_NOT_TOLD) if scale is None else _embedded(family, scale)
    scale = factor(embed, tokens)
    return replace(family, no_circuits=_NOT_TOLD) if scale is None else _embedded(family, scale)


_NOT_TOLD = "a guess could not tell how the embeddings enter the stream"


def _embedded(family: Family, scale: float) -> Family:
    return replace(family, embed_scale=scale)


def _with_logits(module: Any, family: Family) -> Family:
    model = Model(module, anatomy=Anatomy(module, family))
    plain = module(input_ids=probe(module), use_cache=False).logits
    run = model.run(probe(module), capture=_sites(model, ("final_norm",)), nan="allow")
    if not (run.logits - plain).abs().max() <= 1e-3 * plain.abs().max():
        raise Contradiction("the logits differ from the model's own")
    if "final_norm" in model.anatomy.missing:
        return family
    given = model.anatomy.unembedding(run[at.final_norm].to(model.dtype))
    scale = factor(plain, given)
    for setting in _CAPS:
        cap = setting.of(model.anatomy.config)
        if scale is None and cap and (scale := factor((plain.double() / cap).atanh() * cap, given)) is not None:
            family = replace(family, logit_softcap=setting)
    if scale is None:
        raise Contradiction("the logits are not a multiple of what the unembedding gives")
    return replace(family, logit_scale=scale)


def _with_padding(module: Any, family: Family) -> Family:
    """The record, saying so if tokens before a prompt reach into it."""
    model = Model(module, anatomy=Anatomy(module, family))
    ids = probe(module)[0].tolist()
    try:
        alone = model.run([ids[:4]]).logits
        batch = model.batch([ids, ids[:4]], padding="left")
        off = (model.run(batch).logits[1, -4:] - alone[0]).abs().max()
    except FAILURES as error:
        return replace(family, left_padding=f"it does not run on them ({type(error).__name__})")
    if off <= 1e-3 * alone.abs().max():
        return family
    return replace(family, left_padding="measured, they change what the model says of the prompt")
