"""Where NaN or infinity first appears: in the weights, or in the stream and the contributions to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from innerworks.model.edits.values import Edit
from innerworks.model.engine.capture import Collected
from innerworks.model.engine.forward import forward
from innerworks.model.sites import Site, at
from innerworks.model.stored import no_numbers

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.batch import Batch
    from innerworks.model.model import Model
    from innerworks.model.taps import Layout

__all__ = ["first_nonfinite"]


def first_nonfinite(
    model: Model, batch: Batch, edits: Edit | Sequence[Edit] = (), written: tuple[Tensor, Layout] | None = None
) -> str:
    """A sentence that says where the first NaN or infinity is.

    While generating, `written` has the ids of prompts and continuations so far, and the layout of the generation.
    """
    damaged = no_numbers(model.module)
    if damaged is not None:
        return damaged
    whole, layout = (batch, batch.layout) if written is None else (_continued(batch, written[0]), written[1])
    order = _in_order(model)
    found = _values(model, whole, layout, order, edits)
    for site in order:
        values = found[site]
        bad_rows = (~values.isfinite()).any(-1) & whole.mask.bool().to(values.device)
        if bool(bad_rows.any()):
            row, column = (int(i) for i in bad_rows.nonzero()[0])
            place = f"NaN or infinity first appears at {site}@{column - whole.starts[row]} (prompt {row})."
            return f"{place} {_advice(model, site, whole.starts[row] > 0, written is not None)}"
    return (
        "The weights and the stream are finite, so that NaN or infinity first appears in the logits, or in what "
        "the metric makes of them: look at the metric, then at the unembedding's weights and scale."
    )


def _in_order(model: Model) -> list[Site]:
    """The stream and what is added to it, from the bottom up."""
    order = [at.embed]
    for layer in range(model.n_layers):
        kinds = (at.attn_out, at.mixer_out, at.mlp_out, at.resid_post)
        order += [kind[layer] for kind in kinds if layer in model.anatomy.layers_with(kind.name)]
    return order if "final_norm" in model.anatomy.missing else [*order, at.final_norm]


def _values(
    model: Model, batch: Batch, layout: Layout, order: Sequence[Site], edits: Edit | Sequence[Edit]
) -> dict[Site, Tensor]:
    import torch

    session = model.session(batch, layout)
    for edit in model.resolved(edits, layout.lengths):
        session.edit(edit)
    collected = Collected(graph=False)
    collected.ask(session, dict.fromkeys(order))
    with torch.no_grad():
        forward(model.anatomy, session, batch, keep=lambda stream: stream[:, -1:])
    return collected.tensors


def _continued(batch: Batch, written: Tensor) -> Batch:
    """The batch with what was written behind it; rows end in the last column, as in generation."""
    import torch

    more = written.shape[1] - batch.width
    mask = torch.nn.functional.pad(batch.mask, (0, more), value=1)
    positions = torch.cat(
        [batch.positions, batch.positions[:, -1:] + torch.arange(1, more + 1, device=mask.device)], dim=1
    )
    lengths = tuple(n + more for n in batch.lengths)
    return replace(batch, ids=written, mask=mask, positions=positions, lengths=lengths, _made={})


def _advice(model: Model, site: Site, padded_left: bool, generating: bool) -> str:
    """What is most likely to help."""
    import torch

    eager = getattr(model.module.config, "_attn_implementation", None) == "eager"
    if model.dtype == torch.float64 and eager and padded_left and site.name == "attn_out":
        alone = "generate from one prompt at a time" if generating else "pad on the right, run the rows alone"
        return (
            "In torch.float64, eager attention of rows padded on the left gives NaN in transformers itself: its "
            f"softmax is in float32, where the mask's value overflows. So {alone}, use float32 "
            "(dtype='float32'), or attn_implementation='sdpa'."
        )
    wider = {torch.float16: "dtype='float32' or 'bfloat16'", torch.bfloat16: "dtype='float32'"}.get(model.dtype)
    if wider is None:
        return f"{model.dtype} is wide enough for a sound model: look for an edit with huge values."
    return f"In {model.dtype} this is often an overflow: try {wider}, or look for an edit with huge values."
