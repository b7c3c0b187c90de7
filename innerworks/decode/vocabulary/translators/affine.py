"""Fitted lenses of states as artifacts: for each place W x + b, in the stream added to x, read as the last state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.decode.vocabulary.lenses.reading import Place
from innerworks.decode.vocabulary.translators.text_states import stream_sites
from innerworks.errors import InnerworksError, NonFiniteError, SiteError
from innerworks.model.sites import Site, at

if TYPE_CHECKING:
    from innerworks.model.model import Model
    from innerworks.results import Artifact

__all__ = ["STATE_MAP", "Translators", "canonical", "on_device", "refuse_other_models"]

STATE_MAP = "state-map"


@dataclass(frozen=True)
class Translators:
    """The translators of an artifact, on a model's device."""

    places: dict[Site, int]
    """Which of them is for which place."""
    weight: Tensor
    """[place, d, n]"""
    bias: Tensor
    """[place, d]"""
    end: int
    """How many blocks have written to the states that they lead to."""
    ahead: int
    """How many tokens further on those are."""
    adds: bool

    @classmethod
    def of(cls, artifact: Artifact, model: Model) -> Translators:
        """Those of an artifact, which must be of this model; an error that says what is wrong with another."""
        weight, bias, config = *_tensors(artifact), artifact.config
        shapes = tuple(weight.shape), tuple(bias.shape)
        if len(shapes[0]) != 3 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1]:
            raise InnerworksError(
                f"this {artifact.kind} has maps of shape {shapes[0]} and biases of shape {shapes[1]}: [place, d, n] "
                "and [place, d] belong together, so it is damaged."
            )
        refuse_other_models(artifact, model, weight.shape[1])
        weight, bias = on_device(weight, model), on_device(bias, model)
        if not bool(weight.isfinite().all() and bias.isfinite().all()):
            raise NonFiniteError(f"this {artifact.kind} holds NaN or infinity: it is damaged, fit it again.")
        named = config.get("places") or [str(one) for one in stream_sites(range(len(weight)))]
        end, ahead = (_whole(artifact, name, usual) for name, usual in (("end", model.n_layers), ("ahead", 0)))
        if not len(named) == len(weight) == len(bias) or not 1 <= end <= model.n_layers:
            raise InnerworksError(
                f"this {artifact.kind} has {len(weight)} maps and {len(bias)} biases for {len(named)} places, and "
                f"leads to block {end} of {model.n_layers}: it was fitted on another model."
            )
        adds = bool(config.get("adds", True))
        places = {canonical(model.anatomy.check(at(name))): number for number, name in enumerate(named)}
        for place in places:
            _refuse_other_width(artifact, model, place, weight.shape[2])
        return cls(places, weight, bias, end, ahead, adds)

    def place(self, site: Site, states: Tensor, scale: Tensor | None = None) -> Place:
        """States [row, position, n] of a place, and how they are read; `scale` is another norm's than their own."""
        return Place(site, states, self.at(site), scale)

    @property
    def sites(self) -> list[Site]:
        """The places that it reads, and behind them the one that it leads to, where that is one of its own kind."""
        last = at.resid_post[self.end - 1]
        return [*self.places, *([last] if self.adds and last not in self.places else [])]

    def at(self, site: Site) -> Callable[[Tensor], Tensor] | None:
        """What turns the states of a place into those they lead to; None where nothing is done."""
        place = self.places.get(canonical(site))
        if place is None and self.ahead == 0 and canonical(site) == at.resid_post[self.end - 1]:
            return None
        if place is None:
            known = ", ".join(map(str, [*self.places][:3]))
            raise SiteError(f"{site}: this lens was not fitted for it; it reads {known}, …, {[*self.places][-1]}.")
        weight, bias = self.weight[place], self.bias[place]

        def translated(states: Tensor) -> Tensor:
            wide = states.to(weight)
            found = torch.nn.functional.linear(wide, weight, bias)
            return (wide + found if self.adds else found).to(states.dtype)

        return translated


def _tensors(artifact: Artifact) -> tuple[Any, Any]:
    """Weights [place, d, n] and biases [place, d]."""
    if artifact.kind != STATE_MAP:
        return artifact["weight"], artifact["bias"]
    if artifact.config.get("end") is None:
        raise InnerworksError(
            f"this {STATE_MAP} leads to {', '.join(artifact.config.get('targets', []))} of "
            f"{artifact.config.get('into') or 'its model'}: a lens reads one that leads to a single layer's stream of "
            "the same model, at.resid_post[layer]. iw.patchscope takes any, as mapping=."
        )
    return torch.as_tensor(artifact["matrix"]).transpose(1, 2), artifact["bias"]


def _whole(artifact: Artifact, name: str, usual: int) -> int:
    """A number of an artifact's config that counts blocks or tokens."""
    value = artifact.config.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InnerworksError(f"this {artifact.kind} says {name}={value!r}, and no whole number: it is damaged.")
    return value


def _refuse_other_width(artifact: Artifact, model: Model, place: Site, given: int) -> None:
    """Raise where a map reads vectors of another width than a place has."""
    dim = place.kind.dims[-1]
    width = model.d_model if dim == "d" else model.anatomy.size(dim, place.name)
    if given != width:
        raise InnerworksError(
            f"this {artifact.kind} reads vectors of {given} numbers at {place}, and there they have {width}: it is "
            "damaged, or of another model."
        )


def refuse_other_models(artifact: Artifact, model: Model, width: int) -> None:
    """Raise where an artifact is for states of another width, or was fitted on other weights."""
    if width != model.d_model:
        raise InnerworksError(
            f"this {artifact.kind} is for states of {width} numbers, and those of "
            f"{model.name or 'this model'} have {model.d_model}: it was fitted on another model."
        )
    if artifact.model and model.fingerprint and artifact.model != model.fingerprint:
        raise InnerworksError(
            f"this {artifact.kind} was fitted on a model of other weights ({artifact.model}, and this is "
            f"{model.fingerprint}). Fit one for this model, or say that they fit with "
            "dataclasses.replace(lens, model=model.fingerprint)."
        )


def canonical(site: Site) -> Site:
    """A place whatever positions are read of it; the stream before a block is the stream behind the one before."""
    site = replace(site, pos=None)
    if site.name != "resid_pre":
        return site
    layer = site.layer if isinstance(site.layer, int) else 0
    [place] = stream_sites([layer])
    return place


def on_device(tensor: Any, model: Model) -> Tensor:
    """In at least float32, where the model's states are."""
    found = torch.as_tensor(tensor).to(model.device)
    return found if found.dtype == torch.float64 and model.dtype == torch.float64 else found.float()
