"""Singular directions of a weight matrix in words, and how much of the matrix the strongest make up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch

from innerworks.decode.vocabulary.weights.taken_apart import Apart, Matrix, apart
from innerworks.decode.vocabulary.words.found import Words, arrays, by_chance, words_of
from innerworks.decode.vocabulary.words.options import at_least_one
from innerworks.decode.vocabulary.words.tokens import check_weights
from innerworks.errors import SiteError
from innerworks.model.model import Model
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

if TYPE_CHECKING:
    from torch import Tensor


__all__ = ["singular_words"]


@technique(
    title="Singular vectors in words",
    section="4.3.2",
    question="Which few directions make up a weight matrix, and what are they in words?",
    references=("Millidge 2022", "Merullo 2024", "Primer 4.3.2"),
    cost=Cost(forwards=0),
)
def singular_words(
    model: Model,
    *,
    matrix: Annotated[Matrix, "which matrix: a circuit, a matrix of a head or of an MLP, or of the vocabulary"] = "ov",
    layer: Annotated[int | None, "its layer"] = None,
    head: Annotated[int | None, "its head, where it has one"] = None,
    expert: Annotated[int | None, "its expert, in a mixture"] = None,
    offset: Annotated[int, "for qk: query position less key position, in models with rotary positions"] = 1,
    directions: Annotated[int, "how many of the strongest directions to list"] = 10,
    rank: Annotated[int | None, "to how many directions the matrix is thought cut; by default the listed"] = None,
    top: Annotated[int, "how many tokens to list for each"] = 5,
    effective: Annotated[bool, "let tokens go through the first MLP before the matrix reads them"] = False,
) -> Result:
    """The strongest directions of a weight matrix in words: what each reads, and what it writes.

    W = U S Vᵀ with norms folded in, W acting on rows: a direction reads along a column of U and writes along a row of
    Vᵀ. What reads the stream is listed by the tokens whose embeddings it reads most (over the denominators that the
    norm has for them alone), what writes to it by the tokens whose logits it raises; what is neither by neurons or
    experts. Both sides of a direction may be turned together: the sign is that for which the words that are raised (or
    else read) stand out most. `kept` is the share of the squared norm in the first so many directions; the matrix cut
    to `rank` of them is off by √(1 - kept) of its norm, the least that is possible, and is
    `model.weights.svd(layer, matrix, head, folded=True).truncated(rank)`. Of "unembed" and "embed", the stream's side
    is given, read and written. Millidge & Black 2022; Merullo et al. 2024.

    What misleads: singular vectors are orthogonal, and features need not be. Where singular values are close, any
    mixture of their directions is as good. The first direction of a trained matrix is often what all tokens share.
    Five words of a random vector look like a theme too: compare `standing` with the checks' by chance.
    """
    check_weights(model, [one for one in (layer, 0 if effective else None) if one is not None])
    at_least_one(directions=directions, top=top)
    if effective and layer is not None and layer % model.n_layers == 0:
        raise SiteError("effective=True: layer 0 reads the embeddings before the first MLP has seen them.")
    found = apart(model, matrix, layer, head, expert, offset, effective)
    values = found.svd.S
    there = int((values > values[0] * torch.finfo(values.dtype).eps * max(found.svd.U.shape)).sum())
    if not there:
        raise SiteError(f"{found.name} is 0: it has no directions.")
    count = min(directions, there)
    cut = count if rank is None else rank
    if not 1 <= cut <= len(values):
        raise SiteError(f"rank={rank}: this matrix can be cut to 1 to {len(values)} directions.")
    kept = values.double().square().cumsum(0) / values.double().square().sum()
    data: dict[str, Any] = {
        "singular": labelled(values, ("direction",)),
        "kept": labelled(kept, ("rank",), coords={"rank": range(1, len(kept) + 1)}),
    }
    listed, words = _sides(model, found, count, top)
    for side, one in words.items():
        data |= {f"{name}_{side}": array for name, array in arrays(one, "direction", range(count)).items()}
    columns: dict[str, Any] = {
        "direction": list(range(count)),
        "singular value": values[:count].tolist(),
        "kept": kept[:count].tolist(),
    }
    table = Table({**columns, **listed})
    checks = [
        Check(f"share of the squared norm in {cut} directions", float(kept[cut - 1])),
        Check(f"error of the matrix cut to {cut}", float((1 - kept[cut - 1]).clamp(min=0).sqrt()), note="of its norm"),
        Check("directions that keep 90 %", int((kept < 0.9).sum()) + 1, note=f"of {there} that are not 0"),
        *_chance(found),
    ]
    views = {
        "directions": View.table(table, title=f"Directions of {found.name}"),
        "kept": View.series({"kept": kept}, range(1, len(kept) + 1), x_title="directions", title="Share kept"),
    }
    title = f"Singular directions of {found.name} in words"
    return Result(data=data, tables={"directions": table}, views=views, checks=checks, title=title)


def _chance(found: Apart) -> list[Check]:
    """Where random vectors stand on the side whose words decide the sign."""
    for side, vectors in ((found.writes, found.svd.Vh), (found.reads, found.svd.U.T)):
        if side is not None and not isinstance(side, str):
            return by_chance(side, vectors)
    return []


def _sides(model: Model, found: Apart, count: int, top: int) -> tuple[dict[str, Any], dict[str, Words]]:
    """The columns of the table, and the words of each side that has some, all turned to one sign."""
    vectors = {"reads": found.svd.U[:, :count].T, "writes": found.svd.Vh[:count]}
    sides = {"reads": found.reads, "writes": found.writes}
    words = {
        name: words_of(side, vectors[name].contiguous(), top)
        for name, side in sides.items()
        if side is not None and not isinstance(side, str)
    }
    sign = _sign((words.get("writes") or words["reads"]).standing)
    words = {name: one.turned(sign) for name, one in words.items()}
    columns: dict[str, Any] = {}
    for name, side in sides.items():
        verb = {"reads": "reads", "writes": "raises" if found.reads is not found.writes else "finds"}[name]
        if name in words:
            columns[verb] = words[name].listed(model)
            columns[f"{verb}: least"] = words[name].listed(model, "least")
            columns[f"{verb}: standing"] = words[name].standing[:, 0].tolist()
        elif isinstance(side, str):
            columns[f"{side}s"] = _units(vectors[name] * sign[:, None].to(vectors[name]), top)
    return columns, words


def _sign(standing: Tensor) -> Tensor:
    """-1 where the lowest tokens stand out more than the highest."""
    ends = standing.nan_to_num()
    return torch.where(-ends[:, 1] > ends[:, 0], -1.0, 1.0)


def _units(vectors: Tensor, top: int) -> list[str]:
    """The units with the largest shares of each vector, signed."""
    rows = []
    for vector in vectors:
        best = vector.abs().topk(min(top, len(vector))).indices.tolist()
        rows.append(" ".join(f"{'+' if vector[one] > 0 else '-'}{one}" for one in best))
    return rows
