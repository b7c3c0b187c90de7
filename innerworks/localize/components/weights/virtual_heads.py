"""Virtual heads: two heads in a row, the second moving on what the first has moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch

from innerworks.decode.vocabulary.words.tokens import check_weights, chosen_tokens, listed, texts
from innerworks.errors import SiteError
from innerworks.model.model import Model
from innerworks.model.tokens.target_text import TargetText
from innerworks.model.weights.composition import compose
from innerworks.model.weights.factored import at_least_float32
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

if TYPE_CHECKING:
    from innerworks.model.weights import Factored

__all__ = ["virtual_heads"]

Head = tuple[int, int]


@technique(
    title="Virtual heads",
    section="2.2",
    question="What do two heads in a row move?",
    references=("Elhage 2021", "Primer 2.2"),
    cost=Cost(forwards=0),
)
def virtual_heads(
    model: Model,
    *,
    first: Annotated[Head, "(layer, head) of the one that moves first"],
    second: Annotated[Head, "(layer, head) of the one that moves on, in a later layer"],
    tokens: Annotated[Any, TargetText, "words or ids, one token each, to show the circuit for"] = None,
    outputs: Annotated[Any, TargetText, "tokens whose logits are shown; by default the same"] = None,
    directions: Annotated[int, "how many of the strongest directions to list"] = 5,
    top: Annotated[int, "how many tokens to list for each direction"] = 5,
) -> Result:
    """What a head writes of what an earlier head has written there: W_OV¹ W_OV², a head that attends in two steps.

    `score` is the V-composition of the two, ‖W_OV¹ W_OV²‖ / (‖W_OV¹‖ ‖W_OV²‖), and `z` how far it is above that of
    randomly turned heads. The product is taken apart by its singular values: each direction is listed with the tokens
    whose embeddings it reads most and those whose logits it raises most, each up to a common sign. `circuit` is
    W_E W_OV¹ W_OV² W_U of the given tokens, up to the divisions by norms. Elhage 2021.

    What misleads: whether the two ever attend to each other's positions is not in these matrices. Directions that read
    all tokens alike carry no token. NaN where either head writes nothing.
    """
    check_weights(model)
    for name, count in (("directions", directions), ("top", top)):
        if count < 1:
            raise SiteError(f"{name}={count}: say how many to list, 1 or more.")
    (before, one), (after, other) = _head(model, first, "first"), _head(model, second, "second")
    if before >= after:
        raise SiteError(f"first={first!r} and second={second!r}: the second must be in a later layer.")
    moves, moves_on = model.weights.ov(before, one), model.weights.ov(after, other)
    both = moves @ moves_on
    pair = compose("V", 2, 1, lambda *_: moves, lambda *_: moves_on)
    singular = both.svd().S
    size = float(both.norm())
    numbers = {"norm": size, "score": float(pair.scores[0, 0, 1, 0]), "z": float(pair.z[0, 0, 1, 0])}
    data = {name: labelled(value, ()) for name, value in numbers.items()}
    data["singular"] = labelled(singular, ("direction",))
    table = _directions(model, both, directions, top)
    views = {
        "facts": View.card(f"Virtual head {before}.{one} to {after}.{other}", numbers),
        "directions": View.table(table, title="Strongest directions"),
    }
    if tokens is not None:
        data["circuit"] = _circuit(model, both, tokens, outputs)
        names, columns = (data["circuit"][dim].values.tolist() for dim in ("token", "output"))
        titles = {"row_title": "reads", "column_title": "logit of", "title": "Circuit"}
        views["circuit"] = View.heatmap(data["circuit"].values, names, columns, **titles)
    checks = [Check("score by chance", pair.expected, note="root mean square, a head turned at random")]
    return Result(
        data=data,
        tables={"directions": table},
        views=views,
        checks=checks,
        title=f"Virtual head {before}.{one} to {after}.{other}",
    )


def _head(model: Model, given: Any, name: str) -> Head:
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 2:
        raise SiteError(f"{name}={given!r}: give (layer, head), as in (5, 3).")
    found = []
    for value, size, what in ((given[0], model.n_layers, "layer"), (given[1], model.n_heads, "head")):
        if not hasattr(value, "__index__") or not -size <= value < size:
            raise SiteError(f"{name}={given!r}: there are {size} {what}s, numbered from 0.")
        found.append(int(value) % size)
    return found[0], found[1]


def _circuit(model: Model, both: Factored, tokens: Any, outputs: Any) -> Any:
    ids = chosen_tokens(model, tokens)
    shown = ids if outputs is None else chosen_tokens(model, outputs, "outputs")
    read = at_least_float32(model.weights.embed_rows(ids)).to(both.left) @ both.left @ both.right
    columns = at_least_float32(model.weights.unembed[:, shown])
    values = model.weights.into_readout(read) @ columns.to(read)
    return labelled(values, ("token", "output"), coords={"token": texts(model, ids), "output": texts(model, shown)})


def _directions(model: Model, both: Factored, count: int, top: int) -> Table:
    """The strongest singular directions by the tokens they read and write."""
    found = both.svd()
    smallest = found.S[0] * torch.finfo(found.S.dtype).eps * both.shape[0]
    count = min(count, int((smallest < found.S).sum()))
    embed = at_least_float32(model.weights.embed).to(found.U)
    read = (embed @ found.U[:, :count]).T
    sign = read.gather(1, read.abs().argmax(1, keepdim=True)).sign()
    unembed = at_least_float32(model.weights.unembed).to(found.U)
    written = model.weights.into_readout(found.Vh[:count]) @ unembed
    share = found.S.square() / found.S.square().sum()
    return Table(
        {
            "singular value": found.S[:count].tolist(),
            "share": share[:count].tolist(),
            "reads": listed(model, read * sign, top),
            "raises": listed(model, written * sign, top),
        }
    )
