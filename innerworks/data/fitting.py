"""A draft against a tokenizer: an example, or the reason why it cannot be one."""

from __future__ import annotations

from innerworks.data.draft import Answer, Draft, Marked, Stretch
from innerworks.data.example import Example
from innerworks.data.words import TokenWords
from innerworks.errors import InnerworksError, MetricError, PairError
from innerworks.model.tokens import Pair, Prompt

__all__ = ["Misfit", "fitted"]


class Misfit(InnerworksError):
    """Why a draft is no example here; `why` is the kind of reason, the message the case."""

    def __init__(self, why: str, case: str) -> None:
        super().__init__(case)
        self.why = why


def fitted(draft: Draft, words: TokenWords) -> Example:
    """The example that a draft is for this tokenizer; Misfit where it is none."""
    clean = _prompt(draft.clean, words)
    corrupt = None if draft.corrupt is None else _prompt(draft.corrupt, words)
    targets = _answers(draft.targets, draft.clean, words, "target")
    foils = _answers(draft.foils, draft.clean, words, "foil") if draft.foils else ()
    if set(targets) & set(foils):
        raise Misfit("the target and the foil are the same token", repr(draft.targets[0]))
    pair = None if corrupt is None else _pair(clean, corrupt, draft)
    return Example(draft, clean, pair, targets, foils, _corrupt_answers(draft, words))


def _prompt(marked: Marked, words: TokenWords) -> Prompt:
    if marked.ids:
        prompt = Prompt.from_ids(marked.ids, words.tokenizer)
        for role, stretches in marked.roles:
            prompt = prompt.with_span(role, [place for start, end in stretches for place in range(start, end)])
        return prompt.with_span("end", -1)
    prompt = words.prompt(marked.text)
    if prompt.special[-1]:
        raise Misfit("the tokenizer ends a text with a special token", repr(prompt.tokens[-1]))
    for role, stretches in marked.roles:
        prompt = prompt.with_span(role, [place for one in stretches for place in _tokens(prompt, role, one)])
    return prompt if "end" in prompt.spans else prompt.with_span("end", -1)


def _tokens(prompt: Prompt, role: str, stretch: Stretch) -> tuple[int, ...]:
    """The tokens of a role, which must hold its words and nothing else but spaces."""
    if prompt.offsets is None or prompt.text is None:
        raise Misfit("where the tokens lie in the text is unknown", repr(prompt.text))
    start, end = stretch
    places = tuple(
        place for place, (left, right) in enumerate(prompt.offsets) if left < end and right > start and left < right
    )
    held = prompt.text[min(prompt.offsets[p][0] for p in places) : max(prompt.offsets[p][1] for p in places)]
    wanted = prompt.text[start:end]
    if held.strip() != wanted.strip():
        raise Misfit("the tokens of a role hold other text too", f"{role!r} is {wanted!r}, its tokens {held!r}")
    return places


def _pair(clean: Prompt, corrupt: Prompt, draft: Draft) -> Pair:
    equal = len(clean) == len(corrupt)
    if not equal and draft.align == "position":
        raise Misfit("the pair has unequal lengths", f"{len(clean)} and {len(corrupt)} tokens: {str(clean)!r}")
    try:
        return Pair(clean, corrupt, align="position" if equal else "role")
    except PairError as problem:
        raise Misfit("the pair does not align", str(problem).partition("\n")[0]) from problem


def _answers(answers: tuple[Answer, ...], marked: Marked, words: TokenWords, what: str) -> tuple[int, ...]:
    """The tokens of those answers that are one token right after the prompt; at least one must be."""
    ids: list[int] = []
    reason: Misfit | None = None
    for answer in answers:
        try:
            ids.append(_token(answer, marked, words, what))
        except Misfit as problem:
            reason = reason or problem
            if len(answers) > 1:
                words.dropped.add(f"{what} of several", problem.why, str(problem))
    if not ids:
        assert reason is not None
        raise reason
    return tuple(dict.fromkeys(ids))


def _token(answer: Answer, marked: Marked, words: TokenWords, what: str) -> int:
    if isinstance(answer, int):
        return answer
    try:
        token_id = words.token(answer)
    except MetricError as problem:
        raise Misfit(f"the {what} is not one token", str(problem)) from problem
    if marked.text and not words.follows(marked.text, answer):
        raise Misfit(
            f"the {what} is not how the tokenizer goes on",
            f"{answer!r} after {marked.text[-20:]!r} makes other tokens of the text; mind the space in front",
        )
    return token_id


def _corrupt_answers(draft: Draft, words: TokenWords) -> tuple[int, ...]:
    if draft.corrupt is None or not draft.corrupt_targets:
        return ()
    return _answers(draft.corrupt_targets, draft.corrupt, words, "corrupt target")
