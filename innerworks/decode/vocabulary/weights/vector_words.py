"""Any vector of the stream in words, on both sides of the vocabulary."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from innerworks.decode.vocabulary.words.found import Words, by_chance, stacked, words_of
from innerworks.decode.vocabulary.words.options import at_least_one, named_vectors
from innerworks.decode.vocabulary.words.sides import Embeddings, Logits, Side
from innerworks.decode.vocabulary.words.tokens import check_weights
from innerworks.model.model import Model
from innerworks.model.tokens.target_text import TargetText
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

__all__ = ["vector_words"]


@technique(
    title="Vectors in words",
    section="4.3.2",
    question="What does a direction of the stream mean, in words?",
    references=("Dar 2023", "Primer 4.3.2"),
    cost=Cost(forwards=0),
)
def vector_words(
    model: Model,
    *,
    vectors: Annotated[Any, TargetText, "a vector, several, a basis, vectors by name, or tokens with weights"],
    table: Annotated[Literal["embedding", "unembedding"], "where the vectors of tokens are taken from"] = "embedding",
    top: Annotated[int, "how many tokens to list"] = 5,
    effective: Annotated[bool, "compare with what the first MLP makes of tokens"] = False,
) -> Result:
    """Which tokens' logits a vector raises and lowers, and which tokens' embeddings it is most and least like.

    `side` "promotes" is x W_U through the final norm's linear part: what adding the vector adds to logits, up to the
    division by the norm's denominator. `side` "resembles" is the cosine with each token's embedding. Vectors are a
    tensor [d] or [n, d], what `iw.direction` or `iw.subspace` gives, a mapping of names to vectors, a token or a list
    of tokens, or a mapping of tokens to weights: {" king": 1, " man": -1} is a difference. `standing` is how far the
    first token is from the mean of all tokens, in standard deviations. Dar et al. 2023.

    What misleads: a direction has a sign, and its two ends need not be opposites: read both. Words of a vector that is
    only ever read by heads, and never by the unembedding, mean nothing. Embedding and unembedding are different spaces
    where they are not tied. Cosines with embeddings share what all embeddings have in common: compare with `mean`.
    """
    check_weights(model, (0,) if effective else ())
    at_least_one(top=top)
    names, rows = named_vectors(model, vectors, table)
    sides: dict[str, Side] = {
        "promotes": Logits(model),
        "resembles": Embeddings(model, cosine=True, effective=effective),
    }
    found: dict[str, Words] = {name: words_of(side, rows, top) for name, side in sides.items()}
    data = stacked(list(found.values()), ("side", "vector"), {"side": list(found), "vector": names})
    data["norm"] = labelled(rows.norm(dim=1), ("vector",), coords={"vector": names})
    columns: dict[str, Any] = {"vector": names}
    for name, words in found.items():
        columns[name] = words.listed(model)
        columns["least" if name == "resembles" else "suppresses"] = words.listed(model, "least")
        columns[f"{name}: standing"] = words.standing[:, 0].tolist()
    shown = Table(columns)
    strongest = float(found["promotes"].standing.abs().max())
    check = Check("largest standing of promoted tokens", strongest, note="deviations")
    view = View.table(shown, title="Vectors in words")
    return Result(
        data=data, tables={"vectors": shown}, views={"vectors": view}, checks=[check, *by_chance(Logits(model), rows)]
    )
