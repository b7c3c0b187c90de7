"""An artifact as something to look at: what it is, how it was made, which tensors it holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from innerworks.results.artifact import Artifact
from innerworks.results.result import Result
from innerworks.results.tables import Table
from innerworks.results.views import View

__all__ = ["shown"]


def shown(artifact: Artifact) -> Result:
    """A result whose views tell of the artifact, so that it is shown wherever results are."""
    facts = {"kind": artifact.kind, "model": artifact.model or None}
    views = {"artifact": View.card(artifact.kind, {name: value for name, value in facts.items() if value})}
    if artifact.config:
        views["config"] = View.card("How it was made", {name: _short(one) for name, one in artifact.config.items()})
    views["tensors"] = View.table(_tensors(artifact), title="Tensors")
    return Result(
        tables={"tensors": Table(_tensors(artifact))},
        provenance=artifact.provenance,
        views=views,
        title=f"{artifact.kind}, fitted by {artifact.provenance.technique or 'hand'}",
    )


def _tensors(artifact: Artifact) -> dict[str, Any]:
    tensors = artifact.tensors
    return {
        "tensor": list(tensors),
        "shape": [" × ".join(map(str, tensor.shape)) or "a single value" for tensor in tensors.values()],
        "dtype": [str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()],
        "numbers": np.array([int(np.prod(tensor.shape)) for tensor in tensors.values()], dtype=np.int64),
    }


def _short(value: Any) -> str:
    text = ", ".join(f"{name}={one}" for name, one in value.items()) if isinstance(value, dict) else str(value)
    return text if len(text) <= 200 else f"{text[:199]}…"
