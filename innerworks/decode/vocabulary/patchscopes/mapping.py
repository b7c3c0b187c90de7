"""What is done to a state on its way into another prompt: nothing, an affine map, or any function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.errors import OptionError
from innerworks.results import Artifact

if TYPE_CHECKING:
    from innerworks.model.model import Model

__all__ = ["mapped"]


def mapped(mapping: Any, values: Tensor, kind: str, layers: Sequence[int], source: Model, into: Model) -> Tensor:
    """States [example, layer, place, d] as the target model is given them; an error where they are not of its width.

    `kind` is the name of their site.
    """
    if isinstance(mapping, Artifact):
        _refuse_others(mapping, kind, source, into)
    if mapping is None:
        if source.d_model != into.d_model:
            raise OptionError(
                f"states of width {source.d_model} do not fit into a stream of width {into.d_model}: give a mapping, "
                f"a matrix of {source.d_model} x {into.d_model}, or take a target model of equal width."
            )
        return values
    rows = values.transpose(0, 1).flatten(1, 2)  # [layer, row, d]
    with torch.no_grad():
        found = torch.stack([_one(mapping, own, layer, source, into) for own, layer in zip(rows, layers, strict=True)])
    if not bool(found.isfinite().all()):
        raise OptionError(
            "mapping gave NaN or infinity: look at its matrix and bias, and at the states it was fitted on."
        )
    examples, _, places, _ = values.shape
    return found.reshape(len(layers), examples, places, -1).transpose(0, 1)


def _one(mapping: Any, states: Tensor, layer: int, source: Model, into: Model) -> Tensor:
    """The states [row, d] of one layer, mapped."""
    if callable(mapping):
        found = mapping(states, layer)
    else:
        matrix, bias = _affine(mapping, layer)
        if matrix.ndim != 2 or matrix.shape[0] != source.d_model:
            raise OptionError(
                f"mapping has a matrix of shape {tuple(matrix.shape)}: states are rows of width {source.d_model}, so "
                f"it is {source.d_model} x {into.d_model}."
            )
        if bias is not None and tuple(bias.shape) != (matrix.shape[1],):
            raise OptionError(
                f"mapping has a bias of shape {tuple(bias.shape)}, and its matrix gives rows of {matrix.shape[1]} "
                "numbers: the bias has as many."
            )
        found = states @ matrix.to(states)
        found = found if bias is None else found + bias.to(states)
    shape = tuple(getattr(found, "shape", ()))
    if shape != (len(states), into.d_model):
        raise OptionError(
            f"mapping made {tuple(states.shape)} into {shape or found!r}, and the target's stream takes "
            f"{(len(states), into.d_model)}: rows, and its width."
        )
    return torch.as_tensor(found)


def _affine(mapping: Any, layer: int) -> tuple[Tensor, Tensor | None]:
    if isinstance(mapping, Artifact):
        return _fitted(mapping, layer)
    parts = mapping if isinstance(mapping, tuple) and len(mapping) == 2 else (mapping,)
    if all(hasattr(one, "shape") for one in parts):
        return torch.as_tensor(parts[0]), torch.as_tensor(parts[1]) if len(parts) == 2 else None
    raise OptionError(
        f"mapping={mapping!r}: give a matrix, (matrix, bias), an artifact with these, or a function of (states, layer)."
    )


def _refuse_others(artifact: Artifact, kind: str, source: Model, into: Model) -> None:
    """Raise where an artifact was fitted on another model, or for other places."""
    if artifact.model and artifact.model != source.fingerprint:
        raise OptionError(
            f"this {artifact.kind} was fitted on the model {artifact.model}, and these states are of "
            f"{source.fingerprint}: fit one on this model."
        )
    leads_to = artifact.config.get("into")
    if leads_to and leads_to != into.fingerprint:
        raise OptionError(
            f"this {artifact.kind} leads to states of the model {leads_to}, and the model that reads them is "
            f"{into.fingerprint}: give the target_model that it was fitted for."
        )
    kinds = sorted({name.partition(".")[0] for name in artifact.config.get("places", [])})
    if kinds and kind not in kinds:
        raise OptionError(
            f"this {artifact.kind} is of {', '.join(kinds)}, and these states are of {kind}: fit one of it."
        )


def _fitted(artifact: Artifact, layer: int) -> tuple[Tensor, Tensor | None]:
    """The `matrix` and `bias` of an artifact, of this layer where it has one for each of its config's `layers`."""
    matrix = torch.as_tensor(artifact["matrix"])
    bias = torch.as_tensor(artifact["bias"]) if "bias" in artifact.tensors else None
    if matrix.ndim != 3:
        return matrix, bias
    layers = list(artifact.config.get("layers", range(len(matrix))))
    if not len(layers) == len(matrix) or (bias is not None and len(bias) != len(matrix)):
        raise OptionError(
            f"this {artifact.kind} has {len(matrix)} matrices{'' if bias is None else f' and {len(bias)} biases'} for "
            f"{len(layers)} layers: it is damaged, or no map of this kind."
        )
    if layer not in layers:
        raise OptionError(f"this {artifact.kind} has no map for layer {layer}; it has {', '.join(map(str, layers))}.")
    number = layers.index(layer)
    return matrix[number], None if bias is None else bias[number]
