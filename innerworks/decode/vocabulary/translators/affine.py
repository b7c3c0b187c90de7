"""Affine translators as an artifact: h + W h + b, one for each layer's input, to be read as the last state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.errors import InnerworksError, SiteError
from innerworks.model.sites import Site

if TYPE_CHECKING:
    from innerworks.model.model import Model
    from innerworks.results import Artifact

__all__ = ["KINDS", "Translators", "depth_of"]

KINDS = ("tuned-lens", "translators")
_EMBEDDINGS = ("embed", "resid_pre", "resid_post")


def depth_of(site: Site, what: str = "translator") -> int:
    """How many blocks have written to a place of the stream; an error where it is none that a translator reads."""
    if site.name not in _EMBEDDINGS or site.unit is not None:
        raise SiteError(
            f"{site}: there is no {what} for it. One reads the stream before and after blocks: at.embed, "
            "at.resid_pre[…], at.resid_post[…]."
        )
    layer = site.layer if isinstance(site.layer, int) else 0
    return layer + (site.name == "resid_post")


@dataclass(frozen=True)
class Translators:
    """The translators of an artifact, on a model's device."""

    weight: Tensor
    """[depth, d, d], added to the identity: the change is `weight[depth] @ h`."""
    bias: Tensor
    """[depth, d]"""
    end: int
    """How many blocks have written to the states that they lead to."""

    @classmethod
    def of(cls, artifact: Artifact, model: Model) -> Translators:
        """Those of an artifact, which must be of this model; an error that says what is wrong with another."""
        if artifact.kind not in KINDS:
            raise InnerworksError(f"lens= takes a fitted {' or '.join(KINDS)}, and this is a {artifact.kind}.")
        weight, bias = artifact["weight"], artifact["bias"]
        if weight.shape[-1] != model.d_model:
            raise InnerworksError(
                f"this {artifact.kind} is for states of {weight.shape[-1]} numbers, and those of "
                f"{model.name or 'this model'} have {model.d_model}: it was fitted on another model."
            )
        if artifact.model and model.fingerprint and artifact.model != model.fingerprint:
            raise InnerworksError(
                f"this {artifact.kind} was fitted on a model of other weights ({artifact.model}, and this is "
                f"{model.fingerprint}). Fit one for this model, or say that they fit with "
                "dataclasses.replace(lens, model=model.fingerprint)."
            )
        end = int(artifact.config.get("end", model.n_layers))
        if weight.shape[0] > model.n_layers or weight.shape[0] != bias.shape[0]:
            raise InnerworksError(
                f"this {artifact.kind} has {weight.shape[0]} translators and {bias.shape[0]} biases, and the model "
                f"{model.n_layers} layers: it was fitted on another model."
            )
        return cls(_on(weight, model), _on(bias, model), end)

    def at(self, site: Site) -> Callable[[Tensor], Tensor] | None:
        """What turns the states of a place into those they lead to; None where nothing is done."""
        depth = depth_of(site)
        if depth == self.end:
            return None
        if depth > self.end or depth >= len(self.weight):
            raise SiteError(f"{site} comes behind block {self.end - 1}, whose stream this lens leads to.")
        weight, bias = self.weight[depth], self.bias[depth]
        return lambda states: _translated(states, weight, bias)


def _translated(states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    wide = states.to(weight)
    return (wide + torch.nn.functional.linear(wide, weight, bias)).to(states.dtype)


def _on(tensor: Any, model: Model) -> Tensor:
    """In at least float32, where the model's states are."""
    found = torch.as_tensor(tensor).to(model.device)
    return found if found.dtype == torch.float64 and model.dtype == torch.float64 else found.float()
