"""What each part of the model adds to the stream at some positions, and how a direction looks from inside a part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from innerworks.errors import AnatomyError
from innerworks.model.sites import Site, at

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model

__all__ = [
    "before_post_norm",
    "check_sums",
    "dense_neuron_layers",
    "edited_layers",
    "expert_layers",
    "expert_neuron_layers",
    "head_layers",
    "part_sites",
    "source_layers",
]

_PARTS = {"attn_out": "attn", "mixer_out": "mixer", "mlp_out": "mlp"}
"""The sites whose values add up to the stream, and what their parts are called."""


def check_sums(model: Model) -> None:
    """Raise where the stream is not the sum of what its parts add."""
    why = model.family.no_sum
    if why is not None:
        raise AnatomyError(
            f"{model.family.model_type}: {why}. So its logits are no sum over components; patching and ablation work."
        )


def part_sites(model: Model) -> list[tuple[str, Site]]:
    """Every part that adds to the stream, in order, by its name such as "mlp 3"; the embeddings first."""
    parts: list[tuple[str, Site]] = [("embed", at.embed)]
    having = {kind: set(model.layers_with(kind)) for kind in _PARTS}
    for layer in range(model.n_layers):
        parts += [(f"{name} {layer}", Site(kind, layer)) for kind, name in _PARTS.items() if layer in having[kind]]
    return parts


def edited_layers(model: Model) -> list[int]:
    """The layers in which a standing edit changes the stream itself, and not what a part adds to it."""
    layers = set()
    for edit in model.resolved(()):
        site = edit.site
        if site.name in ("resid_pre", "resid_mid", "resid_post"):
            layers.add(int(str(site.layer)))
    return sorted(layers)


def _as_made(model: Model, layers: list[int], whole: str) -> list[int]:
    """The layers in which parts add what they make: together it goes to the stream, and no standing edit changes it."""
    edited = {edit.site.layer for edit in model.resolved(()) if edit.site.name == whole}
    adding = set(model.layers_with(whole)) - edited
    return [layer for layer in layers if layer in adding]


def head_layers(model: Model) -> list[int]:
    """The layers whose heads each add what they write."""
    return _as_made(model, model.layers_with("head_out"), "attn_out")


def expert_layers(model: Model) -> list[int]:
    """The layers whose experts each add what they write."""
    return _as_made(model, model.layers_with("expert_out"), "mlp_out")


def source_layers(model: Model) -> list[int]:
    """The layers whose heads write the values that their patterns mix, and nothing else."""
    edited = any(edit.site.name in ("z", "head_out") for edit in model.edits)
    if edited or getattr(model.family.qkv, "gated", False):
        return []
    having = set(model.layers_with("pattern")) & set(model.layers_with("v"))
    return [layer for layer in head_layers(model) if layer in having]


def dense_neuron_layers(model: Model) -> list[int]:
    """The layers whose MLP is made of neurons that all tokens go through, and what each writes is a row of a matrix."""
    if model.family.no_circuits is not None:
        return []
    dense = [layer for layer in model.layers_with("neurons") if layer not in model.anatomy.mixture_layers]
    return _as_made(model, dense, "mlp_out")


def expert_neuron_layers(model: Model) -> list[int]:
    """The layers in whose experts a neuron writes a row of a matrix, times the router's weight."""
    if model.family.no_circuits is not None or model.family.guessed:
        return []
    record = model.family.experts
    if record is None:
        return []
    needed = ("expert_neurons",) if record.everywhere else ("expert_neurons", "router_weights", "router_index")
    having = set(expert_layers(model)).intersection(*(model.layers_with(kind) for kind in needed))
    having -= {edit.site.layer for edit in model.resolved(()) if edit.site.name in ("expert_out", "routed_out")}
    experts = {layer: model.anatomy.part(layer, record.experts) for layer in sorted(having)}
    return [layer for layer, one in experts.items() if not getattr(one, "has_post_expert_norm", False)]


def before_post_norm(
    model: Model, layer: int, which: Literal["attn", "mlp"], directions: Tensor, raw: Tensor | None
) -> Tensor:
    """Directions of the stream [row, read, d] as what leaves a part's last projection sees them.

    In between are the norm on the part's output, if it has one (its denominator that of `raw`, [row, read, d]), and
    what the part is multiplied with.
    """
    scale = model.anatomy.scale_of(layer, which)
    scaled = directions if scale == 1.0 else directions * scale
    post = model.weights.attn_post(layer) if which == "attn" else model.weights.mlp_post(layer)
    if post is None:
        return scaled
    assert raw is not None
    flat = post.into_reader(scaled.flatten(0, 1).T).T.reshape(scaled.shape)
    return flat / post.scale(raw)[..., None].to(flat)
