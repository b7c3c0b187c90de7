"""Where NaN or infinity first appears: in the weights, or in the stream and the contributions to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from innerworks.model.edits.values import Edit
from innerworks.model.sites import at
from innerworks.model.stored import kept

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.batch import Batch
    from innerworks.model.model import Model

__all__ = ["first_nonfinite"]


def first_nonfinite(model: Model, batch: Batch, edits: Edit | Sequence[Edit] = ()) -> str:
    """A sentence that says where the first NaN or infinity is."""
    for name, parameter in _plain_parameters(model.module):
        if not bool(parameter.isfinite().all()):
            bad = int((~parameter.isfinite()).sum())
            return f"the weight {name} holds {bad} NaN or infinite values: the checkpoint is damaged, load it again."
    order = [at.embed]
    for layer in range(model.n_layers):
        kinds = (at.attn_out, at.mixer_out, at.mlp_out, at.resid_post)
        order += [kind[layer] for kind in kinds if layer in model.anatomy.layers_with(kind.name)]
    if "final_norm" not in model.anatomy.missing:
        order.append(at.final_norm)
    run = model.run(batch, capture=order, edits=edits, nan="allow")
    real = batch.mask.bool()
    for site in order:
        values = run[site]
        bad_rows = (~values.isfinite()).any(-1) & real.to(values.device)
        if bool(bad_rows.any()):
            row, column = (int(i) for i in bad_rows.nonzero()[0])
            position = column - batch.starts[row]
            return (
                f"NaN or infinity first appears at {site}@{position} (prompt {row}). In {model.dtype} this is often an "
                "overflow: try dtype='float32' or 'bfloat16', or look for an edit with huge values."
            )
    return "NaN or infinity first appears in the logits: look at the unembedding's weights and scale."


def _plain_parameters(module: Any) -> Iterator[tuple[str, Tensor]]:
    """Parameters with their values, those that are stored quantised left out."""
    import torch

    for name, parameter in module.named_parameters():
        owner, _, own = name.rpartition(".")
        if type(parameter) is torch.nn.Parameter and parameter.is_floating_point() and parameter.dtype.itemsize > 1:
            value = kept(module.get_submodule(owner), own)
            assert value is not None
            yield name, value
