"""Pairs: which token stands where which does, or an error that shows both tokenisations."""

from __future__ import annotations

import pytest
from tiny_tokenizers import byte_level

from innerworks.errors import PairError
from innerworks.model.tokens import Pair, Prompt

TOKENIZER = byte_level(bos=True)


def prompt(text: str, **spans: str) -> Prompt:
    return Prompt.of(TOKENIZER, text, spans=spans)


def ids(length: int, start: int = 5, **spans: object) -> Prompt:
    made = Prompt.from_ids(range(start, start + length))
    for name, place in spans.items():
        made = made.with_span(name, place)
    return made


def refused(*arguments: object, **options: object) -> str:
    with pytest.raises(PairError) as caught:
        Pair(*arguments, **options)
    return str(caught.value)


def test_by_position_each_token_stands_for_the_one_at_its_place():
    pair = Pair(prompt("Mary went to the store"), prompt("John went to the store"))
    assert pair.map == tuple((index, index) for index in range(6))
    assert pair.differs == (1,)
    assert pair.counterpart(-1) == 5


def test_unequal_lengths_show_both_tokenisations():
    said = refused(prompt("Mary went to the store"), prompt("Zyx went to the store"))
    assert "clean (6)" in said
    (marked,) = [line for line in said.splitlines() if "first difference" in line]
    assert marked.split()[:3] == ["1", "Mary", str(TOKENIZER.convert_tokens_to_ids("Mary"))]
    assert "align='role'" in said


def test_a_late_difference_is_shown_without_all_that_came_before():
    said = refused(prompt("to " * 100 + "Mary"), prompt("to " * 100 + "Mary Mary"))
    assert "equal tokens above" in said
    assert len(said.splitlines()) < 20


def test_identical_prompts_are_no_pair():
    assert "the same" in refused(prompt("Mary"), prompt("Mary"))


def test_an_unknown_alignment():
    assert "'words'" in refused(ids(2), ids(2, start=9), align="words")


def test_by_role_equal_spans_and_equal_stretches_go_one_to_one():
    # clean: 0 1 [2 3] 4 [5]    corrupt: 0 1 [2 3] 4 5 6 [7]: the stretch between has other lengths
    pair = Pair(ids(6, a=[2, 3], b=5), ids(8, a=[2, 3], b=7), align="role")
    assert pair.map == ((0, 0), (1, 1), (2, 2), (3, 3), (5, 7))
    assert pair.counterpart(4) is None


def test_by_role_unequal_spans_meet_at_their_last_token():
    pair = Pair(ids(6, a=[2, 3, 4]), ids(4, start=50, a=[2]), align="role")
    assert pair.map == ((0, 0), (1, 1), (4, 2), (5, 3))
    assert pair.differs == (0, 1, 2, 3, 4, 5)


def test_by_role_on_text():
    pair = Pair(
        prompt("When Mary went to the store", who="Mary"),
        prompt("When the Eiffel Tower went to the store", who="the Eiffel Tower"),
        align="role",
    )
    clean, corrupt = pair.clean, pair.corrupt
    assert (clean.find("Mary")[-1], corrupt.find("Tower")[-1]) in pair.map
    for word in ("When", "went", "store"):
        assert (clean.find(word)[0], corrupt.find(word)[0]) in pair.map
    assert pair.differs == clean.find("Mary")


def test_by_role_a_span_inside_another_is_aligned_too():
    pair = Pair(ids(6, all=slice(1, 5), head=1), ids(5, all=slice(1, 4), head=1), align="role")
    assert pair.map == ((0, 0), (1, 1), (4, 3), (5, 4))


@pytest.mark.parametrize(
    ("clean", "corrupt", "said"),
    [
        (ids(4, a=1), ids(5, b=1), "'a', the corrupt one 'b'"),
        (ids(4, a=1, b=2), ids(5, a=3, b=1), "another order"),
        (ids(6, a=[1, 2, 3], b=[3, 4]), ids(7, a=[1, 2, 3], b=[3, 4]), "overlap in the clean"),
        (ids(6, a=[1, 2], b=[3, 4]), ids(7, a=[1, 2, 3], b=[3, 4]), "overlap in the corrupt"),
        (ids(4, a=[0, 2]), ids(5, a=[0, 1]), "has gaps"),
        (ids(6, a=[1, 2, 3], b=2), ids(7, a=[1, 2, 3], b=5), "another order"),
    ],
)
def test_spans_that_do_not_correspond(clean, corrupt, said):
    assert said in refused(clean, corrupt, align="role")
