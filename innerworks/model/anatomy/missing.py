"""Which kinds of site a model does not have, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from innerworks.model.anatomy.record import Split

if TYPE_CHECKING:
    from innerworks.model.anatomy.anatomy import Anatomy

__all__ = ["missing_in_layer", "missing_kinds"]

WRITES = ("expert_out", "routed_out", "shared_out")
SHARED = ("shared_neurons", "shared_out")
EXPERTS = ("router", "router_weights", "router_index", "expert_neurons", "routed_neurons", "expert_out", "routed_out")
NEURONS = ("neuron_pre", "neurons", "gate")


def missing_in_layer(anatomy: Anatomy, kind: str, layer: int) -> str | None:
    """Why one layer does not have a kind of site that others have; None where it has."""
    mixture = layer in anatomy.mixture_layers
    if kind in EXPERTS + SHARED and not mixture:
        return f"its MLP is dense; layers {_listed(anatomy.mixture_layers)} are mixtures of experts"
    if kind in NEURONS and mixture:
        return f"its neurons are in experts; layers {_listed(anatomy.dense_layers)} are dense"
    return None


def _listed(layers: list[int]) -> str:
    return ", ".join(str(layer) for layer in layers)


def missing_kinds(anatomy: Anatomy) -> list[tuple[str, str]]:
    """The kinds, each with the reason."""
    family, out = anatomy.family, []
    if family.pos_embed is None:
        out.append(("pos_embed", "it has no learned position embedding"))
    if anatomy.parallel:
        out.append(("resid_mid", "attention and MLP read the same stream in parallel"))
    if family.final_norm is None:
        out += [(kind, "it has no final norm") for kind in ("final_norm", "norm_scale.final")]
    if family.attn_norm is None:
        out.append(("norm_scale.attn", "attention reads the stream without a norm"))
    if family.mlp_norm is None:
        out.append(("norm_scale.mlp", "the MLP reads the stream without a norm"))
    if family.hides_rotated:
        out += [(f"{x}_rot", "its rotary queries and keys are handed to no function of their own") for x in "qk"]
    elif not family.rotary and family.qk_norm is None:
        out += [(f"{x}_rot", f"it has no rotary embedding, so it would equal at.{x}") for x in "qk"]
    if not anatomy.mixture_layers:
        why = "its record describes no experts" if family.guessed else "it is not a mixture of experts"
        out += [(kind, why) for kind in EXPERTS + SHARED]
    elif family.mlp_post is not None:
        out += [(kind, "what its experts give is normed before it is added to the stream") for kind in WRITES]
    if anatomy.mixture_layers and family.experts is not None and family.experts.shared is None:
        out += [(kind, "no expert of its mixtures is shared by all tokens") for kind in SHARED]
    if not anatomy.dense_layers:
        out += [(kind, "its neurons are in experts: see at.expert_neurons") for kind in NEURONS]
    elif family.up is None:
        out += [(kind, "its MLP's neurons are not known") for kind in ("neuron_pre", "neurons")]
    if anatomy.dense_layers and family.gate is None:
        out.append(("gate", "its MLP is not gated"))
    if family.latent is not None:
        out.append(("k", "its keys are made of a latent part and a rotary one that all heads share: see at.k_rot"))
    if isinstance(family.qkv, Split) and not family.qkv.q:
        out += [(kind, "its projections are not known") for kind in "qkv"]
    return out
