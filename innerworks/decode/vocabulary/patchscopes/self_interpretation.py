"""SelfIE: a model puts its own state into words, and each word is held against what it would write without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from torch import Tensor

from innerworks.data.lifting import Prompts
from innerworks.decode.vocabulary.patchscopes.interpretation_prompts import PLACEHOLDER, interpretation_prompt
from innerworks.decode.vocabulary.patchscopes.mapping import mapped
from innerworks.decode.vocabulary.patchscopes.readings import Grid
from innerworks.decode.vocabulary.patchscopes.rows import Rows
from innerworks.decode.vocabulary.patchscopes.states import read_states
from innerworks.decode.vocabulary.patchscopes.target_prompts import placed
from innerworks.errors import OptionError
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.model import Model
from innerworks.model.sites import Site, at
from innerworks.model.tokens import Prompt
from innerworks.registry import Cost, technique
from innerworks.results import Artifact, Check, Result, Table, View

__all__ = ["self_interpretation"]


def _with_views(result: Result) -> Result:
    """The result with its texts, and for few states each text coloured by what the state does for it."""
    return replace(
        result, views={"texts": View.table(result.tables["texts"], title="Interpretations")} | _strips(result)
    )


@technique(
    title="Self-interpretation (SelfIE)",
    section="4.3.1",
    question="How does the model itself put a state into words?",
    references=("Chen 2024", "arXiv:2403.10949", "Primer 4.3.1"),
    cost=Cost(forwards="1 + tokens written + 2 over the interpretation prompt for each state, many at once"),
    finish=_with_views,
)
def self_interpretation(
    model: Model,
    prompts: Prompts,
    site: Annotated[Site, "the states to interpret; without @, those of the last token"] = at.resid_post[:],
    *,
    interpretation: Annotated[str | Prompt | Sequence[int] | None, "a prompt of your own with placeholders"] = None,
    placeholder: Annotated[
        int | Sequence[int] | str, "where states are put: positions, a text of one token, or a role"
    ] = PLACEHOLDER,
    repeats: Annotated[int, "how many placeholders the built-in prompt has"] = 5,
    target_layer: Annotated[int, "the layer to put states in, an early one"] = 0,
    mapping: Annotated[Any, Artifact, "an affine map, or a function of (states, layer), on the way"] = None,
    max_new_tokens: Annotated[int, "how many tokens to write"] = 20,
    max_tokens: Annotated[int | None, "how many tokens one forward may have"] = None,
    progress: Progress = None,
) -> Result:
    """What a model writes when a state h[l, i] stands at every placeholder of a message that it is to summarise.

    The state takes the place of the stream of all placeholders at layer `target_layer` of the interpretation prompt,
    and the model writes on. `relevancy` [layer, step] is what the state does for each written token t_j:
    P(t_j | state put in, t_<j) - P(t_j | nothing put in, t_<j), over the same text; `prob` is the first of the two. The
    built-in prompt is a message of `repeats` placeholders, through the chat template where there is one, and a reply
    that has begun. Chen et al. 2024, arXiv:2403.10949; their code puts states into the input of block 1, which is
    target_layer=0 here.

    What misleads: most words of a fluent answer come from the prompt and from the words before them: read those whose
    relevancy is high. A token that would have been written anyway has a relevancy near 0, also where the state holds
    it. Small models answer the prompt and not the state. Different prompts and layers give different texts, and none of
    them is a measurement of what later layers use.
    """
    if max_new_tokens < 1:
        raise OptionError(f"max_new_tokens={max_new_tokens}: an interpretation has at least one token.")
    asked = placed(interpretation_prompt(model, interpretation, repeats), placeholder)
    states = read_states(model, prompts, site)
    values = mapped(mapping, states.values, states.site.name, states.layers, model, model)
    targets = (asked,) * len(prompts)
    grid = Grid(states, values, model, tuple(prompts), targets, (target_layer,), True, max_tokens)
    rows = grid.rows
    with watched(progress, "self_interpretation", len(rows)) as tell:
        written = _Written.of(model, asked, rows.written(max_new_tokens, tell))
    patched = written.probabilities(rows)
    relevancy = patched - written.without(rows)
    filled = torch.nn.functional.pad(
        torch.stack([relevancy, patched]), (0, max_new_tokens - relevancy.shape[1]), value=torch.nan
    )
    data = {name: grid.labelled(value, "step") for name, value in zip(("relevancy", "prob"), filled, strict=True)}
    tables = {"texts": Table(grid.columns() | {"text": written.texts}), "words": _words(grid, written, relevancy)}
    checks = [
        Check(
            "mean relevancy", float(relevancy.nanmean()), note="near 0 the prompt wrote the texts, and not the states"
        )
    ]
    return Result(data=data, tables=tables, checks=checks)


@dataclass(frozen=True)
class _Written:
    """What was written behind a prompt, row by row; ids [row, step], -1 behind a text that ended."""

    model: Model
    prompt: Prompt
    ids: Tensor
    texts: list[str]

    @staticmethod
    def of(model: Model, prompt: Prompt, rows: list[list[int]]) -> _Written:
        steps = max(map(len, rows))
        ids = torch.tensor([row + [-1] * (steps - len(row)) for row in rows])
        decode = model.tokenizer.decode if model.tokenizer is not None else lambda row: " ".join(map(str, row))
        return _Written(model, prompt, ids, [decode(row) for row in rows])

    @property
    def _fed(self) -> list[Prompt]:
        """The prompt with all that was written but the last token, whose next tokens are those that were written."""
        rows = self.ids.clamp(min=0)[:, :-1].tolist()
        longer = [Prompt.from_ids([*self.prompt.ids, *row], self.model.tokenizer) for row in rows]
        return [one.with_span(name, places) for one in longer for name, places in self.prompt.named[-1:]]

    def probabilities(self, rows: Rows) -> Tensor:
        """The probability [row, step] of every written token, with the states put in."""
        positions = range(len(self.prompt) - 1, len(self.prompt) - 1 + self.ids.shape[1])
        found = torch.full(self.ids.shape, torch.nan, dtype=torch.float64)

        def each(place: slice, logits: Tensor) -> None:
            own = self.ids[place].to(logits.device)
            shares = logits.float() if logits.dtype.itemsize < 4 else logits
            chosen = shares.log_softmax(-1).gather(-1, own.clamp(min=0)[..., None])[..., 0].exp()
            found[place] = chosen.masked_fill(own < 0, torch.nan).double().cpu()

        rows.with_prompts(self._fed).logits_at(positions, each)
        return found

    def without(self, rows: Rows) -> Tensor:
        """The same with nothing put in."""
        return self.probabilities(rows.unpatched())


def _words(grid: Grid, written: _Written, relevancy: Tensor) -> Table:
    """Every written token, with its relevancy."""
    steps = [(row, step) for row in range(len(written.ids)) for step in range(written.ids.shape[1])]
    steps = [(row, step) for row, step in steps if written.ids[row, step] >= 0]
    names = grid.columns()
    decode = written.model.tokenizer.decode if written.model.tokenizer is not None else lambda row: str(row[0])
    return Table(
        {name: [values[row] for row, _ in steps] for name, values in names.items() if name != "token"}
        | {
            "step": [step for _, step in steps],
            "word": [decode([int(written.ids[row, step])]) for row, step in steps],
            "relevancy": [float(relevancy[row, step]) for row, step in steps],
        }
    )


_STRIPS = 8


def _strips(result: Result) -> dict[str, View]:
    """Of few states of one prompt, each text by the relevancy of its words."""
    words = result.tables["words"]
    if "example" in words.columns or not len(words):
        return {}
    named = [name for name in ("layer", "place") if name in words.columns]
    keys = list(zip(*(words[name] for name in named), strict=True))
    if len(dict.fromkeys(keys)) > _STRIPS:
        return {}
    found = {}
    for key in dict.fromkeys(keys):
        own = [row for row, of in enumerate(keys) if of == key]
        title = ", ".join(f"{name} {number}" for name, number in zip(named, key, strict=True))
        tokens, values = ([words[name][row] for row in own] for name in ("word", "relevancy"))
        found[title] = View.tokens(tokens, values, label="relevancy", title=f"What the state of {title} is called")
    return found
