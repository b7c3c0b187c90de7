"""The direct effect of every part of a model on a reading of its logits, from one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.localize.components.direct.expert_neurons import sites_of_expert_neurons
from innerworks.localize.components.direct.writes import (
    before_post_norm,
    dense_neuron_layers,
    edited_layers,
    expert_layers,
    head_layers,
    part_sites,
    source_layers,
)
from innerworks.model.sites import Edge, Site, at
from innerworks.model.weights.factored import at_least_float32
from innerworks.results import labelled

if TYPE_CHECKING:
    from innerworks.localize.components.direct.reading import Reading
    from innerworks.model.engine.run import Run
    from innerworks.model.model import Model

__all__ = ["Effects", "sites_for_effects"]


def sites_for_effects(model: Model, positions: tuple[int, ...], *, sources: bool, neurons: bool) -> list[Site]:
    """What a run must capture for the direct effects at the positions."""
    here = [site for _, site in part_sites(model)]
    here += [at.resid_post[one] for layer in edited_layers(model) for one in (layer - 1, layer) if one >= 0]
    attention = model.layers_with("head_out")
    here += [_heads_site(model)[layer] for layer in attention]
    here += [at.z[layer] for layer in attention if model.weights.attn_post(layer) is not None]
    here += [Site(kind, layer) for kind in ("expert_out", "shared_out") for layer in model.layers_with(kind)]
    here += [at.neurons[layer] for layer in dense_neuron_layers(model) if neurons]
    here += sites_of_expert_neurons(model) if neurons else []
    if model.weights.final_norm is not None:
        here.append(at.norm_scale["final"])
    if model.weights.logit_softcap is not None:
        here.append(at.final_norm)
    if "pos_embed" not in model.anatomy.missing:
        here.append(at.pos_embed)
    found = [site @ positions for site in dict.fromkeys(here)]
    for layer in source_layers(model) if sources else ():
        found += [Site("pattern", layer, None, Edge(positions, None)), at.v[layer]]
    return found


def _heads_site(model: Model) -> Any:
    """Where heads are read: before the output projection, which is less to hold, unless what they write is edited."""
    return at.head_out if any(edit.site.name == "head_out" for edit in model.edits) else at.z


@dataclass(frozen=True)
class Effects:
    """Direct effects [example, …] in units of the logit: what lies along its direction, over the norm's scale."""

    model: Model
    run: Run
    positions: tuple[int, ...]
    readings: Sequence[Reading]
    """One for each position."""

    @cached_property
    def directions(self) -> Tensor:
        """Directions of the stream [row, read, d], divided by the final norm's own denominators."""
        directions = torch.stack([reading.direction for reading in self.readings], 1)
        if self.model.weights.final_norm is None:
            return directions
        return directions / self.at(at.norm_scale["final"])[..., None].to(directions)

    @property
    def constant(self) -> Tensor:
        """What no part of the stream adds: the biases behind it, [row]."""
        return torch.stack([reading.constant for reading in self.readings], 1).sum(1)

    def read(self, logits: Tensor) -> Tensor:
        """The value of the reading in logits [row, read, vocabulary]: [row]."""
        parts = [reading.of(logits[:, number]) for number, reading in enumerate(self.readings)]
        return torch.stack(parts, 1).sum(1)

    def of(self, writes: Sequence[Tensor]) -> Tensor:
        """The effects of writes [row, read, …, d], summed over what is read: [write, row, …]."""
        together = torch.stack(list(writes)).to(self.directions)
        return torch.einsum("nbr...d,brd->nb...", together, self.directions)

    def at(self, site: Site) -> Tensor:
        """A place's values where logits are read, [row, read, …]."""
        values: Tensor = self.run[site @ self.positions]
        return at_least_float32(values)

    # -- what adds up ---------------------------------------------------------------------------------------------

    @cached_property
    def parts(self) -> dict[str, Tensor]:
        """The effect of every part by its name, [row], in the order in which they write."""
        names, sites = zip(*part_sites(self.model), strict=True)
        found = dict(zip(names, self.of([self.at(site) for site in sites]), strict=True))
        for layer in edited_layers(self.model):
            before = self.at(at.resid_post[layer - 1]) if layer else self.at(at.embed)
            jump = self.of([self.at(at.resid_post[layer]) - before])[0]
            found[f"edits {layer}"] = jump - sum(found.get(f"{part} {layer}", 0.0) for part in ("attn", "mixer", "mlp"))
        return found

    def components(self) -> Any:
        """The embeddings, every part of every layer, and the biases: [example, component]."""
        parts = {**self.parts, "bias": self.constant}
        if "pos_embed" not in self.model.anatomy.missing and self.model.family.embed_norm is None:
            position = self.of([self.at(at.pos_embed)])[0]
            parts = {"token_embed": parts.pop("embed") - position, "pos_embed": position, **parts}
        values = torch.stack(list(parts.values()), 1)
        return labelled(values, ("example", "component"), coords={"component": list(parts)})

    def accumulated(self) -> Any:
        """The reading of the stream as it is after each part, through the final norm as it is at the end."""
        in_order = sorted(self.parts, key=lambda name: int(name.rpartition(" ")[2]) if " " in name else -1)
        values = torch.stack([self.parts[name] for name in in_order], 1).cumsum(1) + self.constant[:, None]
        return labelled(values, ("example", "after"), coords={"after": in_order})

    # -- what parts are made of -----------------------------------------------------------------------------------

    def heads(self) -> Any | None:
        """Every head: [example, layer, head]."""
        layers = head_layers(self.model)
        if not layers:
            return None
        if _heads_site(self.model) == at.head_out:
            values = self.of([self.at(at.head_out[layer]) for layer in layers])
        else:
            values = torch.stack([(self.at(at.z[n]).to(s) * s).sum((1, 3)) for n, s in self.seen_by_heads.items()])
        rests = []
        for number, layer in enumerate(layers):
            bias = self.model.weights.o_bias(layer)
            bias_effect = (self._through_attention(layer) @ bias.to(values)).sum(1) if bool(bias.any()) else 0.0
            rests.append(self.parts[f"attn {layer}"] - values[number].sum(1) - bias_effect)
        array = labelled(values.transpose(0, 1), ("example", "layer", "head"), coords={"layer": layers})
        return array.assign_attrs(off=_largest(rests))

    def experts(self) -> Any | None:
        """Every expert of a mixture, 0 where it did not run; the one that all tokens go through is the last."""
        layers = expert_layers(self.model)
        if not layers:
            return None
        values = self.of([self.at(at.expert_out[layer]) for layer in layers])
        names = [str(number) for number in range(self.model.anatomy.n_experts)]
        shared = self.model.layers_with("shared_out")
        if shared:
            own = dict(zip(shared, self.of([self.at(at.shared_out[layer]) for layer in shared]), strict=True))
            none = torch.zeros_like(values[0, :, 0])
            values = torch.cat([values, torch.stack([own.get(layer, none) for layer in layers])[..., None]], -1)
            names.append("shared")
        coords: dict[str, Any] = {"layer": layers, "expert": names}
        return labelled(values.transpose(0, 1), ("example", "layer", "expert"), coords=coords)

    def neurons(self) -> Any | None:
        """Every neuron of the MLPs that all tokens go through: [example, layer, neuron]."""
        layers = dense_neuron_layers(self.model)
        if not layers:
            return None
        rows, rests = [], []
        for layer in layers:
            active = self.at(at.neurons[layer]).to(self.directions)
            out, bias = self._mlp_out(layer)
            seen = self._through_mlp(layer)
            rows.append((active * (seen @ out.T)).sum(1))
            rests.append(self.parts[f"mlp {layer}"] - rows[-1].sum(1) - (seen @ bias).sum(1))
        array = labelled(torch.stack(rows, 1), ("example", "layer", "neuron"), coords={"layer": layers})
        return array.assign_attrs(off=_largest(rests))

    def _mlp_out(self, layer: int) -> tuple[Tensor, Tensor]:
        weights = self.model.weights
        return weights.neuron_out(layer).to(self.directions), weights.neuron_out_bias(layer).to(self.directions)

    def _through_mlp(self, layer: int) -> Tensor:
        """The directions as what leaves the down projection sees them."""
        raw = None
        if self.model.weights.mlp_post(layer) is not None:
            out, bias = self._mlp_out(layer)
            raw = self.at(at.neurons[layer]).to(out) @ out + bias
        return before_post_norm(self.model, layer, "mlp", self.directions, raw)

    def seen_by_neurons(self, layer: int) -> Tensor:
        """The directions as each neuron of an MLP sees them, [row, read, neuron]."""
        return self._through_mlp(layer) @ self._mlp_out(layer)[0].T

    def sources(self) -> Any | None:
        """Every head split by the token it reads from: [example, layer, head, source]."""
        layers = source_layers(self.model)
        if not layers:
            return None
        values = torch.stack([self._from_tokens(layer) for layer in layers], 1)
        array = labelled(values, ("example", "layer", "head", "source"), coords={"layer": layers})
        return array.assign_attrs(over_positions="sum")

    def _from_tokens(self, layer: int) -> Tensor:
        seen = self.seen_by_heads[layer]
        values = at_least_float32(self.run[at.v[layer]]).to(seen)
        shared = self.model.n_heads // values.shape[2]
        values = values if shared == 1 else values.repeat_interleave(shared, 2)
        pattern = at_least_float32(self.run[Site("pattern", layer, None, Edge(self.positions, None))]).to(seen)
        along = torch.einsum("bkhe,brhe->bhrk", values, seen)
        return (pattern * along).sum(2)

    # -- directions from inside attention --------------------------------------------------------------------------

    @cached_property
    def seen_by_heads(self) -> dict[int, Tensor]:
        """The directions as each head's mixed values see them, [row, read, head, d_head]."""
        found = {}
        for layer in head_layers(self.model):
            out = self._outputs(layer)
            seen = self._through_attention(layer) @ out.flatten(0, 1).T
            found[layer] = seen.reshape(*seen.shape[:2], *out.shape[:2])
        return found

    def _outputs(self, layer: int) -> Tensor:
        """The heads' output matrices, [head, d_head, d]."""
        return at_least_float32(self.model.weights.outputs(layer)).to(self.directions)

    def _through_attention(self, layer: int) -> Tensor:
        """The directions as what leaves the output projection sees them."""
        raw = None
        if self.model.weights.attn_post(layer) is not None:
            mixed = self.run[at.z[layer] @ self.positions].to(self.directions)
            raw = mixed.flatten(2) @ self._outputs(layer).flatten(0, 1) + self.model.weights.o_bias(layer).to(mixed)
        return before_post_norm(self.model, layer, "attn", self.directions, raw)


def _largest(rests: Sequence[Tensor]) -> float:
    return max(float(rest.abs().max()) for rest in rests)
