"""QK circuits in words: which tokens look for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from innerworks.decode.vocabulary.weights.query_key import Attending, looking
from innerworks.decode.vocabulary.words.found import Words, arrays, words_of
from innerworks.decode.vocabulary.words.options import at_least_one
from innerworks.decode.vocabulary.words.tokens import check_weights, chosen_tokens, texts
from innerworks.errors import SiteError
from innerworks.model.model import Model
from innerworks.model.tokens.target_text import TargetText
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["qk_words"]


@technique(
    title="QK circuits in words",
    section="4.3.2",
    question="Which tokens does a head look for, from which tokens?",
    references=("Elhage 2021", "Dar 2023", "Primer 4.3.2"),
    cost=Cost(forwards=0),
)
def qk_words(
    model: Model,
    *,
    layer: Annotated[int, "the head's layer"],
    head: Annotated[int, "the head"],
    queries: Annotated[Any, TargetText, "tokens that look, one token each"] = None,
    keys: Annotated[Any, TargetText, "tokens that are looked for, one token each"] = None,
    offset: Annotated[int, "query position less key position, for models with rotary positions"] = 1,
    effective: Annotated[bool, "let tokens go through the first MLP before the head reads them"] = False,
    top: Annotated[int, "how many tokens to list for each"] = 5,
) -> Result:
    """Which keys a head looks for when its query is a given token, and which queries look for a given key.

    Scores are W_E W_QK W_Eᵀ with biases, at the head's own scale: of a query and a key that stand alone in the stream,
    `offset` positions apart, each divided by the denominator that the head's norm has for it, and, where the model
    normalises queries and keys, by theirs. They are what goes into the softmax, before a soft cap, ALiBi and the mask.
    `standing` is how far the first token is from the mean over all tokens, in standard deviations; `itself` the same of
    the query's own token as a key. Elhage et al. 2021, Dar et al. 2023.

    What misleads: later heads read what earlier layers made of tokens, and a head that finds the previous occurrence
    of a token by what an earlier head wrote there (induction) shows nothing of it. Attention compares keys that are in
    the prompt: the first of all tokens is seldom among them. What raises the scores of all keys alike changes nothing.
    In a rotary model another offset can be another circuit. Tokens of unusual embeddings come first in many heads.
    """
    check_weights(model, (0, layer) if effective else (layer,))
    at_least_one(top=top)
    if queries is None and keys is None:
        raise SiteError(
            "give queries=[' cat'], keys=[' cat'], or both. What the head looks for whatever the tokens is in "
            f"singular_words(model, matrix='qk', layer={layer}, head={head})."
        )
    if effective and layer % model.n_layers == 0:
        raise SiteError("effective=True: heads of layer 0 read the embeddings before the first MLP has seen them.")
    of_queries, of_keys = looking(model, layer, head, offset)
    looks, sought = (Attending(model, layer, head, which, effective) for which in ("q", "k"))
    data: dict[str, Any] = {}
    tables: dict[str, Table] = {}
    views: dict[str, View] = {}
    rows: Tensor | None = None
    if queries is not None:
        ids = chosen_tokens(model, queries, "queries")
        rows = of_queries(looks.rows(ids))
        found = words_of(sought, rows, top)
        own = ((rows * sought.rows(ids).to(rows)).sum(1) - found.mean) / found.deviation
        names = texts(model, ids)
        data |= {f"{name}_of_query": array for name, array in arrays(found, "query", names).items()}
        data["itself"] = labelled(own, ("query",), coords={"query": names})
        tables["queries"] = _table(model, "query", names, found, {"itself": own.tolist()})
        views["queries"] = View.table(tables["queries"], title="What queries look for")
    if keys is not None:
        ids = chosen_tokens(model, keys, "keys")
        names = texts(model, ids)
        if rows is not None:
            between = rows @ sought.rows(ids).to(rows).T
            coords: dict[str, Any] = {"query": data["itself"]["query"].values, "key": names}
            data["score"] = labelled(between, ("query", "key"), coords=coords)
            views["score"] = View.heatmap(
                between, coords["query"], names, row_title="query", column_title="key", label="score", title="Scores"
            )
        found = words_of(looks, of_keys(sought.rows(ids)), top)
        data |= {f"{name}_of_key": array for name, array in arrays(found, "key", names).items()}
        tables["keys"] = _table(model, "key", names, found, {})
        views["keys"] = View.table(tables["keys"], title="What looks for keys")
    spreads = [float(data[name].mean()) for name in ("deviation_of_query", "deviation_of_key") if name in data]
    note = "in the softmax, a score that is larger by 1 is e times the attention"
    checks = [Check("standard deviation of scores over tokens", max(spreads), note=note)]
    title = f"Head {layer % model.n_layers}.{head % model.n_heads} in words, {offset} apart"
    return Result(data=data, tables=tables, views=views, checks=checks, title=title)


def _table(model: Model, what: str, names: list[str], found: Words, more: dict[str, Any]) -> Table:
    most, least = ("looks for", "looks away from") if what == "query" else ("looked for by", "least by")
    return Table(
        {
            what: names,
            most: found.listed(model),
            "standing": found.standing[:, 0].tolist(),
            least: found.listed(model, "least"),
            **more,
        }
    )
