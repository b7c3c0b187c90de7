"""Which tensor of which module a site is: the one place that reads a family's record to find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from innerworks.model.anatomy.modules import has_module
from innerworks.model.anatomy.record import Fused, Part
from innerworks.model.sites import Site
from innerworks.model.taps import codecs as c
from innerworks.model.taps.expert_points import EXPERT_BUILDERS
from innerworks.model.taps.point import Builder, Need, Place, Point

if TYPE_CHECKING:
    from innerworks.model.anatomy import Anatomy

__all__ = ["point_of"]


def point_of(site: Site, anatomy: Anatomy) -> Point:
    """The tensor a concrete site is, in this model; found once for each kind and layer."""
    layer = site.layer if isinstance(site.layer, int) else 0
    known = anatomy.points.get((site.name, layer))
    if known is None:
        known = _found(site, anatomy, layer)
        if site.name != "module":
            anatomy.points[site.name, layer] = known
    return known


def _found(site: Site, anatomy: Anatomy, layer: int) -> Point:
    if site.name == "module":
        module = anatomy.module.get_submodule(site.path)
        over = anatomy.is_written_over(module)
        return Point(module, "input" if site.end == "input" else "output", c.Tokens(), (), written_over=over)
    if site.name in ("q", "k", "v"):
        return _projection(site, anatomy, layer)
    return _BUILDERS[site.name](anatomy, layer, site.kind.dims)


def _projection(site: Site, anatomy: Anatomy, layer: int) -> Point:
    qkv, which = anatomy.in_layer(layer).qkv, "qkv".index(site.name)
    heads = anatomy.n_heads if which == 0 else anatomy.n_kv_heads
    if isinstance(qkv, Fused):
        slots = qkv.slots(site.name, anatomy.n_heads, anatomy.n_kv_heads)
        return Point(anatomy.part(layer, qkv.path), "output", c.Slots(slots, anatomy.d_head), site.kind.dims)
    latent = anatomy.family.latent
    if latent is not None and site.name == "v":
        codec = c.LatentValues(anatomy.n_heads, latent.key.of(anatomy.config))
        return Point(anatomy.part(layer, latent.path), "output", codec, site.kind.dims)
    module = anatomy.part(layer, (qkv.q, qkv.k, qkv.v)[which])
    if qkv.gated and site.name == "q":
        queries = list(range(0, 2 * heads, 2))
        return Point(module, "output", c.Slots(queries, anatomy.d_head), site.kind.dims)
    return Point(module, "output", c.Heads(heads), site.kind.dims)


def _part(place: Place, path: Callable[[Any], str | None], codec: Callable[[Anatomy], c.Codec]) -> Builder:
    def build(anatomy: Anatomy, layer: int, dims: tuple[str, ...]) -> Point:
        found = path(anatomy.in_layer(layer))
        assert found is not None
        return Point(anatomy.part(layer, found), place, codec(anatomy), dims)

    return build


def _top(place: Place, module: Callable[[Anatomy], Any]) -> Builder:
    return lambda anatomy, layer, dims: Point(module(anatomy), place, c.Tokens(), dims)


def _tokens(anatomy: Anatomy) -> c.Codec:
    return c.Tokens()


def _norm_scale(norm: Callable[[Anatomy, int], Any]) -> Builder:
    def build(anatomy: Anatomy, layer: int, dims: tuple[str, ...]) -> Point:
        module = norm(anatomy, layer)
        family = anatomy.family
        codec = c.NormScale(module, family.norm.startswith("layer"), family.norm_eps)
        return Point(module, "output", codec, dims, needs=(Need(module),))

    return build


def _head_out(anatomy: Anatomy, layer: int, dims: tuple[str, ...]) -> Point:
    family = anatomy.in_layer(layer)
    out = anatomy.part(layer, family.out)
    post = None if family.attn_post is None else anatomy.part(layer, family.attn_post)
    offset = 1.0 if family.norm == "rms_plus_one" else 0.0
    codec = c.HeadWrites(out, anatomy.n_heads, anatomy.scale_of(layer, "attn"), post, offset)
    needs = (Need(out),) if post is None else (Need(out), Need(post))
    return Point(anatomy.part(layer, family.attn_contribution), "output", codec, dims, needs=needs)


def _mlp_out(anatomy: Anatomy, layer: int, dims: tuple[str, ...]) -> Point:
    family, scale = anatomy.in_layer(layer), anatomy.scale_of(layer, "mlp")
    module = anatomy.part(layer, family.mlp_contribution)
    if family.mlp_adds is not None and has_module(anatomy.blocks[layer], family.mlp_adds):
        other = anatomy.part(layer, family.mlp_adds)
        return Point(module, "output", c.Summed(other, scale), dims, needs=(Need(other, "output"),))
    codec = c.Tokens(scale)
    return Point(module, "output", codec, dims, written_over=anatomy.is_written_over(module))


def _mlp_in(anatomy: Anatomy, layer: int, dims: tuple[str, ...]) -> Point:
    family = anatomy.in_layer(layer)
    if family.mlp_adds is not None and family.mlp_norm is not None:  # two modules read what the norm gives
        return Point(anatomy.part(layer, family.mlp_norm), "output", c.Tokens(), dims)
    return Point(anatomy.part(layer, family.mlp), "input", c.Tokens(), dims)


def _attn_out(anatomy: Anatomy, layer: int, dims: tuple[str, ...]) -> Point:
    module = anatomy.part(layer, anatomy.in_layer(layer).attn_contribution)
    return Point(module, "output", c.Tokens(anatomy.scale_of(layer, "attn")), dims)


def _mixer_out(anatomy: Anatomy, layer: int, dims: tuple[str, ...]) -> Point:
    mixer = anatomy.in_layer(layer).mixer
    assert mixer is not None
    module = anatomy.part(layer, mixer.writes or mixer.path)
    return Point(module, "output", c.Tokens(anatomy.scale_of(layer, "mixer")), dims)


def _sinks(hidden: bool) -> Callable[[Anatomy, int], c.Codec]:
    def make(anatomy: Anatomy, layer: int) -> c.Codec:
        path = anatomy.in_layer(layer).sinks
        if path is None:
            return c.Edges(anatomy.n_heads)
        owner, _, name = path.rpartition(".")
        module = anatomy.part(layer, owner)
        if getattr(module, name, None) is None:  # some layers have none
            return c.Edges(anatomy.n_heads)
        return c.Sinks((lambda: getattr(module, name)) if hidden else None)

    return make


def _attention(place: Place, codec: Callable[[Anatomy, int], c.Codec]) -> Builder:
    def build(anatomy: Anatomy, layer: int, dims: tuple[str, ...]) -> Point:
        return Point(anatomy.part(layer, anatomy.in_layer(layer).attn), place, codec(anatomy, layer), dims)

    return build


def _hidden(anatomy: Anatomy, layer: int) -> c.Codec:
    return c.Hidden()


def _branch(which: str) -> Builder:
    def build(anatomy: Anatomy, layer: int, dims: tuple[str, ...]) -> Point:
        found = getattr(anatomy.in_layer(layer), which)
        if isinstance(found, Part):
            return Point(anatomy.part(layer, found.path), "output", c.Half(found.half), dims)
        return Point(anatomy.part(layer, found), "output", c.Tokens(), dims)

    return build


def _mid_reader(family: Any) -> str:
    return str(family.mlp_norm or family.mlp)


_BUILDERS: dict[str, Builder] = {
    "token_embed": _top("output", lambda a: a.embedding),
    "pos_embed": _top("output", lambda a: a.module.get_submodule(a.family.pos_embed)),
    "embed": _top("input", lambda a: a.blocks[0]),
    "resid_pre": lambda a, layer, dims: Point(a.blocks[layer], "input", c.Tokens(), dims),
    "resid_mid": _part("in_place", _mid_reader, _tokens),
    "resid_post": lambda a, layer, dims: Point(a.blocks[layer], "output", c.Tokens(), dims),
    "attn_in": _part("input", lambda f: f.attn, _tokens),
    "mlp_in": _mlp_in,
    "final_norm": _top("output", lambda a: a.final_norm),
    "norm_scale.attn": _norm_scale(lambda a, layer: a.part(layer, a.in_layer(layer).attn_norm or "")),
    "norm_scale.mlp": _norm_scale(lambda a, layer: a.part(layer, a.in_layer(layer).mlp_norm or "")),
    "norm_scale.final": _norm_scale(lambda a, layer: a.final_norm),
    "q_rot": _attention("q_rot", _hidden),
    "k_rot": _attention("k_rot", _hidden),
    "scores": _attention("scores", _sinks(hidden=True)),
    "pattern": _attention("pattern", _sinks(hidden=False)),
    "z": _part("input", lambda f: f.out, lambda a: c.Heads(a.n_heads)),
    "head_out": _head_out,
    "attn_out": _attn_out,
    "mixer_out": _mixer_out,
    "mlp_out": _mlp_out,
    "neuron_pre": _branch("up"),
    "gate": _branch("gate"),
    "neurons": _part("input", lambda f: f.down, _tokens),
    **EXPERT_BUILDERS,
    "logits": _top("model", lambda a: a.module),
}
