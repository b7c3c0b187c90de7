"""Patchscopes: what a state means to a model that meets it in another prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from innerworks.data.lifting import Prompts
from innerworks.decode.vocabulary.patchscopes.answers import answers
from innerworks.decode.vocabulary.patchscopes.mapping import mapped
from innerworks.decode.vocabulary.patchscopes.readings import Grid, read
from innerworks.decode.vocabulary.patchscopes.states import States, read_states
from innerworks.decode.vocabulary.patchscopes.target_prompts import PRESETS, PresetName, asking, targets_of
from innerworks.decode.vocabulary.patchscopes.views import with_views
from innerworks.errors import OptionError
from innerworks.model.engine.progress import Progress
from innerworks.model.model import Model
from innerworks.model.sites import Site, at
from innerworks.model.tokens import Prompt
from innerworks.model.tokens.target_text import TargetText
from innerworks.registry import Cost, technique
from innerworks.results import Artifact, Check, Result

__all__ = ["patchscope"]


@technique(
    title="Patchscope",
    section="4.3.1",
    question="What does a state mean to a model that meets it in another prompt?",
    references=("Ghandeharioun 2024", "arXiv:2401.06102", "Primer 4.3.1"),
    cost=Cost(
        forwards="3 + the target prompt from its placeholder on for each state; the whole and each token written"
    ),
    finish=with_views,
)
def patchscope(
    model: Model,
    prompts: Prompts,
    site: Annotated[Site, "the states to read; without @, those of the last token"] = at.resid_post[:],
    *,
    preset: Annotated[PresetName | None, "a target prompt of the paper's, or the prompt itself"] = None,
    relation: Annotated[str | None, "what preset='attribute' asks for, such as 'The capital city of'"] = None,
    target_prompt: Annotated[str | Prompt | Sequence[int] | None, "a prompt of your own to put states in"] = None,
    placeholder: Annotated[
        int | Sequence[int] | str | None, "where: positions, a text of one token, or a role; by default x"
    ] = None,
    target_layer: Annotated[int | tuple[int, ...] | None, "the layers to put states in; by default their own"] = None,
    mapping: Annotated[Any, Artifact, "an affine map, or a function of (states, layer), on the way"] = None,
    target_model: Annotated[Model | None, "the model that is to read them; by default the same"] = None,
    max_new_tokens: Annotated[int | None, "how many tokens to write; by default what suits the preset"] = None,
    top: Annotated[int, "how many next tokens to list"] = 5,
    target: Annotated[Any, TargetText, "known answers; by default, for next_token, what the prompt predicts"] = None,
    max_tokens: Annotated[int | None, "how many tokens one forward may have"] = None,
    progress: Progress = None,
) -> Result:
    """What a model says of a state h[l, i] of one prompt when it meets it at a placeholder of another prompt.

    The source prompt S is run, the state of layer l and token i is taken, mapped by f, and put into the stream of the
    target prompt T at layer l* and the placeholder's tokens: x̄*[l*, i*] ← f(h[l, i]). Then T's next-token distribution
    is read at its last token, and text is written after it. `top_token` and `top_prob` [layer, choice] are its most
    likely tokens; `prob`, `log_prob`, `rank` and `correct` are of the answer, `said` is whether the text has it in it,
    and `unpatched_…` is what T gives with nothing put in. l* is l, or `target_layer` (several: one more dimension).

    Presets: "next_token" (a few repeated words, then the placeholder: the model goes on as the state would),
    "description" (short descriptions of a country, a person, a firm, then the placeholder; text is written), "same"
    (S itself: with a placeholder earlier or later in it, the state of a first hop's answer repairs a second hop),
    "future" (Pal 2023: a request for more, whose last token the state replaces; four tokens are written), "attribute"
    (a `relation` in words, such as "The capital city of", then the placeholder, unless an x is in it; with known
    answers as `target`, `said` is whether the text, of twenty tokens, has them in it).
    Ghandeharioun et al. 2024, arXiv:2401.06102.

    What misleads: fluent text is no evidence. The target prompt alone makes the model say something, so look at what
    it says unpatched, and at whether layers differ. A state that is put where it never stands (a late one in an early
    layer) may be read as noise, so that silence does not mean that nothing is there. What comes out may be worked out
    by the layers behind l*, and not be in the state. A mapping that was fitted on answers can hold them itself.
    """
    into = target_model or model
    chosen = _preset(preset, target_prompt)
    written = _written(max_new_tokens, chosen)
    if top < 1:
        raise OptionError(f"top={top}: say how many tokens to list, 1 or more.")
    asked = asking(chosen, relation)
    given = asked if chosen else target_prompt
    if given is None and into is not model:
        raise OptionError("preset='same' puts a state back into its own prompt, so it has no other target_model.")
    where = PRESETS[chosen].placeholder if placeholder is None and chosen and given is not None else placeholder
    targets = targets_of(into, prompts, given, where)
    states = read_states(model, prompts, site)
    values = mapped(mapping, states.values, states.site.name, states.layers, model, into)
    looked_for = answers(model, into, target, states.predicted, follow=chosen == "next_token")
    several = _layers(target_layer)
    grid = Grid(
        states, values, into, tuple(prompts), tuple(targets), several, isinstance(target_layer, int), max_tokens
    )
    result = read(grid, looked_for, top=top, new_tokens=written, progress=progress)
    as_it_goes_on = chosen == "next_token" and target is None and mapping is None and several is None and into is model
    return replace(result, checks=[*result.checks, *_ends_as_it_goes_on(result, states)]) if as_it_goes_on else result


def _ends_as_it_goes_on(result: Result, states: States) -> list[Check]:
    """In the last layer nothing reads the prompt around a state any more: it says what it said in its own."""
    last = [number for number, layer in enumerate(states.layers) if layer == states.last]
    if not last or states.site.name != "resid_post":
        return []
    share = float(result.data["correct"].isel(layer=last).mean())
    return [Check("share of last states that say what the model said", share, 1.0, "at least")]


def _preset(preset: PresetName | None, target_prompt: Any) -> str | None:
    """The preset that is meant, if the user gave no prompt of their own."""
    if preset is not None and target_prompt is not None:
        raise OptionError(f"preset={preset!r} and target_prompt={target_prompt!r}: give one of them.")
    return (preset or "next_token") if target_prompt is None else None


def _written(new_tokens: int | None, preset: str | None) -> int:
    if new_tokens is None:
        return PRESETS[preset].new_tokens if preset else 0
    if new_tokens < 0:
        raise OptionError(f"max_new_tokens={new_tokens}: 0 writes nothing, 12 a few words.")
    return new_tokens


def _layers(given: int | Sequence[int] | None) -> tuple[int, ...] | None:
    """The layers that every state is put in; None for its own."""
    if given is None:
        return None
    found = (given,) if isinstance(given, int) else tuple(given)
    if not found:
        raise OptionError("target_layer=(): name at least one layer, or leave it out for each state's own.")
    return found
