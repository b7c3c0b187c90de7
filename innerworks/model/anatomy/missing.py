"""Which kinds of site a model, or one of its layers, does not have, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from innerworks.model.anatomy.record import Split
from innerworks.model.sites import KINDS

if TYPE_CHECKING:
    from innerworks.model.anatomy.anatomy import Anatomy
    from innerworks.model.anatomy.record import Family

__all__ = ["missing_in_layer", "missing_kinds"]

WRITES = ("expert_out", "routed_out", "shared_out")
SHARED = ("shared_neurons", "shared_out")
EXPERTS = ("router", "router_weights", "router_index", "expert_neurons", "routed_neurons", "expert_out", "routed_out")
NEURONS = ("neuron_pre", "neurons", "gate")
ATTENTION = ("attn_in", "q", "k", "v", "q_rot", "k_rot", "scores", "pattern", "z", "head_out", "attn_out")
MLP = ("mlp_in", "mlp_out", "norm_scale.mlp")


def missing_in_layer(anatomy: Anatomy, kind: str, layer: int) -> str | None:
    """Why one layer does not have a kind of site that others have; None where it has."""
    family = anatomy.in_layer(layer)
    if kind in ATTENTION and not family.has_attention:
        others = _having(anatomy.attention_layers, "has attention", "have attention")
        return f"{_instead_of_attention(family)}; {others}"
    if kind == "mixer_out" and family.mixer is None:
        what = "attention is its token mixer" if family.has_attention else "it has an MLP only"
        return f"{what}; {_having(anatomy.mixer_layers, 'has another', 'have another')}"
    if kind in (*MLP, *NEURONS, *EXPERTS, *SHARED) and not family.has_mlp:
        return f"it has no MLP; {_having(anatomy.mlp_layers, 'has one', 'have one')}"
    if kind == "norm_scale.attn" and not family.has_attention and family.mixer is None:
        return "it has no token mixer"
    if kind == "resid_mid" and not (family.has_mlp and (family.has_attention or family.mixer is not None)):
        return "its block has one half only, so that nothing lies between two"
    if kind in family.absent:
        return family.absent[kind]
    if kind == "norm_scale.attn" and family.attn_norm is None:
        return "attention reads the stream without a norm"
    if kind == "norm_scale.mlp" and family.mlp_norm is None:
        return "the MLP reads the stream without a norm"
    mixture = layer in anatomy.mixture_layers
    if kind in EXPERTS + SHARED and not mixture:
        others = _having(anatomy.mixture_layers, "is a mixture of experts", "are mixtures of experts")
        return f"its MLP is dense; {others}"
    if kind in NEURONS and mixture:
        return f"its neurons are in experts; {_having(anatomy.dense_layers, 'is dense', 'are dense')}"
    return None


def _instead_of_attention(family: Family) -> str:
    return "it has an MLP only" if family.mixer is None else f"its token mixer is {family.mixer.called}"


def _having(layers: list[int], one: str, several: str) -> str:
    """Which layers are otherwise, with what is said of one of them (or of none), and of several."""
    if len(layers) < 2:
        return f"layer {layers[0]} {one}" if layers else f"no layer {one}"
    return f"layers {', '.join(map(str, layers))} {several}"


def missing_kinds(anatomy: Anatomy) -> dict[str, str]:
    """The kinds that no layer has, each with the reason."""
    absent = anatomy.family.absent
    found = {kind: absent.get(kind, why) for kind, why in _of_the_family(anatomy)}
    found |= {kind: why for kind, why in absent.items() if not KINDS[kind].layered}
    for kind in KINDS.values():
        if kind.layered and kind.name not in found:
            reasons = [missing_in_layer(anatomy, kind.name, layer) for layer in range(anatomy.n_layers)]
            if None not in reasons:
                found[kind.name] = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
    return found


def _of_the_family(anatomy: Anatomy) -> list[tuple[str, str]]:
    family, out = anatomy.family, []
    if family.pos_embed is None:
        out.append(("pos_embed", "it has no learned position embedding"))
    if anatomy.parallel:
        out.append(("resid_mid", "attention and MLP read the same stream in parallel"))
    if family.final_norm is None:
        out += [(kind, "it has no final norm") for kind in ("final_norm", "norm_scale.final")]
    out += _of_the_halves(anatomy)
    if family.hides_rotated:
        out += [(f"{x}_rot", "its rotary queries and keys are handed to no function of their own") for x in "qk"]
    elif not family.rotary and family.qk_norm is None and family.latent is None:
        out += [(f"{x}_rot", f"it has no rotary embedding, so it would equal at.{x}") for x in "qk"]
    if not anatomy.mixture_layers:
        why = "its record describes no experts" if family.guessed else "it is not a mixture of experts"
        out += [(kind, why) for kind in EXPERTS + SHARED]
    elif not anatomy.routes:
        out += [(kind, "its router gives logits alone, in this transformers") for kind in EXPERTS[1:]]
    elif family.mlp_post is not None:
        out += [(kind, "what its experts give is normed before it is added to the stream") for kind in WRITES]
    if anatomy.mixture_layers and family.experts is not None and family.experts.shared is None:
        why = "its record describes no shared expert" if family.guessed else "no expert is shared by all its tokens"
        out += [(kind, why) for kind in SHARED]
    if anatomy.mixture_layers and not anatomy.dense_layers:
        out += [(kind, "its neurons are in experts: see at.expert_neurons") for kind in NEURONS]
    elif family.up is None:
        out += [(kind, "its MLP's neurons are not known") for kind in ("neuron_pre", "neurons")]
    if anatomy.dense_layers and family.gate is None:
        out.append(("gate", "its MLP is not gated"))
    if family.latent is not None:
        out.append(("k", "its keys are made of a latent part and a rotary one that all heads share: see at.k_rot"))
    if isinstance(family.qkv, Split) and not family.qkv.q:
        out += [(kind, "its projections are not known") for kind in "qkv"]
    return list(reversed(out))  # of two reasons, the first


def _of_the_halves(anatomy: Anatomy) -> list[tuple[str, str]]:
    """What a model lacks whose layers all lack attention, another mixer, or an MLP."""
    out: list[tuple[str, str]] = []
    if not anatomy.attention_layers:
        out += [(kind, "none of its layers has attention: see at.mixer_out") for kind in ATTENTION]
    if not anatomy.mixer_layers:
        out.append(("mixer_out", "attention is its only token mixer"))
    if not anatomy.mlp_layers:
        out += [(kind, "its blocks have no MLP") for kind in (*MLP, *NEURONS, *EXPERTS)]
        out.append(("resid_mid", "its blocks have one half only, so that nothing lies between two"))
    return out
