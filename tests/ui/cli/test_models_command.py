"""`innerworks models`: what the cache holds, what a model is inside, how to be rid of one."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers

import innerworks as iw
from innerworks.model.load.cache import kept

NAME = "smollm2-135m-instruct-q4"


@pytest.fixture
def cache(here, monkeypatch):
    """A cache with a whole bundled model (a small file in its place), and a damaged conversion."""
    monkeypatch.setenv("INNERWORKS_CACHE", str(here / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(here / "hub"))
    (here / "hub" / "models--openai-community--gpt2" / "snapshots").mkdir(parents=True)
    bundled = iw.bundled()[0]

    def build(part):
        (part / "config.json").write_text("{}" * 50_000)
        return {"name": bundled.name, "package": bundled.requirement, "sha256": bundled.sha256}

    kept(here / "cache" / "bundled" / f"{bundled.name}-{bundled.sha256[:8]}-1", build)
    mine = kept(here / "cache" / "gguf" / "mine-0123456789abcdef-float32-1", lambda part: build(part) and {"file": "m"})
    (mine / "config.json").write_text("short")
    return here / "cache"


def rows(command):
    return {one["name"]: one for one in json.loads(command("models", "--json").out)["models"]}


def test_the_list_says_what_is_ready_what_is_damaged_and_what_the_hub_s_cache_holds(cache, command):
    found = rows(command)
    assert found[NAME]["state"] == "ready" and found[NAME]["bytes"] > 100_000
    assert found["mine-0123456789abcdef-float32-1"]["state"].startswith("damaged: config.json has 5 bytes")
    assert found["openai-community/gpt2"]["kind"] == "hub"
    told = command("models")
    assert told.code == 0 and told.out == command("models", "list").out and NAME in told.out and "ready" in told.out
    assert str(cache) in told.out.replace("\n", "")


def test_an_empty_cache_says_how_to_fill_it(here, command, monkeypatch):
    monkeypatch.setenv("INNERWORKS_CACHE", str(here / "none"))
    monkeypatch.setenv("HF_HUB_CACHE", str(here / "none"))
    assert f"innerworks models add {NAME}" in rows(command)[NAME]["state"]
    assert not (here / "none").exists()


def test_removing_asks_and_says_what_is_free_again(cache, command, monkeypatch):
    folder = Path(rows(command)[NAME]["folder"])
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    not_removed = command("models", "remove", NAME)
    assert not_removed.code == 1 and folder.is_dir() and not_removed.out.strip() == ""
    assert f"Delete {folder}" in not_removed.err
    done = command("models", "remove", NAME, "--yes")
    assert done.code == 0 and "0 MB are free again" in done.out and not folder.exists()
    assert "fetches" in rows(command)[NAME]["state"]
    assert command("models", "remove", "mine-0123456789abcdef-float32-1", "-y").code == 0
    assert [one.name for one in (cache / "gguf").iterdir() if not one.name.startswith(".")] == []
    empty = command("models", "remove", NAME, "--yes")
    assert empty.code == 2 and "It is empty." in empty.err


def test_what_is_not_there_is_told_with_what_is(cache, command):
    done = command("models", "remove", NAME[:-1])
    assert done.code == 2 and f"Did you mean {NAME!r}?" in done.err
    done = command("models", "add", "smollm2")
    assert done.code == 2 and f"Did you mean {NAME!r}?" in done.err and "--model fetches it" in done.err


def test_what_is_there_is_not_fetched_again(cache, command, monkeypatch):
    monkeypatch.setattr("innerworks.model.open.open_model", lambda *a, **k: pytest.fail("it was opened"))
    done = command("models", "add", NAME)
    assert done.code == 0 and f"{NAME} is ready" in done.out


# -- what a model is ------------------------------------------------------------------------------------------------


def test_a_model_is_described_without_its_weights(command, tiny_folder, tiny, here):
    done = command("models", "show", tiny_folder)
    words = " ".join(done.out.split())
    assert done.code == 0 and "weights" in words and "not loaded" in words
    for said in ("layers 3", "heads 4", "key-value heads 2", "width 32", "LlamaForCausalLM (llama)", "eager, sdpa"):
        assert said in words
    assert "router, router_weights" in words and "it is not a mixture of experts" in words
    found = json.loads(command("models", "show", tiny_folder, "--json").out)
    there = dict(zip(*(found["tables"]["sites"][name] for name in ("place", "there")), strict=True))
    assert there["resid_mid"] == "yes" and there["pos_embed"] == "no"
    assert {name for name, is_there in there.items() if is_there == "no"} == set(tiny.anatomy.missing)
    shutil.copytree(tiny_folder, "bare")
    Path("bare/model.safetensors").unlink()
    assert command("models", "show", "bare").code == 0
    assert command("models", "show", tiny_folder, "--html", "page.html").code == 0 and Path("page.html").exists()


def test_a_structure_that_is_guessed_needs_the_weights_and_says_so(command, here, monkeypatch):
    config = transformers.HeliumConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained("helium")
    from innerworks.model import open as opening

    monkeypatch.setattr(opening, "family_named", lambda name: None)
    done = command("models", "show", "helium")
    assert done.code == 0, done.err
    assert "its weights are read, to guess one" in done.err and "guessed, and held against" in done.out


def test_an_architecture_that_is_refused_says_why_and_what_to_do(command, here):
    config = transformers.OPTConfig(
        vocab_size=64, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4,
        do_layer_norm_before=False, word_embed_proj_dim=32,
    )  # fmt: skip
    transformers.OPTForCausalLM(config).save_pretrained("opt")
    done = command("models", "show", "opt")
    assert done.code == 2 and "do_layer_norm_before=False is not supported" in done.err
    transformers.T5Config().save_pretrained("t5")
    assert "encoder-decoder" in command("models", "show", "t5").err
    Path("odd").mkdir()
    Path("odd/config.json").write_text('{"model_type": "nobody_knows"}')
    assert "pip install -U transformers" in command("models", "show", "odd").err
