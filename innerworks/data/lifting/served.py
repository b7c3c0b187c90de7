"""`Prompts` and `Pairs`: what a technique's second parameter is, and how it comes by it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, overload

from innerworks.data.lifting.ability import with_ability
from innerworks.data.lifting.answers import continuations, for_rows
from innerworks.data.lifting.asked import asked
from innerworks.data.lifting.continued import continued
from innerworks.data.lifting.everyone import Everyone, kinds
from innerworks.data.lifting.grouping import alike, alike_pairs, grouped
from innerworks.data.lifting.merging import Part, merged
from innerworks.data.lifting.taken import Taken, taken_pairs, taken_prompts
from innerworks.errors import InnerworksError
from innerworks.model.engine.progress import watched
from innerworks.model.tokens import Pair, Prompt

if TYPE_CHECKING:
    from innerworks.registry import Technique
    from innerworks.results import Result

__all__ = ["Interrupted", "Pairs", "Prompts"]

Row = TypeVar("Row", Prompt, Pair)


class Interrupted(InnerworksError, KeyboardInterrupt):
    """A technique over many examples was stopped; `partial` is its result on those that were done."""

    def __init__(self, partial: Result, parts: list[Part], question: str, total: int) -> None:
        done = sum(len(part.rows) for part in parts)
        super().__init__(
            f"stopped after {done} of {total} examples. Nothing is lost: catch Interrupted as e; e.partial is the "
            "result so far, and resume=e with the same call goes on from there."
        )
        self.partial = partial
        self.parts = parts
        self.question = question


class Prompts(Sequence[Prompt]):
    """Prompts of equal length, whose roles have equally many tokens: no row is padded."""

    eats: ClassVar[str] = "Prompt"

    def __init__(self, rows: Sequence[Prompt], everyone: Everyone[Prompt] | None = None) -> None:
        self.rows = tuple(rows)
        self.everyone = everyone or Everyone.of(self.rows)
        """All rows of the call that these are some of."""

    @property
    def width(self) -> int:
        """How many tokens each prompt has."""
        return len(self.rows[0])

    @overload
    def __getitem__(self, place: int) -> Prompt: ...
    @overload
    def __getitem__(self, place: slice) -> Prompts: ...
    def __getitem__(self, place: int | slice) -> Prompt | Prompts:
        if not isinstance(place, slice):
            return self.rows[place]
        return Prompts(self.rows[place], self.everyone.serving(self.everyone.own[place]))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self.rows)

    @classmethod
    def served(
        cls, technique: Technique, model: Any, given: Any, options: dict[str, Any], resume: Any = None
    ) -> Result:
        """The technique's result on whatever prompts were given."""
        taken = taken_prompts(model, given)
        taken = continued(model, taken, continuations(options, len(taken.rows)))
        return _lifted(cls, technique, model, taken, list(taken.rows), alike, options, resume)


class Pairs(Sequence[Pair]):
    """Pairs whose clean prompts are of equal length, whose corrupt ones are, and whose tokens align in one way."""

    eats: ClassVar[str] = "Pair"

    def __init__(self, rows: Sequence[Pair], everyone: Everyone[Pair] | None = None) -> None:
        self.rows = tuple(rows)
        self.everyone = everyone or Everyone.of(self.rows)
        """All rows of the call that these are some of."""

    @property
    def clean(self) -> list[Prompt]:
        """The clean prompts."""
        return [row.clean for row in self.rows]

    @property
    def corrupt(self) -> list[Prompt]:
        """The corrupt prompts, row by row beside the clean ones."""
        return [row.corrupt for row in self.rows]

    def side(self, which: Literal["clean", "corrupt"]) -> Prompts:
        """The clean (or corrupt) prompts, as a technique for prompts is served them."""
        of_all = [getattr(row, which) for row in self.everyone.rows]
        return Prompts([getattr(row, which) for row in self.rows], self.everyone.seen_as(of_all, which))

    @property
    def map(self) -> tuple[tuple[int, int], ...]:
        """Aligned tokens as (clean position, corrupt position), the same in every row."""
        return self.rows[0].map

    @property
    def by_position(self) -> bool:
        """Whether token i of one stands for token i of the other, and for every i."""
        first = self.rows[0]
        return len(first.clean) == len(first.corrupt) and first.map == tuple((i, i) for i in range(len(first.clean)))

    @overload
    def __getitem__(self, place: int) -> Pair: ...
    @overload
    def __getitem__(self, place: slice) -> Pairs: ...
    def __getitem__(self, place: int | slice) -> Pair | Pairs:
        if not isinstance(place, slice):
            return self.rows[place]
        return Pairs(self.rows[place], self.everyone.serving(self.everyone.own[place]))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.rows)

    @classmethod
    def served(
        cls, technique: Technique, model: Any, given: Any, options: dict[str, Any], resume: Any = None
    ) -> Result:
        """The technique's result on whatever pairs were given."""
        taken = taken_pairs(model, given)
        taken = continued(model, taken, continuations(options, len(taken.rows)))
        return _lifted(cls, technique, model, taken, [row.clean for row in taken.rows], alike_pairs, options, resume)


def _lifted(
    kind: Any,
    technique: Technique,
    model: Any,
    taken: Taken[Row],
    prompts: list[Prompt],
    same: Callable[[Row], Hashable],
    options: dict[str, Any],
    resume: Any,
) -> Result:
    names = [one.name for one in technique.options]
    question = asked(technique, model, taken, options)
    parts = _resumed(resume, question)
    options = {one.name: one.default for one in technique.options if not one.required} | options
    every = grouped(taken.rows, same)
    groups = [group for group in every if not any(part.rows == group for part in parts)]
    inner = {**options, "progress": False} if "progress" in names and len(groups) > 1 else options

    def serving(group: Sequence[int]) -> tuple[Any, dict[str, Any]]:
        rows = kind([taken.rows[i] for i in group], everyone.serving(group))
        return rows, for_rows(inner, names, taken.key, group, len(taken.rows))

    everyone: Everyone[Row] = Everyone(taken.rows, (), kinds(taken), servings=lambda: map(serving, every))
    with watched(options.get("progress") if len(groups) > 1 else False, technique.name, len(taken.rows)) as tell:
        try:
            for group in groups:
                rows, chosen = serving(group)
                parts.append(Part(group, technique.function(model, rows, **chosen)))
                tell(sum(len(part.rows) for part in parts))
        except KeyboardInterrupt:
            if not parts:
                raise
            partial = with_ability(model, merged(parts, prompts, taken), taken, options)
            raise Interrupted(partial, parts, question, len(taken.rows)) from None
    return with_ability(model, merged(parts, prompts, taken), taken, options)


def _resumed(resume: Any, question: str) -> list[Part]:
    """The parts that an interrupted call had done, if it asked the same."""
    if resume is None:
        return []
    if not isinstance(resume, Interrupted):
        raise InnerworksError(f"resume= takes the Interrupted error of an earlier call, not {type(resume).__name__}.")
    if resume.question != question:
        raise InnerworksError(
            "resume= takes the error of the same technique with the same model, edits, prompts and options, and "
            "something of these is another one now."
        )
    return list(resume.parts)
