"""Which Hugging Face module and tensor a site is, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from innerworks.errors import SiteError
from innerworks.model.anatomy.record import Fused
from innerworks.model.sites import Site, pick
from innerworks.model.taps import codecs as c
from innerworks.model.taps.point import Point
from innerworks.model.taps.points import point_of

if TYPE_CHECKING:
    from innerworks.model.anatomy import Anatomy
    from innerworks.model.model import Model

__all__ = ["explain", "explain_in"]

_PLACES = {
    "input": "the first input of",
    "in_place": "the first input of (written in place, so that the skip path sees it too)",
    "output": "the output of",
    "q_rot": "the query that attention uses inside",
    "k_rot": "the key that attention uses inside",
    "scores": "the input of the softmax inside",
    "pattern": "the output of the softmax inside",
    "router": "the router's linear map inside",
    "chosen": "the choice of the largest scores (topk) inside",
    "gate": "what the down projections are given inside",
    "gate_everywhere": "what the down projections are given inside",
    "model": "the logits returned by",
}


def explain(site: Site, anatomy: Anatomy) -> str:
    """A few lines on where a site is in this model, how it is made, and its shape."""
    one = anatomy.concrete(site)[0]
    point = point_of(one, anatomy)
    path = anatomy.path_of(point.module) or "(the model)"
    shape = ", ".join(_dimension(dim, one.name, anatomy) for dim in one.kind.dims) or "as the module gives it"
    chosen = f" Of that it selects {one.text_of_selection}." if one.text_of_selection else ""
    made_of = "computed from the input of" if isinstance(point.codec, c.NormScale) else _PLACES[point.place]
    lines = [
        f"{site}: {one.kind.about}.",
        f"It is {made_of} {path} ({type(point.module).__name__})"
        + (f", element {point.element} of the tuple" if point.element else "")
        + ".",
        f"Shape: ({shape}).{chosen}",
        *_made(one, point, anatomy),
    ]
    if site.layer is not None:
        layers = pick(site.layer, anatomy.n_layers, "layer")
        if len(layers) > 1:
            lines.append(f"Named in layers {', '.join(map(str, layers))}; shown for layer {layers[0]}.")
    return "\n".join(lines)


def explain_in(site: Site | str, model: Model) -> str:
    """`iw.explain(at.z[5], model)`: where a site is in a model."""
    if not hasattr(model, "anatomy"):
        raise SiteError("explain takes a site and then the model: iw.explain(at.z[5], model).")
    return model.explain(site)


def _dimension(dim: str, kind: str, anatomy: Anatomy) -> str:
    if dim in ("batch", "pos", "query", "key"):
        return dim
    return f"{dim}={anatomy.size(dim, kind)}"


def _made(site: Site, point: Point, anatomy: Anatomy) -> list[str]:
    family, notes = anatomy.family, []
    codec = point.codec
    if isinstance(codec, c.Tokens) and codec.scale != 1.0:
        notes.append(f"Multiplied by the residual multiplier {codec.scale:g}, which is what the stream receives.")
    if isinstance(family.qkv, Fused) and site.name in ("q", "k", "v"):
        notes.append(f"One of (q, k, v), which lie in this one projection as {family.qkv.layout.replace('_', ' ')}.")
    if isinstance(codec, c.Summed):
        notes.append(f"The output of {anatomy.path_of(codec.other)} is added to it on the way to the stream.")
    if site.name == "q" and isinstance(codec, c.Slots) and not isinstance(family.qkv, Fused):
        notes.append("Behind each head's query lies a gate, which is left out here.")
    if isinstance(codec, c.Half):
        notes.append(f"The {('first', 'second')[codec.half]} half of what it gives.")
    if site.name in ("attn_out", "head_out") and family.attn_post:
        notes.append(f"After the post-norm {family.attn_post}.")
    if site.name == "mlp_out" and family.mlp_post:
        notes.append(f"After the post-norm {family.mlp_post}.")
    if family.no_sum and site.name in ("attn_out", "mixer_out", "mlp_out", "head_out", "expert_out", "routed_out"):
        notes.append(f"Contributions do not add up to the stream here: {family.no_sum}.")
    if isinstance(codec, c.NormScale):
        notes.append("sqrt(mean(x²) + ε), x centred first for a LayerNorm; writing it rescales the norm's output.")
    if site.name in ("expert_out", "routed_out"):
        notes.append("One expert's share: its weight times neurons·W_down; an edit adds what it changes to the sum.")
    if site.name in ("expert_out", "expert_neurons"):
        notes.append("Zero for tokens that the router did not send to the expert.")
    if site.name == "router_index":
        notes.append("Experts put here come with the weights that the router's own scores give them.")
    if site.name == "head_out":
        notes.append("Computed from z and the output projection; the heads sum to attn_out less the output bias.")
    if site.name in ("attn_out", "mlp_out") and (family.attn_writes or family.mlp_writes):
        notes.append("Taken at the projection, because the sub-layer's own output may contain the residual.")
    if site.name in ("scores", "pattern") and family.sinks:
        notes.append("The learned sink column is hidden, so pattern rows sum to less than 1.")
    if site.kind.unit == "kv_head" and anatomy.n_kv_heads != anatomy.n_heads:
        shared = anatomy.n_heads // anatomy.n_kv_heads
        notes.append(f"{shared} query heads share each key-value head.")
    return notes
