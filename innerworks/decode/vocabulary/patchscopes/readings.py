"""What target prompts say with states in them: every layer and token of every example, as rows of few forwards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.decode.vocabulary.patchscopes.next_tokens import NextTokens, next_tokens
from innerworks.decode.vocabulary.patchscopes.rows import Rows
from innerworks.decode.vocabulary.words.tokens import texts
from innerworks.errors import SiteError
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.sites import Site
from innerworks.results import Check, Result, Table, labelled

if TYPE_CHECKING:
    from innerworks.decode.vocabulary.patchscopes.answers import Answers
    from innerworks.decode.vocabulary.patchscopes.states import States
    from innerworks.model.model import Model
    from innerworks.model.tokens import Prompt

__all__ = ["Grid", "read", "token_texts"]


@dataclass(frozen=True)
class Grid:
    """Every state of every example in every target layer: which row it is, and what that row is called."""

    states: States
    values: Tensor
    """The states [example, layer, place, d] as the target model is given them."""
    into: Model
    sources: tuple[Prompt, ...]
    targets: tuple[Prompt, ...]
    target_layers: tuple[int, ...] | None
    """None: each state's own layer."""
    one_target_layer: bool = False
    tokens_at_once: int | None = None

    @cached_property
    def lands(self) -> tuple[int, ...] | None:
        """The target layers, counted from 0, as the target model has them."""
        if self.target_layers is None:
            return None
        found = tuple(self._checked(layer) for layer in self.target_layers)
        if len(set(found)) < len(found):
            raise SiteError(f"target_layer={self.target_layers}: name each layer once.")
        return found

    def _checked(self, layer: int) -> int:
        if self.target_layers is None and not layer < self.into.n_layers:
            raise SiteError(
                f"the states of layer {layer} have no layer of their own in the target model, which has "
                f"{self.into.n_layers}: give target_layer."
            )
        [site] = self.into.anatomy.concrete(self.into.anatomy.check(Site(self.states.lands, layer)))
        assert isinstance(site.layer, int)
        return site.layer

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions of what is read: examples, layers, and tokens and target layers where there are several."""
        places = ("place",) if self.states.places is not None else ()
        return ("example", "layer", *places, *(("target_layer",) if self._several else ()))

    @property
    def _several(self) -> bool:
        return self.target_layers is not None and not self.one_target_layer

    @property
    def coords(self) -> dict[str, Any]:
        """The layers, tokens and target layers by their numbers."""
        found: dict[str, Any] = {"layer": list(self.states.layers)}
        if self.states.places is not None:
            found["place"] = list(self.states.places)
        if self._several:
            found["target_layer"] = list(self.lands or ())
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a number for each row."""
        sizes = {"example": len(self.sources), **{name: len(numbers) for name, numbers in self.coords.items()}}
        return tuple(sizes[dim] for dim in self.dims)

    @cached_property
    def keys(self) -> list[tuple[int, int, int, int]]:
        """For every row its example, the number of its layer, that of its token, and the layer it is put in."""
        examples, layers, places, _ = self.values.shape
        rows = product(range(examples), range(layers), range(places))
        return [
            (example, layer, place, land)
            for example, layer, place in rows
            for land in (self.lands or (self._checked(self.states.layers[layer]),))
        ]

    @property
    def rows(self) -> Rows:
        """The patched target prompts."""
        states = torch.stack([self.values[example, layer, place] for example, layer, place, _ in self.keys])
        prompts = tuple(self.targets[key[0]] for key in self.keys)
        return Rows(
            self.into, self.states.lands, prompts, tuple(key[3] for key in self.keys), states, self.tokens_at_once
        )

    def labelled(self, values: Any, *more: str) -> Any:
        """A number (or several) for each row, by its place in the grid."""
        whole = values.reshape(*self.shape, *values.shape[1:])
        return labelled(whole, (*self.dims, *more), coords=self.coords)

    def columns(self) -> dict[str, list[Any]]:
        """What each row is called in a table."""
        found: dict[str, list[Any]] = {
            "example": [key[0] for key in self.keys],
            "layer": [self.states.layers[key[1]] for key in self.keys],
        }
        if self.states.places is not None:
            found["place"] = [self.states.places[key[2]] for key in self.keys]
        if self._several:
            found["target layer"] = [key[3] for key in self.keys]
        of = [(self.sources[key[0]], self.states.positions[key[0]][key[2]]) for key in self.keys]
        return {**found, "token": [prompt.tokens[position] for prompt, position in of]}


def read(grid: Grid, answers: Answers | None, *, top: int, new_tokens: int, progress: Progress) -> Result:
    """The next tokens of every row, what is written after it, and how that compares with the answers."""
    rows = grid.rows
    ids = [] if answers is None else sorted({one for one in answers.ids.flatten().tolist() if one >= 0})
    with watched(False if new_tokens else progress, "patchscope", len(rows)) as tell:
        found, unpatched = next_tokens(rows, ids, top, tell)
    data = {name: grid.labelled(getattr(found, name), "choice") for name in ("top_token", "top_prob")}
    columns = grid.columns() | {"next": token_texts(grid.into, found.top_token)}
    if answers is not None:
        places = torch.stack([answers.ids[key[0], key[2]] for key in grid.keys])
        data |= {name: grid.labelled(value) for name, value in found.of_any(_columns(places, ids)).items()}
        data["correct"].attrs["share"] = True
        data |= _unpatched(grid, unpatched, answers, ids)
    if new_tokens:
        columns["text"] = _texts(grid, rows, new_tokens, progress)
        if answers is not None and answers.texts is not None:
            said = [answers.said_in(text, key[0]) for text, key in zip(columns["text"], grid.keys, strict=True)]
            data["said"] = grid.labelled(torch.tensor(said).double()).assign_attrs(share=True)
    alone = torch.cat([unpatched[prompt].top_token for prompt in grid.targets])
    tables = {"readings": Table(columns), "unpatched": _unpatched_table(grid, alone, new_tokens)}
    return Result(data=data, tables=tables, checks=[_unread(grid, found.top_token, alone)])


def _unread(grid: Grid, found: Tensor, alone: Tensor) -> Check:
    same = found[:, 0] == alone[[key[0] for key in grid.keys], 0]
    name = "share of states after which the next token is the unpatched prompt's"
    note = "the target prompt says this with nothing put in: where it is near 1, the states were not read"
    return Check(name, float(same.double().mean()), note=note)


def _columns(wanted: Tensor, ids: list[int]) -> Tensor:
    """Where each id is among those that were followed; -1 where there is none."""
    place = {one: number for number, one in enumerate(ids)} | {-1: -1}
    return torch.tensor([[place[one] for one in row] for row in wanted.tolist()])


def _unpatched(grid: Grid, unpatched: dict[Prompt, NextTokens], answers: Answers, ids: list[int]) -> dict[str, Any]:
    """The answer's numbers after the target prompts as they are, [example] (and place, where answers differ there)."""
    rows = [
        unpatched[prompt].of_any(_columns(own, ids)[[place]])
        for prompt, own in zip(grid.targets, answers.ids, strict=True)
        for place in range(len(own))
    ]
    places = grid.states.places
    shape = answers.ids.shape[:1] if places is None else answers.ids.shape[:2]
    dims, coords = (("example",), None) if places is None else (("example", "place"), {"place": list(places)})
    return {
        f"unpatched_{name}": labelled(torch.cat([row[name] for row in rows]).reshape(shape), dims, coords=coords)
        for name in rows[0]
    }


def _texts(grid: Grid, rows: Rows, new_tokens: int, progress: Progress) -> list[str]:
    with watched(progress, "patchscope", len(rows)) as tell:
        return [_decoded(grid.into, ids) for ids in rows.written(new_tokens, tell)]


def _unpatched_table(grid: Grid, tokens: Tensor, new_tokens: int) -> Table:
    columns: dict[str, list[Any]] = {
        "example": list(range(len(grid.targets))),
        "prompt": [str(prompt) for prompt in grid.targets],
        "next": token_texts(grid.into, tokens),
    }
    if new_tokens:
        own = {
            prompt: grid.into.generate(prompt, max_new_tokens=new_tokens).new_ids[0]
            for prompt in dict.fromkeys(grid.targets)
        }
        columns["text"] = [_decoded(grid.into, own[prompt]) for prompt in grid.targets]
    return Table(columns)


def token_texts(model: Model, ids: Tensor) -> list[str]:
    """For each row of ids its tokens in one text; their ids where there is no tokenizer."""
    return [" ".join(texts(model, row)) for row in ids.tolist()]


def _decoded(model: Model, ids: list[int]) -> str:
    if model.tokenizer is None:
        return " ".join(map(str, ids))
    text: str = model.tokenizer.decode(ids, skip_special_tokens=True)
    return text
