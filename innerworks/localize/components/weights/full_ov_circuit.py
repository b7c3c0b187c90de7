"""The full OV circuit of a head: what attending to a token does to the logits of tokens."""

from __future__ import annotations

from typing import Annotated, Any

import torch

from innerworks.decode.vocabulary.words.embeddings import embedded
from innerworks.decode.vocabulary.words.tokens import (
    check_weights,
    chosen_tokens,
    listed,
    texts,
)
from innerworks.errors import SiteError
from innerworks.model.model import Model
from innerworks.model.tokens.target_text import TargetText
from innerworks.model.weights.factored import at_least_float32
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

__all__ = ["full_ov_circuit"]


@technique(
    title="Full OV circuit",
    section="2.2",
    question="What does a head write when it attends to a token?",
    references=("Elhage 2021", "Primer 2.2"),
    cost=Cost(forwards=0),
)
def full_ov_circuit(
    model: Model,
    *,
    layer: Annotated[int, "the head's layer"],
    head: Annotated[int, "the head"],
    tokens: Annotated[Any, TargetText, "words or ids that the head may attend to, one token each"],
    outputs: Annotated[Any, TargetText, "tokens whose logits are shown; by default the same"] = None,
    effective: Annotated[bool, "let tokens go through the first MLP before the head reads them"] = False,
    normed: Annotated[bool, "divide what is read by the denominator of the head's norm"] = True,
    top: Annotated[int, "how many tokens to list that are raised and lowered most"] = 5,
) -> Result:
    """What a head adds to the logits of tokens when it attends to a token: W_E W_OV W_U, from weights alone.

    `circuit` has attended tokens in rows. Norms are folded in: each row is divided by the denominator that the head's
    norm has for that token alone (unless `normed=False`), and by no final norm, since that depends on the whole stream;
    rows are therefore right up to a factor. `own_rank` is how many of all tokens are raised more than the attended
    token itself: 0 for a head that copies. With `effective`, W_E + MLP0(norm(W_E)) takes the place of W_E, which is
    nearer to what later heads see. Positions are left out. Elhage 2021.

    What misleads: later heads do not read embeddings but what earlier layers made of them. Logits that are raised all
    alike change nothing: compare within a row.
    """
    check_weights(model, (0, layer) if effective else (layer,))
    if top < 1:
        raise SiteError(f"top={top}: say how many tokens to list, 1 or more.")
    ids = chosen_tokens(model, tokens)
    shown = ids if outputs is None else chosen_tokens(model, outputs, "outputs")
    weights = model.weights
    ov = weights.ov(layer, head)
    if effective and layer % model.n_layers == 0:
        raise SiteError("effective=True: heads of layer 0 read the embeddings before the first MLP has seen them.")
    read = embedded(model, ids, effective)
    norm = weights.attn_norm(layer)
    if normed and norm is not None:
        read = read / norm.scale(read)[:, None]
    unembed = at_least_float32(weights.unembed)
    logits = weights.into_readout(read.to(ov.left) @ ov.left @ ov.right) @ unembed.to(ov.left)
    own = logits[torch.arange(len(ids)), ids]
    names, columns = texts(model, ids), texts(model, shown)
    rank = (logits > own[:, None]).sum(-1)
    table = Table(
        {
            "attends to": names,
            "own": own.tolist(),
            "own rank": rank.tolist(),
            "raises": listed(model, logits, top),
            "lowers": listed(model, logits, top, largest=False),
        }
    )
    circuit = labelled(logits[:, shown], ("token", "output"), coords={"token": names, "output": columns})
    checks = [
        Check("copying score over all tokens", weights.copying_score(layer, head), note="+1 copies, -1 suppresses"),
        Check("tokens that raise themselves most", float((rank == 0).double().mean()), note="as a share"),
    ]
    grid = View.heatmap(
        circuit.values, names, columns, row_title="attends to", column_title="logit of", title="Full OV circuit"
    )
    return Result(
        data={"circuit": circuit, "own_rank": labelled(rank, ("token",), coords={"token": names})},
        tables={"tokens": table},
        views={"circuit": grid, "tokens": View.table(table, title="By attended token")},
        checks=checks,
        title=f"Full OV circuit of head {layer}.{head}",
    )
