"""Which of the finer places a guess may offer: those whose numbers explain one another; the others are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from innerworks.model import edits as edit
from innerworks.model.anatomy import Anatomy, Family, Part
from innerworks.model.guess.measured import FAILURES, Contradiction, near
from innerworks.model.guess.mixtures import EXPERTS, WRITES, check_experts, check_writes, with_shared
from innerworks.model.guess.traced import probe
from innerworks.model.model import Model
from innerworks.model.sites import KINDS, Site, at

if TYPE_CHECKING:
    pass

__all__ = ["confirmed"]

_STREAM = ("embed", "resid_pre", "resid_post", "attn_out", "mixer_out", "mlp_out", "logits")
_INSIDE = ("scores", "pattern")
_ROTATED = ("q_rot", "k_rot")
_HEADS = ("q", "k", "v", "z", "head_out")
_NEURONS = ("neuron_pre", "gate", "neurons")


def confirmed(module: Any, family: Family) -> Family:
    """The record, less the places that could not be confirmed, each group with the reason."""
    swapped = family
    for group, check in _CHECKS:
        why = _contradiction(module, swapped, check)
        other = _OTHERWISE[group](swapped) if why and group in _OTHERWISE else swapped
        if other is not swapped and not _contradiction(module, other, check):
            swapped, why = other, ""
        if why:
            absent = {kind: f"a guess could not confirm it ({why})" for kind in group if kind not in swapped.absent}
            swapped = replace(swapped, absent={**swapped.absent, **absent})
    return _written_back(module, with_shared(module, swapped))


def _written_back(module: Any, family: Family) -> Family:
    """The record, less what changes the logits when it is written back as it was read: the model uses that module
    more than once, or goes on to change what it gave."""
    model, ids = Model(module, anatomy=Anatomy(module, family)), probe(module)
    sites = {name: _everywhere(model, name) for name in KINDS if name != "module" and name not in model.anatomy.missing}
    run = model.run(ids, capture=[site for of_a_kind in sites.values() for site in of_a_kind], nan="allow")
    moving = []
    for name, of_a_kind in sites.items():
        try:
            again = model.run(ids, edits=[edit.set(site, run[site]) for site in of_a_kind], nan="allow")
        except FAILURES:
            moving.append(name)
            continue
        if not near(again.logits, run.logits):
            moving.append(name)
    needed = [kind for kind in moving if kind in _STREAM]
    if needed:
        raise Contradiction(f"writing back {', '.join(needed)} as it was read changes the logits")
    absent = dict.fromkeys(moving, "a guess could not confirm it (written back as it was read, it changes the logits)")
    return replace(family, absent={**family.absent, **absent}) if moving else family


def _everywhere(model: Model, kind: str) -> list[Site]:
    return [Site(kind)[layer] for layer in model.layers_with(kind)] if KINDS[kind].layered else [Site(kind)]


def _other_way(family: Family) -> Family:
    """The record with the gate and the linear branch the other way round."""
    return replace(family, up=family.gate, gate=family.up) if family.gate is not None else family


def _no_column(family: Family) -> Family:
    """The record of sinks that take their share outside the softmax."""
    return replace(family, sinks=None) if family.sinks is not None else family


def _contradiction(module: Any, family: Family, check: Callable[[Model, Any], None]) -> str:
    try:
        check(Model(module, anatomy=Anatomy(module, family)), probe(module))
    except Contradiction as error:
        return str(error)
    except FAILURES as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:120]
    return ""


def _read(model: Model, ids: Any, *kinds: str) -> Any:
    sites = [Site(kind)[layer] for kind in kinds for layer in model.layers_with(kind)]
    return model.run(ids, capture=sites, nan="allow")


def _untouched(*kinds: str) -> Callable[[Model, Any], None]:
    """A check that looking into attention leaves the logits what they are, also past the reach of sparse attention."""

    def check(model: Model, ids: Any) -> None:
        ids = probe(model.module, max(ids.shape[1], _past_reach(model.anatomy.config)))
        plain = model.run(ids, nan="allow").logits
        for kind in kinds:
            if kind not in model.anatomy.missing and not near(_read(model, ids, kind).logits, plain):
                raise Contradiction(f"reading {kind} changes the logits")

    return check


def _past_reach(config: Any) -> int:
    """A length that is more than any number of keys the config lets attention choose from; 0 if that is too long."""
    settings = [(name, value) for name, value in config.to_dict().items() if type(value) is int]
    named = [value for name, value in settings if any(word in name for word in _REACH)]
    longest = min(_LONGEST_PROBE, getattr(config, "max_position_embeddings", None) or _LONGEST_PROBE)
    return max((value + 2 for value in named if value + 2 <= longest), default=0)


_REACH = ("topk", "window", "block_size", "chunk_size")
_LONGEST_PROBE = 160


def _patterns(model: Model, ids: Any) -> None:
    """Rows of the pattern are the softmax of the scores, over keys that came before."""
    run, n = _read(model, ids, *_INSIDE), ids.shape[1]
    for layer in model.layers_with("pattern"):
        pattern, scores = run[at.pattern[layer]].double(), run[at.scores[layer]].double()
        if pattern.shape != (1, model.n_heads, n, n):
            raise Contradiction(f"patterns of shape {tuple(pattern.shape)} for {model.n_heads} heads")
        sums = pattern.sum(-1)
        if not pattern.isfinite().all() or (pattern.triu(1).abs() > 1e-6).any() or (sums > 1 + 1e-3).any():
            raise Contradiction("patterns see the future, or sum to more than one")
        if model.anatomy.in_layer(layer).sinks is None and (sums - 1).abs().max() > 1e-3:
            raise Contradiction("pattern rows do not sum to one")
        shared = scores.softmax(-1) * sums[..., None]
        if not near(shared, pattern):
            raise Contradiction("patterns are not the softmax of the scores")


def _rotated(model: Model, ids: Any) -> None:
    run = _read(model, ids, *_ROTATED)
    for name in _ROTATED:
        heads = model.n_heads if name == "q_rot" else model.n_kv_heads
        for layer in model.layers_with(name):
            if run[Site(name)[layer]].shape != (1, ids.shape[1], heads, model.d_head):
                raise Contradiction(f"{name} has another shape than the config's heads")


def _values(model: Model, ids: Any) -> None:
    """The pattern mixes the values into what the output projection reads, and that makes attention's output."""
    if model.family.out == "":
        raise Contradiction("its output projection was not recognised")
    if "v" in model.anatomy.missing or "pattern" in model.anatomy.missing:
        raise Contradiction("its values or patterns were not recognised")
    run = _read(model, ids, "pattern", "v", "z", "head_out", "attn_out")
    for layer in model.layers_with("z"):
        pattern, z, v = run[at.pattern[layer]], run[at.z[layer]], run[at.v[layer]]
        v = v.repeat_interleave(model.n_heads // v.shape[2], 2)
        if not near((pattern.to(v)[0].unsqueeze(-1) * v.permute(0, 2, 1, 3).unsqueeze(2)).sum(3).transpose(1, 2), z):
            raise Contradiction("the pattern does not mix the values into what the heads put out")
        family = model.anatomy.in_layer(layer)
        bias = getattr(model.anatomy.part(layer, family.out), "bias", None)
        written = run[at.head_out[layer]].sum(2)
        if bias is not None:
            if family.attn_post is not None:
                raise Contradiction("a bias stands between the heads and the norm after them")
            written = written + bias * model.anatomy.scale_of(layer, "attn")
        if not near(written, run[at.attn_out[layer]]):
            raise Contradiction("the heads do not add up to attention's output")


def _queries(model: Model, ids: Any) -> None:
    """Rotation keeps the length of a query and a key, after their norms where they have some."""
    _values(model, ids)
    if any(name in model.anatomy.missing for name in _ROTATED):
        if model.family.rotary or model.family.qk_norm is not None:
            raise Contradiction("queries and keys as attention uses them cannot be seen beside them")
        _products(model, ids)
        return
    run = _read(model, ids, "q", "k", *_ROTATED)
    for at_projection, as_used, which in (("q", "q_rot", 0), ("k", "k_rot", 1)):
        for layer in model.layers_with(at_projection):
            given = run[Site(at_projection)[layer]]
            if model.family.qk_norm is not None:
                norm: Any = model.anatomy.part(layer, model.anatomy.in_layer(layer).qk_norm[which])  # type: ignore[index]
                flat = norm.weight.shape[0] == given.shape[2] * given.shape[3]
                given = norm(given.flatten(2)).reshape(given.shape) if flat else norm(given)
            if not near(given.norm(dim=-1), run[Site(as_used)[layer]].norm(dim=-1)):
                raise Contradiction(f"{as_used} is not {at_projection}, rotated")


def _products(model: Model, ids: Any) -> None:
    """Without rotation the scores are products of queries and keys, up to one number and what a row shares."""
    import torch

    run = _read(model, ids, "q", "k", "scores")
    for layer in model.layers_with("q"):
        q, k = run[at.q[layer]].double(), run[at.k[layer]].double()
        k = k.repeat_interleave(model.n_heads // k.shape[2], 2)
        product, scores = torch.einsum("bqhd,bkhd->bhqk", q, k), run[at.scores[layer]].double()
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        a, b = product[..., seen], scores[..., seen]
        scale = float((a * b).sum() / a.pow(2).sum())
        if not near(a * scale, b):
            raise Contradiction("the scores are not products of queries and keys")


def _neurons(model: Model, ids: Any) -> None:
    """The gate's activation times the linear branch are the neurons, and the last projection makes the output."""
    if model.family.down is None or not model.anatomy.dense_layers:
        raise Contradiction("its neurons were not recognised")
    run = _read(model, ids, *(kind for kind in _NEURONS if kind not in model.anatomy.missing), "mlp_in")
    for layer in model.layers_with("neurons"):
        family = model.anatomy.in_layer(layer)
        mlp: Any = model.anatomy.part(layer, family.mlp)
        neurons, up = run[at.neurons[layer]], run[at.neuron_pre[layer]]
        act = next((getattr(mlp, name) for name in _ACTIVATIONS if callable(getattr(mlp, name, None))), None)
        if act is None:
            raise Contradiction("its activation was not recognised")
        made = act(up) if family.gate is None else act(run[at.gate[layer]]) * up
        down: Any = model.anatomy.part(layer, family.down or "")
        if not near(made, neurons):
            raise Contradiction("the neurons are not the activation of what was taken for them")
        output = mlp(run[at.mlp_in[layer]])
        output = output[0] if isinstance(output, tuple) else output
        if not near(down(neurons), output):
            raise Contradiction("the neurons' projection is not the MLP's output")
        assert not isinstance(family.down, Part)


_ACTIVATIONS = ("act_fn", "act", "activation_fn", "activation", "hidden_act")


_OTHERWISE = {_NEURONS: _other_way, _INSIDE: _no_column}
"""What else a record may say of a group, where the first draft does not hold."""
_CHECKS: tuple[tuple[tuple[str, ...], Callable[[Model, Any], None]], ...] = (
    (_INSIDE, _untouched(*_INSIDE)),
    (_INSIDE, _patterns),
    (_ROTATED, _untouched(*_ROTATED)),
    (_ROTATED, _rotated),
    (("v", "z", "head_out"), _values),
    (("q", "k"), _queries),
    (_NEURONS, _neurons),
    (EXPERTS, check_experts),
    (WRITES, check_writes),
)
