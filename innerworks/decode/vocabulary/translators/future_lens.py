"""The Future Lens: what one state says of the next token and of those behind it, when a prompt carries it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from innerworks.data.lifting import Prompts
from innerworks.decode.vocabulary.lenses.arrays import as_texts
from innerworks.decode.vocabulary.lenses.distributions import Wanted, chunks, statistics
from innerworks.decode.vocabulary.patchscopes.target_prompts import PRESETS
from innerworks.decode.vocabulary.translators.carriers import Carrier, of_artifact, of_words
from innerworks.decode.vocabulary.translators.learned_prompt import chosen_layers
from innerworks.errors import InnerworksError
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.model import Model
from innerworks.model.sites import at, pick
from innerworks.model.tokens import Prompt
from innerworks.registry import Cost, technique
from innerworks.results import Artifact, Result, Table, View, labelled

__all__ = ["FIXED_PROMPT", "future_lens"]

FIXED_PROMPT = str(PRESETS["future"].prompt)
_USUAL_AHEAD = 3


def _with_views(result: Result) -> Result:
    """A grid of what each state goes on with, for one prompt; a table of how much of it comes so."""
    views: dict[str, View] = {}
    tokens, probs = result.data["top_token"], result.data["top_prob"]
    if "example" not in tokens.dims and tokens.ndim == 4:
        column = tokens.dims[1]
        words = tokens.isel(top=0).values
        written = np.array([["".join(cell) for cell in row] for row in words], dtype=object)
        likely = np.nan_to_num(probs.isel(top=0).values, nan=1.0).prod(-1) ** (1 / words.shape[-1])
        named = tokens["token"].values if "token" in tokens.coords else tokens[column].values
        views["words"] = View.lens(
            likely[::-1],
            written[::-1],
            rows=[f"layer {one}" for one in tokens["layer"].values[::-1]],
            columns=[str(one) for one in named],
            label="probability of a token",
            title="What each state goes on with",
        )
    views["table"] = View.table(result.tables["layers"], title="How much of it comes so")
    return replace(result, views=views)


@technique(
    title="Future Lens",
    section="4.3.1",
    question="What does one state say of the tokens that come after the next?",
    references=("Pal 2023, arXiv:2311.04897", "Primer 4.3.1"),
    cost=Cost(forwards="1, and the carrying prompt for every state and every token ahead"),
    finish=_with_views,
)
def future_lens(
    model: Model,
    prompts: Prompts,
    *,
    prompt: Annotated[Artifact | None, "a learned prompt, as iw.fit_learned_prompt gives"] = None,
    text: Annotated[
        str | Prompt | Sequence[int], "where none is learned: a prompt of words, whose last token the state replaces"
    ] = FIXED_PROMPT,
    layers: Annotated[tuple[int, ...] | None, "whose states; by default those learned for, or the middle one"] = None,
    positions: Annotated[tuple[int, ...] | None, "of which tokens; all by default"] = None,
    ahead: Annotated[int | None, "how many tokens behind the next one; by default as learned, or 3"] = None,
    forced: Annotated[bool, "read behind the prompt's own tokens, and not behind those that it writes itself"] = False,
    top: Annotated[int, "how many tokens to list"] = 5,
    max_tokens: Annotated[int | None, "how many tokens one forward may have"] = None,
    progress: Progress = None,
) -> Result:
    """What a model says next, and after that, of one state h[l, t] when a prompt carries it in its last token's place.

    A learned prompt (or one of words) is run with its last token's stream at layer l set to h[l, t]; the next token is
    read, written behind it, and so on: `top_token` and `top_prob` [layer, position, ahead, choice]. `rank` and
    `log_prob` are of the prompt's own token t+1+n, `precision_1`, `precision_5` and `surprisal` (mean -log p) [layer,
    ahead] over its positions. With `forced` the prompt's own tokens stand between, as in the paper. Pal 2023.

    What misleads: all that is said behind the first token is said by a whole model that has read the tokens before it;
    with `forced` these are the true ones, from which much follows without any state. Compare with `iw.future_quality`,
    which has what the token before says alone. A prompt of words says things of its own.
    """
    if top < 1:
        raise InnerworksError(f"top={top}: say how many tokens to list, 1 or more.")
    chosen = chosen_layers(model, layers) if layers is not None or prompt is None else None
    carriers = of_words(model, text, chosen or ()) if prompt is None else of_artifact(model, prompt, chosen)
    count = _ahead(ahead, prompt)
    columns = list(range(prompts.width)) if positions is None else pick(positions, prompts.width, "position")
    places = [at.resid_post[carrier.layer] for carrier in carriers]
    run = model.run(list(prompts), capture=places, logits=None)
    ids = torch.tensor([row.ids for row in prompts], device=model.device)
    following = _following(ids, columns, count + 1)
    found: dict[str, list[Tensor]] = {}
    with watched(progress, "future_lens", len(carriers)) as tell:
        for number, (carrier, place) in enumerate(zip(carriers, places, strict=True)):
            states = run[place][:, columns].flatten(0, 1)
            read = _Read(carrier, count, forced, top, max_tokens).of(states, following.flatten(0, 1))
            for name, value in read.items():
                found.setdefault(name, []).append(value.reshape(len(ids), len(columns), *value.shape[1:]))
            tell(number + 1)
    kept = columns if positions is not None else None
    return _result(model, {name: torch.stack(one, 1) for name, one in found.items()}, carriers, kept)


@dataclass(frozen=True)
class _Read:
    """How the states of one layer are read."""

    carrier: Carrier
    ahead: int
    forced: bool
    top: int
    max_tokens: int | None

    def of(self, states: Tensor, following: Tensor) -> dict[str, Tensor]:
        """What is said of states [row, d], by name [row, 1 + ahead, …]; `following` [row, 1 + ahead], -1 for none."""
        if self.forced:
            streams = self.carrier.forced(states, following[:, : self.ahead].clamp(min=0), self.max_tokens)
        else:
            streams = self.carrier.written(states, self.ahead, self.max_tokens)
        model, shape = self.carrier.model, streams.shape[:2]
        flat, targets, parts = streams.flatten(0, 1), following.flatten()[:, None], []
        with torch.no_grad():
            for chunk in chunks(len(flat), model.n_vocab):
                wanted = Wanted(top=self.top, targets=True)
                parts.append(statistics(model.weights.logits(flat[chunk])[:, None], wanted, None, targets[chunk]))
        found = {name: torch.cat([one[name] for one in parts]).reshape(*shape, -1).cpu() for name in parts[0]}
        if self.forced:  # behind the end there is nothing to stand between
            missing = torch.cat([following[:, :1] < -1, following[:, : self.ahead] < 0], 1).cpu()
            found["top_prob"] = found["top_prob"].masked_fill(missing[..., None], torch.nan)
        return {**found, "rank": found["rank"][..., 0], "log_prob": found["log_prob"][..., 0]}


def _ahead(ahead: int | None, prompt: Artifact | None) -> int:
    learned = None if prompt is None else prompt.config.get("ahead")
    found = ahead if ahead is not None else _USUAL_AHEAD if learned is None else int(learned)
    if found < 0:
        raise InnerworksError(f"ahead={found}: 0 for the next token alone, 1 or more for those behind it.")
    return found


def _following(ids: Tensor, columns: Sequence[int], count: int) -> Tensor:
    """The tokens behind each column [row, column, count]; -1 behind the end."""
    padded = torch.cat([ids, ids.new_full((len(ids), count), -1)], 1)
    wanted = torch.tensor(list(columns), device=ids.device)[:, None] + 1 + torch.arange(count, device=ids.device)
    return padded[:, wanted]


def _result(model: Model, found: dict[str, Tensor], carriers: Sequence[Carrier], columns: list[int] | None) -> Result:
    """[row, layer, column, ahead, …] as arrays and a table."""
    dims = ("example", "layer", "position" if columns is None else "chosen", "ahead", "top")
    layers, steps = [one.layer for one in carriers], list(range(found["rank"].shape[3]))
    coords: dict[str, Any] = {"layer": layers, "ahead": steps}
    if columns is not None:
        coords["chosen"] = columns
    data: dict[str, Any] = {
        "top_token": labelled(as_texts(model, found["top_token"]), dims, coords=coords),
        "top_prob": labelled(found["top_prob"].double(), dims, coords=coords),
    }
    data |= {name: labelled(found[name].double(), dims[:4], coords=coords) for name in ("rank", "log_prob")}
    rank, log_prob = found["rank"].double(), found["log_prob"].double()
    none = rank.isnan()
    means = {f"precision_{k}": (rank < k).double().masked_fill(none, torch.nan).nanmean(2) for k in (1, 5)}
    means["surprisal"] = -log_prob.nanmean(2)
    short = {name: coords[name] for name in ("layer", "ahead")}
    data |= {name: labelled(one, ("example", "layer", "ahead"), coords=short) for name, one in means.items()}
    examples = len(rank)
    keys = [(example, layer, step) for example in range(examples) for layer in layers for step in steps]
    columns_of_table: dict[str, Any] = dict(
        zip(("example", "layer", "ahead"), map(list, zip(*keys, strict=True)), strict=True)
    )
    columns_of_table |= {name: one.flatten().tolist() for name, one in means.items()}
    return Result(data=data, tables={"layers": Table(columns_of_table)})
