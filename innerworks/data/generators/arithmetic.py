"""Arithmetic: sums and differences whose result is one token."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from innerworks.data.choices import whole_number
from innerworks.data.draft import Draft, Marked, filled
from innerworks.data.sources import Kind
from innerworks.data.task import Task
from innerworks.data.words import Words
from innerworks.errors import TaskError

__all__ = ["arithmetic"]

# A result comes after a space, after nothing, or after a space that the prompt ends with: tokenizers that write
# numbers digit by digit only have the last two.
_FORMS = (("{a} {operator} {b} =", " {}"), ("{a}{operator}{b}=", "{}"), ("{a} {operator} {b} = ", "{}"))


class _Sum(NamedTuple):
    """One calculation in one form."""

    form: int
    a: int
    operator: str
    b: int

    @property
    def result(self) -> int:
        """What it comes to."""
        return self.a + self.b if self.operator == "+" else self.a - self.b

    @property
    def carries(self) -> bool:
        """Whether a digit is carried (or borrowed) anywhere."""
        left, right = reversed(str(self.a).zfill(6)), reversed(str(self.b).zfill(6))
        columns = list(zip(map(int, left), map(int, right), strict=True))
        over = (x + y > 9 for x, y in columns) if self.operator == "+" else (x < y for x, y in columns)
        return any(over)

    @property
    def answer(self) -> str:
        """The result as the prompt goes on with it."""
        return _FORMS[self.form][1].format(self.result)

    @property
    def prompt(self) -> Marked:
        """The calculation up to its result."""
        said = {"a": str(self.a), "operator": self.operator, "b": str(self.b)}
        return filled(_FORMS[self.form][0], said)


def arithmetic(
    n: int | None = 64,
    seed: int = 0,
    *,
    operation: str | None = None,
    maximum: int = 99,
    carry: bool | None = None,
    corruption: str = "operand",
) -> Task:
    """Sums and differences: "37 + 45 =" → " 82", not " 81".

    `operation`: "addition", "subtraction" (never below zero) or None for both; operands from 1 to `maximum`; `carry`:
    only with a digit carried (or borrowed), only without, or None for both. Groups: operation and carry. Roles: a,
    operator, b, end. Corruptions: "operand" puts another second number of as many digits, "operator" the other
    operator; the foil is the result of that. Only results that are one token are asked; where numbers are written
    digit by digit, these are the ones below ten. What misleads: small sums are remembered, not calculated.
    Stolfo et al. 2023, arXiv:2305.15054; Nikankin et al. 2024, arXiv:2410.21272.
    """
    if operation not in (None, "addition", "subtraction"):
        raise TaskError(f"operation={operation!r}: 'addition', 'subtraction', or None for both.")
    whole_number(maximum, 2, 300, "maximum")
    if carry not in (True, False, None):
        raise TaskError(f"carry={carry!r}: True, False, or None for both.")
    options = {"operation": operation, "maximum": maximum, "carry": carry, "corruption": corruption}
    return Task(_KIND.recipe(n, seed, **options))


def _drafts(
    words: Words, rng: Random, *, operation: str | None, maximum: int, carry: bool | None, corruption: str
) -> Iterator[Draft]:
    operators = {"addition": "+", "subtraction": "-", None: "+-"}[operation]
    fitting = [
        {number for number in range(2 * maximum + 1) if words.fits(answer.format(number))} for _, answer in _FORMS
    ]
    numbers = range(1, maximum + 1)
    sums = (
        _Sum(form, a, sign, b) for form in range(len(_FORMS)) for a in numbers for sign in operators for b in numbers
    )
    asked = [one for one in sums if one.result in fitting[one.form] and (carry is None or one.carries is carry)]
    rng.shuffle(asked)
    for one in asked:
        others = [other for other in _others(one, corruption, maximum) if other.result in fitting[one.form]]
        if not others:
            words.dropped.add("sum", "no corrupt sum has a result of one token", str(one.prompt))
            continue
        other = rng.choice(others)
        yield Draft(
            one.prompt,
            other.prompt,
            (one.answer,),
            (other.answer,),
            (other.answer,),
            f"{'addition' if one.operator == '+' else 'subtraction'}, {'carry' if one.carries else 'no carry'}",
            {"form": str(one.form)},
        )


def _others(one: _Sum, corruption: str, maximum: int) -> list[_Sum]:
    """The calculations that a corruption may turn this one into."""
    if corruption == "operator":
        return [one._replace(operator="-" if one.operator == "+" else "+")]
    digits = len(str(one.b))
    numbers = range(10 ** (digits - 1), min(maximum + 1, 10**digits))
    return [one._replace(b=b) for b in numbers if b != one.b]


_KIND = Kind(
    "arithmetic",
    "sums and differences",
    _drafts,
    {"operand": ("b",), "operator": ("operator",)},
    finite=True,
)
