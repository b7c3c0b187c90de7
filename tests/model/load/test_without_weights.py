"""`load(…, weights=False)`: a model of a folder's configuration alone."""

from __future__ import annotations

import families
import pytest
import torch
import transformers

import innerworks as iw
from innerworks.errors import AnatomyError, LoadError


@pytest.fixture
def folder(tmp_path):
    families.module_of("llama").to(torch.float32).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_no_weights_are_needed_nor_opened(folder):
    (folder / "model.safetensors").write_bytes(b"nothing of the kind")
    model = iw.load(folder, weights=False)
    assert model.device.type == "meta" and model.n_layers == len(model.anatomy.blocks)
    assert model.explain("z.1.2").startswith("z.1.2: ")
    with pytest.raises(LoadError, match="damaged"):
        iw.load(folder)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_dtype_is_the_checkpoint_s_unless_another_is_asked_for(tmp_path, dtype):
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4
    )
    transformers.LlamaForCausalLM(config).to(dtype).save_pretrained(tmp_path / "tiny")
    assert iw.load(tmp_path / "tiny", weights=False).dtype == dtype == iw.load(tmp_path / "tiny").dtype
    assert iw.load(tmp_path / "tiny", weights=False, dtype="float16").dtype == torch.float16


def test_what_cannot_be_opened_is_refused_as_with_weights(folder, tmp_path):
    transformers.T5Config().save_pretrained(tmp_path / "t5")
    with pytest.raises(LoadError, match="encoder-decoder"):
        iw.load(tmp_path / "t5", weights=False)
    (folder / "config.json").write_text("{")
    with pytest.raises(LoadError, match=r"could not read the config\.json"):
        iw.load(folder, weights=False)
    with pytest.raises(LoadError, match="has none to begin with"):
        iw.load(families.module_of("llama"), weights=False)


def test_a_structure_that_would_be_guessed_needs_weights(folder, monkeypatch):
    from innerworks.model import open as opening

    monkeypatch.setattr(opening, "family_named", lambda name: None)
    with pytest.raises(AnatomyError, match="meta device"):
        iw.load(folder, weights=False)
