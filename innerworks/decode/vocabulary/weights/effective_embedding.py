"""Effective embeddings: what tokens have become behind the first MLP."""

from __future__ import annotations

from typing import Annotated, Any

import torch

from innerworks.decode.vocabulary.words.embeddings import embedded
from innerworks.decode.vocabulary.words.found import stacked, words_of
from innerworks.decode.vocabulary.words.options import at_least_one
from innerworks.decode.vocabulary.words.sides import Embeddings, Logits
from innerworks.decode.vocabulary.words.tokens import check_weights, chosen_tokens, texts
from innerworks.model.model import Model
from innerworks.model.tokens.target_text import TargetText
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

__all__ = ["effective_embedding"]


@technique(
    title="Effective embedding",
    section="4.3.2",
    question="What does the first MLP make of tokens?",
    references=("Elhage 2021", "Primer 4.3.2"),
    cost=Cost(forwards="the first MLP for every token of the vocabulary"),
)
def effective_embedding(
    model: Model,
    *,
    tokens: Annotated[Any, TargetText, "words or ids, one token each"],
    top: Annotated[int, "how many tokens to list for each"] = 5,
) -> Result:
    """What tokens are like before the first MLP and behind it: W_E and W_E + MLP0(norm(W_E)), in words.

    By the model's own modules, attention silent and positions left out. `…_resembles` are the tokens whose embeddings
    have the largest cosine with the token's own, plain with plain ones and effective with effective ones; `…_promotes`
    those whose logits it raises. `cosine` is between the two embeddings of a token, `growth` the ratio of their
    lengths: where the one is small or the other large, circuits of later layers that are read with plain embeddings say
    little. Techniques on weights take effective embeddings with `effective=True`. Elhage 2021 has the idea.

    What misleads: in a prompt, the first attention has written too, and later MLPs go on. Cosines share what all
    embeddings have in common: compare with `mean`.
    """
    check_weights(model, (0,))
    at_least_one(top=top)
    ids = chosen_tokens(model, tokens)
    names, stages = texts(model, ids), {"plain": False, "effective": True}
    rows = {stage: embedded(model, ids, behind) for stage, behind in stages.items()}
    found = {
        side: [
            words_of(
                Logits(model) if side == "promotes" else Embeddings(model, cosine=True, effective=behind), one, top
            )
            for one, behind in zip(rows.values(), stages.values(), strict=True)
        ]
        for side in ("resembles", "promotes")
    }
    coords: dict[str, Any] = {"stage": list(stages), "word": names}
    data = {
        f"{name}_{side}": array
        for side, words in found.items()
        for name, array in stacked(words, ("stage", "word"), coords).items()
    }
    cosine = torch.cosine_similarity(rows["plain"], rows["effective"].to(rows["plain"]), dim=1)
    growth = rows["effective"].norm(dim=1) / rows["plain"].norm(dim=1)
    data |= {"cosine": labelled(cosine, ("word",), coords={"word": names})}
    data |= {"growth": labelled(growth, ("word",), coords={"word": names})}
    columns: dict[str, Any] = {"token": names, "cosine": cosine.tolist(), "growth": growth.tolist()}
    for number, stage in enumerate(stages):
        columns[f"{stage}: like"] = found["resembles"][number].listed(model)
        columns[f"{stage}: promotes"] = found["promotes"][number].listed(model)
    table = Table(columns)
    checks = [
        Check("cosine of the two embeddings", float(cosine.mean()), note="mean over the tokens"),
        Check("effective over plain length", float(growth.mean()), note="mean over the tokens"),
    ]
    views = {"tokens": View.table(table, title="Before and behind the first MLP")}
    return Result(data=data, tables={"tokens": table}, views=views, checks=checks)
