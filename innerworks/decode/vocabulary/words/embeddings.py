"""What tokens put into the stream: their embeddings, or what the first MLP makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from innerworks.errors import SiteError
from innerworks.model.edits import make
from innerworks.model.sites import Site, at
from innerworks.model.weights.factored import at_least_float32

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model

__all__ = ["embedded", "through_first_mlp"]


def embedded(model: Model, ids: Any, effective: bool = False) -> Tensor:
    """What the stream holds of tokens that stand alone, [token, d]; `effective` is behind the first MLP."""
    return through_first_mlp(model, ids) if effective else at_least_float32(model.weights.embed_rows(ids))


def through_first_mlp(model: Model, ids: Sequence[int]) -> Tensor:
    """What the stream holds of each token behind the first MLP, had attention written nothing: [token, d].

    x = W_E + MLP0(norm(W_E)), by the model's own modules; without positions.
    """
    model.anatomy.check_layer("mlp_out", 0)
    stream = model.weights.embed_rows(list(ids))[:, None]
    silent = [make.zero(Site(kind, 0)) for kind in ("attn_out", "mixer_out") if 0 in model.layers_with(kind)]
    if not silent:
        raise SiteError(f"{model.family.model_type}: what comes before the first MLP cannot be silenced.")
    run = model.run([[one] for one in ids], start=(0, stream), edits=silent, capture=at.resid_post[0], logits=None)
    found: Tensor = run[at.resid_post[0]][:, 0]
    return at_least_float32(found)
