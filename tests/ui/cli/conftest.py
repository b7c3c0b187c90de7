"""A small model in a folder, and the command run inside this process, where torch is loaded already."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

sys.path.append(str(Path(__file__).parents[2] / "data"))  # where the small tokenizers are

from small_tokenizers import tokenizer_of

import innerworks as iw
from innerworks.ui.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `innerworks` with these words, in this process."""

    def run(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["innerworks", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        code = ended.value.code
        return Done(0 if code is None else int(code), told.out, told.err)

    return run


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random Llama of three layers with a tokenizer whose words are those of the tasks."""
    tokenizer = tokenizer_of("gpt2-like")
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = transformers.LlamaForCausalLM(config)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tiny(tiny_folder: str) -> Any:
    """The same, as Python opens it."""
    return iw.load(tiny_folder)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
