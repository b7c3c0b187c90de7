"""Prompts: what each token is, where it lies, and what was added to it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_tokenizers import Slow, byte_level, metaspace
from transformers import ByT5Tokenizer

import innerworks
from innerworks.errors import PromptError
from innerworks.model.tokens import Prompt, check, visible

TEXT = "When Mary and John went to the store, John gave a drink to Mary. é日🙂\n  x"


@pytest.fixture(scope="module", params=["bytes", "bytes trimmed", "bytes with bos", "metaspace", "slow"])
def tokenizer(request):
    return {
        "bytes": lambda: byte_level(bos=False),
        "bytes trimmed": lambda: byte_level(bos=False, trim_offsets=True),
        "bytes with bos": lambda: byte_level(bos=True),
        "metaspace": metaspace,
        "slow": Slow,
    }[request.param]()


def refused(action) -> str:
    with pytest.raises(PromptError) as caught:
        action()
    return str(caught.value)


def test_every_token_shows_the_text_it_covers(tokenizer):
    prompt = Prompt.of(tokenizer, TEXT)
    assert len(prompt) == len(prompt.tokens) == len(prompt.offsets) == len(prompt.special)
    for token, (start, end), special in zip(prompt.tokens, prompt.offsets, prompt.special, strict=True):
        if not special and "<0x" not in token:
            assert token.strip(" ") == TEXT[start:end].strip(" ")
    covered = {index for start, end in prompt.offsets for index in range(start, end)}
    assert {index for index, char in enumerate(TEXT) if not char.isspace()} <= covered


def test_the_parts_of_a_split_character_are_shown_as_bytes(tokenizer):
    prompt = Prompt.of(tokenizer, "日", add_special_tokens=False)
    assert "".join(prompt.tokens).strip() == "<0xE6><0x97><0xA5>"
    assert prompt.find("日")[-1] == len(prompt) - 1


@pytest.mark.parametrize("words", ["Mary and John", "store", "iffe", "é日", "🙂", " went to"])
def test_find_covers_the_text_and_no_token_more(tokenizer, words):
    text = f"{words} ... {TEXT}" if words == "iffe" else TEXT
    prompt = Prompt.of(tokenizer, text)
    start = text.index(words)
    positions = prompt.find(words, occurrence=0)
    covered = [prompt.offsets[position] for position in positions]
    assert covered[0][0] <= start + 1
    assert covered[-1][1] >= start + len(words)
    assert positions == tuple(range(positions[0], positions[-1] + 1))
    for outside in (positions[0] - 1, positions[-1] + 1):
        if 0 <= outside < len(prompt) and not prompt.special[outside]:
            left, right = prompt.offsets[outside]
            assert right <= start + 1 or left >= start + len(words)


def test_find_takes_the_space_of_a_word_not_of_the_next():
    prompt = Prompt.of(byte_level(bos=False), "Mary and John")
    assert prompt.find("Mary ") == prompt.find("Mary")


def test_an_ambiguous_text_lists_where_it_is():
    prompt = Prompt.of(byte_level(bos=False), TEXT)
    first, last = prompt.find("John", 0), prompt.find("John", -1)
    assert first < last
    said = refused(lambda: prompt.find("John"))
    assert "2 times" in said
    assert f"occurrence=1  tokens {last[0]}" in said
    assert "Did you mean 'Mary'" in refused(lambda: prompt.find("mary"))
    assert "occurrence=2" in refused(lambda: prompt.find("John", 2))
    assert "empty" in refused(lambda: prompt.find(""))


def test_spans_are_named_by_text_or_positions():
    prompt = Prompt.of(byte_level(bos=True), "Mary went to Rome", spans={"who": "Mary", "end": -1, "two": [0, 1]})
    assert prompt.positions("who") == prompt.find("Mary")
    assert prompt.positions("end") == (len(prompt) - 1,)
    assert prompt.positions("two") == (0, 1)
    assert prompt.positions(slice(-2, None)) == (len(prompt) - 2, len(prompt) - 1)
    named = prompt.with_span("where", "Rome")
    assert "where" in named.spans
    assert "where" not in prompt.spans
    assert "'who', 'end', 'two'" in refused(lambda: prompt.positions("which"))
    assert f"{len(prompt)} tokens" in refused(lambda: prompt.positions(99))
    assert "not True" in refused(lambda: prompt.positions(True))
    assert "none of" in refused(lambda: prompt.positions(slice(50, 60)))
    assert "'3'" in refused(lambda: prompt.with_span("3", 0))


def test_a_prompt_is_a_value():
    prompt = Prompt.of(byte_level(bos=True), "Mary went", spans={"who": "Mary"})
    again = Prompt.of(byte_level(bos=True), "Mary went", spans={"who": "Mary"})
    assert prompt == again
    assert hash(prompt) == hash(again)
    assert pickle.loads(pickle.dumps(prompt)) == prompt
    assert str(prompt) == "Mary went"
    prompt.spans["who"] = ()
    assert prompt == again


@pytest.mark.parametrize("make", [lambda: byte_level(bos=True), metaspace, Slow])
def test_bos_is_seen_and_never_doubled_in_silence(make):
    tokenizer = make()
    bos = tokenizer.bos_token_id
    added = Prompt.of(tokenizer, "Mary went")
    assert (added.bos, added.special[0], added.ids.count(bos)) == ("added", True, 1)
    assert added.offsets[0] == (0, 0)
    assert "BOS: added" in added.table()
    absent = Prompt.of(tokenizer, "Mary went", add_special_tokens=False)
    assert (absent.bos, absent.ids.count(bos)) == ("absent", 0)
    typed = Prompt.of(tokenizer, "<s>Mary went")
    assert (typed.bos, typed.ids.count(bos)) == ("in text", 1)
    assert "<s>" in typed.notes[0]
    assert typed.notes[0] in typed.table()
    assert typed.offsets[0] == (0, 3)
    assert typed.word_ids is None or len(typed.word_ids) == len(typed)
    assert Prompt.of(tokenizer, "<s>Mary went", add_special_tokens=False).ids == typed.ids
    assert Prompt.of(tokenizer, "<s><s>Mary", add_special_tokens=False).ids.count(bos) == 2


def test_an_end_token_that_is_added_is_noted():
    prompt = Prompt.of(byte_level(bos=True, eos=True), "Mary went")
    assert prompt.tokens[-1] == "</s>"
    assert "</s>" in prompt.notes[0]
    assert Prompt.of(byte_level(bos=True), "Mary went</s>").notes == ()


def test_ids_come_back_with_their_text(tokenizer):
    prompt = Prompt.of(tokenizer, TEXT, add_special_tokens=False)
    back = Prompt.from_ids(prompt.ids, tokenizer)
    assert back.ids == prompt.ids
    assert back.text.removeprefix(" ") == TEXT
    assert back.tokens == prompt.tokens
    words = "drink to Mary"
    assert back.find(words) == prompt.find(words)


def test_ids_without_a_tokenizer_stay_ids():
    import numpy as np
    import torch

    prompt = Prompt.from_ids(torch.tensor([[5, 6, 7]]))
    assert prompt.ids == (5, 6, 7) == Prompt.from_ids(np.array([5, 6, 7])).ids
    assert (prompt.text, prompt.offsets, prompt.bos) == (None, None, "unknown")
    assert prompt.positions(-1) == (2,)
    assert "without a tokenizer" in refused(lambda: prompt.find("x"))


def test_places_that_cannot_be_known_are_none_and_noted():
    prompt = Prompt.of(ByT5Tokenizer(), "é")
    assert prompt.offsets is None
    assert "unknown" in prompt.notes[0]
    assert "unknown" in refused(lambda: prompt.find("é"))


def test_half_a_character_has_no_text_to_search():
    tokenizer = byte_level(bos=False)
    half = Prompt.of(tokenizer, "日").ids[:1]
    assert Prompt.from_ids(half, tokenizer).text is None


def test_what_is_no_prompt():
    tokenizer = byte_level(bos=True)
    assert "empty" in refused(lambda: Prompt.of(tokenizer, ""))
    assert "tokenizer=" in refused(lambda: Prompt.of(None, "Mary"))
    assert "from_ids" in refused(lambda: Prompt.of(tokenizer, [1, 2]))
    assert "empty" in refused(lambda: Prompt.from_ids([]))
    assert "position 1 is 2.5" in refused(lambda: Prompt.from_ids([1, 2.5]))
    assert "position 0 is -1" in refused(lambda: Prompt.from_ids([-1]))
    assert "position 0 is True" in refused(lambda: Prompt.from_ids([True]))
    assert "[1, 2]" in refused(lambda: Prompt.from_ids([[1, 2], [3, 4]]))


def test_limits_of_a_model():
    prompt = Prompt.from_ids([1, 2, 30])
    check(prompt, vocab_size=31, context_length=3)
    assert "id 30 at position 2" in refused(lambda: check(prompt, vocab_size=30))
    said = refused(lambda: check(prompt, 31, context_length=2))
    assert "3 tokens" in said
    assert "context is 2" in said


def test_visible_signs():
    assert visible(" a\n\tb\x00") == "␣a⏎⇥b\\x00"
    assert visible("日🙂é") == "日🙂é"


def test_the_table_has_a_line_per_token():
    prompt = Prompt.of(byte_level(bos=True), "Mary went\nhome", spans={"who": "Mary"})
    lines = prompt.table().splitlines()
    assert len(lines) == len(prompt) + 2
    assert lines[2].split() == ["0", "0", "<s>", "special"]
    assert lines[3].split() == ["1", str(prompt.ids[1]), "Mary", "who"]
    assert any("⏎" in line for line in lines)


def test_words_are_counted_where_the_tokenizer_does():
    prompt = Prompt.of(byte_level(bos=True), "Mary went")
    assert prompt.word_ids == (None, 0, 1)
    assert Prompt.of(Slow(), "Mary").word_ids is None


def test_importing_tokens_loads_neither_torch_nor_transformers():
    code = "import sys, innerworks.model.tokens; print({'torch', 'transformers'} & set(sys.modules))"
    root = Path(innerworks.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
