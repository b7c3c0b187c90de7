"""A corpus is the user's text and nothing else, in rows of equally many tokens."""

import json
from functools import cache

import families
import numpy as np
import pytest
import small_tokenizers
import torch

import innerworks as iw
from innerworks.data.corpus import Corpus
from innerworks.errors import FileError, InnerworksError, PromptError

TEXTS = [f"the store gave {word} to her and went {word} again" for word in ("apples", "pears", "plums", "figs")] * 5


@cache
def model(bos=True):
    tokenizer = small_tokenizers.byte_level(bos=bos, digits=False)
    return iw.load(families.build("llama", vocab_size=len(tokenizer)), tokenizer=tokenizer)


def plain(texts, bos):
    """Every text's tokens behind one another, with the end-of-text token between them."""
    tokenizer, flat = model(bos).tokenizer, []
    for text in texts:
        flat += [tokenizer.eos_token_id] if flat else []
        flat += tokenizer(text, add_special_tokens=False)["input_ids"]
    return flat


@pytest.mark.parametrize("bos, eos", [(True, True), (False, True), (True, False)])
def test_what_a_tokenizer_puts_behind_a_text_is_between_documents_alone(bos, eos):
    tokenizer = small_tokenizers.byte_level(bos=bos, digits=False, eos=eos)
    found = Corpus.of(TEXTS, context=16).contexts(iw.load(model().module, tokenizer=tokenizer)).ids
    assert (found[:, 0] == tokenizer.bos_token_id).all() == bos
    assert (found == tokenizer.eos_token_id).sum() <= len(TEXTS) - 1


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("context", [5, 16, 64])
def test_rows_are_the_text_in_order(bos, context):
    found = Corpus.of(TEXTS, context=context).contexts(model(bos))
    flat, own = plain(TEXTS, bos), context - bos
    assert found.width == context and len(found) == len(flat) // own
    assert found.left_over == len(flat) % own
    if bos:
        assert set(found.ids[:, 0].tolist()) == {model(bos).tokenizer.bos_token_id}
    assert found.ids[:, int(bos) :].ravel().tolist() == flat[: len(found) * own]
    assert list(found.prompt(1).ids) == found.ids[1].tolist()
    assert torch.equal(found.tensor([2, 0])[1], torch.tensor(found.ids[0]).long())


def test_files_of_every_kind_hold_the_same_text(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "plain").mkdir()
    for number, text in enumerate(TEXTS):
        (tmp_path / "plain" / f"{number:03d}.txt").write_text(text)
    lines = [json.dumps({"content": text, "number": 1}) for text in TEXTS]
    (tmp_path / "lines.jsonl").write_text("\n".join(lines) + "\n\n")
    parquet.write_table(pyarrow.table({"content": TEXTS}), tmp_path / "table.parquet")
    expected = Corpus.of(TEXTS, context=16).contexts(model())
    for source in ("plain", "plain/*.txt", "lines.jsonl", "table.parquet"):
        found = Corpus(tmp_path / source, context=16, field="content").contexts(model())
        assert np.array_equal(found.ids, expected.ids) and found.fingerprint == expected.fingerprint, source
    both = Corpus(tmp_path / "plain", str(tmp_path / "plain" / "0*.txt"), context=16).contexts(model())
    assert len(both) == len(expected), "a file that is named twice is read once"
    assert Corpus.parse(str(tmp_path / "plain")).written() == str(tmp_path / "plain")


def test_a_corpus_is_written_as_it_is_read():
    for text in ("text/*.txt", "a.txt, b.jsonl, context=64, field=body, limit=1000", "folder, limit=512"):
        made = Corpus.parse(text)
        assert made.written() == text and Corpus.parse(made.written()) == made
    assert Corpus.parse("a.txt,context = 64 , limit=None") == Corpus("a.txt", context=64)
    for text in ("a.txt, limit=some", "a.txt, context=-5"):
        with pytest.raises(InnerworksError, match="give a whole number of tokens"):
            Corpus.parse(text)
    with pytest.raises(InnerworksError, match="a corpus needs text"):
        Corpus.parse("context=64")


def test_a_limit_takes_the_beginning():
    some, every = (Corpus.of(TEXTS, context=16, limit=limit).contexts(model()) for limit in (70, None))
    assert len(some) == 4 and np.array_equal(some.ids, every.ids[:4])


@pytest.mark.parametrize("rows", [2, 7, 49, 400])
@pytest.mark.parametrize("held_out", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9])
def test_a_split_takes_each_row_once(rows, held_out):
    every = iw.Contexts(np.arange(rows * 5).reshape(rows, 5))
    fitted, tested = every.split(held_out)
    assert len(fitted) and len(tested)
    assert sorted([*fitted.ids[:, 0], *tested.ids[:, 0]]) == every.ids[:, 0].tolist()
    if rows == 400:
        assert abs(len(tested) / rows - held_out) < 0.03
        assert tested.ids[:, 0].max() > 1800 and tested.ids[:, 0].min() < 1000, "spread over the text"
        assert fitted.ids[:, 0].min() == 0 and fitted.ids[:, 0].max() > 1600
    batches = list(every.batches(20))
    assert [row for batch in batches for row in batch] == list(range(rows)) and max(map(len, batches)) <= 4


@pytest.mark.parametrize("width, other", [(40, 40), (40, 64), (64, 40), (12, 30), (33, 100)])
def test_text_that_was_seen_is_known_again_in_other_contexts(width, other):
    """Every row that shares enough tokens with a seen one is found, wherever they stand, and no other row is."""
    tokens = np.random.default_rng(0).integers(0, 5000, 6000)
    seen = iw.Contexts(tokens[: 3000 // width * width].reshape(-1, width))
    windows, size = seen.windows()
    assert size == min(16, width)
    shifted = iw.Contexts(tokens[7 : 7 + (5900 // other) * other].reshape(-1, other))
    begins = 7 + np.arange(len(shifted)) * other
    shared = np.clip(seen.tokens - begins, 0, other)
    held = shifted.holding(windows, size)
    assert held[shared >= 2 * size - 1].all() or other < 2 * size - 1
    assert not held[shared == 0].any()
    assert not iw.Contexts(tokens[:50].reshape(-1, 5)).holding(windows, size).any(), "too short to hold one"


def test_what_begins_every_context_is_no_text_to_be_known_by():
    tokens = np.random.default_rng(1).integers(1, 5000, 3600)
    narrow, wide = (np.pad(tokens.reshape(-1, width), ((0, 0), (1, 0))) for width in (12, 60))
    windows, size = iw.Contexts(narrow).windows()
    assert size == 12 and iw.Contexts(wide).holding(windows, size).all()


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "broken.jsonl").write_text('{"text": "a"}\n{"text": \n')
    (tmp_path / "other.jsonl").write_text('{"content": "a"}\n')
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "picture.png").write_bytes(b"1234")
    (tmp_path / "short.txt").write_text("the store")
    for name, error, match in (
        ("broken.jsonl", FileError, "line 2: not valid JSON"),
        ("other.jsonl", FileError, r"line 1: there is no text 'text' \(it has content\)"),
        ("latin.txt", FileError, "not UTF-8 text: .* at byte 3"),
        ("picture.png", FileError, "no text that can be read"),
        ("nothing/*.txt", FileError, "there is no text at"),
        ("short.txt", PromptError, "has 2 tokens, which is less than one context of 64: give more text.$"),
    ):
        with pytest.raises(error, match=match):
            Corpus(tmp_path / name, context=64).contexts(model())
    for options in ({"context": 3}, {"limit": 5}):
        with pytest.raises(InnerworksError, match=f"{next(iter(options))}="):
            Corpus.of(TEXTS, **options)
    with pytest.raises(InnerworksError, match="a corpus needs text"):
        Corpus()
    with pytest.raises(PromptError, match="the model takes"):
        Corpus.of(TEXTS, context=10_000).contexts(model())
    with pytest.raises(PromptError, match="no tokenizer"):
        Corpus.of(TEXTS).contexts(iw.load(families.module_of("llama")))
    with pytest.raises(InnerworksError, match="held_out=1.5"):
        Corpus.of(TEXTS, context=16).contexts(model()).split(1.5)
