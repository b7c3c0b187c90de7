"""The direct path: what the model would predict if no block wrote anything."""

from __future__ import annotations

from typing import Annotated, Any

from innerworks.decode.vocabulary.words.tokens import check_weights, chosen_tokens, listed, texts
from innerworks.errors import SiteError
from innerworks.model.model import Model
from innerworks.model.tokens.target_text import TargetText
from innerworks.model.weights.factored import at_least_float32
from innerworks.registry import Cost, technique
from innerworks.results import Result, Table, View, labelled

__all__ = ["direct_path"]


@technique(
    title="Direct path",
    section="2.2",
    question="Which tokens follow which by the embeddings alone?",
    references=("Elhage 2021", "Primer 2.2"),
    cost=Cost(forwards=0),
)
def direct_path(
    model: Model,
    *,
    tokens: Annotated[Any, TargetText, "words or ids to start from, one token each"],
    outputs: Annotated[Any, TargetText, "tokens whose logits are shown; by default the same"] = None,
    top: Annotated[int, "how many of the most likely next tokens to list"] = 5,
) -> Result:
    """What the model predicts after a token if no block writes anything: W_E W_U, the model's bigrams of its own.

    `logit` and `prob` are those of the model with all attention and MLPs silent and no positions: the embedding through
    the final norm, with that token's own denominator, the unembedding, and what scales or caps logits. Elhage 2021.

    What misleads: in deep models the first MLPs rewrite what a token means, and the direct path has little to do with
    what is predicted; with tied embeddings it mostly predicts the token itself.
    """
    check_weights(model, ())
    if top < 1:
        raise SiteError(f"top={top}: say how many tokens to list, 1 or more.")
    ids = chosen_tokens(model, tokens)
    shown = ids if outputs is None else chosen_tokens(model, outputs, "outputs")
    weights = model.weights
    read = at_least_float32(weights.embed_rows(ids))
    norm, out = weights.final_norm, weights.readout()
    normed = read if norm is None else read / norm.scale(read)[:, None]
    logits = normed.to(out.weight) @ out.weight + out.bias
    if weights.logit_softcap is not None:
        logits = weights.logit_softcap * (logits / weights.logit_softcap).tanh()
    probs = logits.softmax(-1)
    names, columns = texts(model, ids), texts(model, shown)
    coords: dict[str, Any] = {"token": names, "output": columns}
    data = {
        "logit": labelled(logits[:, shown], ("token", "output"), coords=coords),
        "prob": labelled(probs[:, shown], ("token", "output"), coords=coords),
    }
    best = probs.max(-1).values.tolist()
    table = Table({"after": names, "most likely": listed(model, logits, top), "probability of the first": best})
    titles = {"row_title": "after", "column_title": "logit of", "title": "Direct path"}
    views = {
        "tokens": View.table(table, title="What follows"),
        "logit": View.heatmap(data["logit"].values, names, columns, **titles),
    }
    return Result(data=data, tables={"tokens": table}, views=views, title="The direct path from tokens to logits")
