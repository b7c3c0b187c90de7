"""Folders: what opens is what was saved, and each way of being broken is told apart."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_llama import tiny_config, tiny_model, tiny_tokenizer
from transformers import (
    BertConfig,
    BertLMHeadModel,
    LlamaForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    T5Config,
    ViTConfig,
)

from innerworks.errors import LoadError
from innerworks.model.load import open_model


def refused(source: object, **options: object) -> str:
    with pytest.raises(LoadError) as caught:
        open_model(source, **options)
    return str(caught.value)


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_folder_opens_to_the_weights_that_were_saved(folder):
    opened = open_model(folder)
    saved = tiny_model().state_dict()
    assert all(torch.equal(value, saved[name]) for name, value in opened.module.state_dict().items())
    assert not opened.module.training
    assert opened.name == str(folder)
    assert opened.revision is None
    assert opened.tokenizer("Mary and John").input_ids == tiny_tokenizer()("Mary and John").input_ids


def test_dtype_is_the_checkpoints_unless_asked(folder):
    tiny_model().to(torch.bfloat16).save_pretrained(folder)
    assert open_model(folder).module.dtype == torch.bfloat16
    assert open_model(folder, dtype="float32").module.dtype == torch.float32
    assert open_model(folder, dtype=torch.float64).module.dtype == torch.float64
    assert "int4" in refused(folder, dtype="int4")
    assert "floating" in refused(folder, dtype=torch.int8)


def test_options_reach_transformers_and_may_not_contradict(folder):
    assert open_model(folder, attn_implementation="eager").module.config._attn_implementation == "eager"
    assert "nope" in refused(folder, attn_implementation="nope")
    assert "dtype" in refused(folder, options={"dtype": "float32"})
    assert "'nonsense'" in refused(folder, options={"nonsense": 1})
    assert "not both" in refused(folder, device="cpu", device_map="auto")


def test_a_missing_tokenizer_is_none_and_a_broken_one_is_told(folder):
    whole = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer.json" in refused(folder)
    (folder / "tokenizer.json").write_text(whole[:100])
    assert "not readable JSON" in refused(folder)
    assert open_model(folder, tokenizer=tiny_tokenizer()).tokenizer is not None
    assert open_model(folder, tokenizer=False).tokenizer is None
    (folder / "tokenizer.json").unlink()
    assert open_model(folder).tokenizer is None


def test_no_config(folder):
    assert f"pass {folder}" in refused(folder.parent)
    (folder / "config.json").unlink()
    assert "no config.json" in refused(folder)


def test_broken_config(folder):
    (folder / "config.json").write_text('{"model_type": ')
    assert "not readable JSON" in refused(folder)


def test_a_config_that_says_nonsense(folder):
    edit_json(folder / "config.json", hidden_size="many")
    assert "hidden_size" in refused(folder)


def test_truncated_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "interrupted download" in refused(folder)
    weights.write_bytes(weights.read_bytes()[:20])
    assert "interrupted download" in refused(folder)
    weights.write_text("version https://git-lfs.github.com/spec/v1")
    assert "does not start with a safetensors header" in refused(folder)


def test_missing_and_truncated_shard(folder):
    (folder / "model.safetensors").unlink()
    tiny_model().save_pretrained(folder, max_shard_size="20KB")
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) > 2
    open_model(folder)
    whole = shards[1].read_bytes()
    shards[1].write_bytes(whole[:-4])
    assert shards[1].name in refused(folder)
    shards[1].unlink()
    assert shards[1].name in refused(folder)


def test_pickles_are_never_opened(folder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "exploded", "x"))

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    said = refused(folder)
    assert "pickle" in said
    assert "save_pretrained" in said
    assert not (tmp_path / "exploded").exists()


def test_weights_missing_from_the_checkpoint(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "model.layers.1.mlp.up_proj.weight" in refused(folder)


def test_weights_of_another_shape(folder):
    edit_json(folder / "config.json", intermediate_size=48)
    said = refused(folder)
    assert "another shape" in said
    assert "(64, 32)" in said


def test_only_decoders(folder):
    T5Config().save_pretrained(folder)
    assert "'t5') is an encoder-decoder" in refused(folder)
    BertConfig().save_pretrained(folder)
    assert "'bert') is an encoder" in refused(folder)
    small = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    assert "is an encoder" in refused(BertLMHeadModel(small))
    ViTConfig().save_pretrained(folder)
    assert "no causal language-model form" in refused(folder)


def test_remote_code_and_unknown_types(folder):
    edit_json(folder / "config.json", model_type="made_up")
    assert "'made_up'" in refused(folder)
    edit_json(folder / "config.json", auto_map={"AutoConfig": "code.Config"})
    assert "trust_remote_code=True" in refused(folder)


def test_a_device_that_is_not_here(folder):
    said = refused(folder, device="cuda:7")
    assert "cuda:7" in said
    assert "cpu" in said
    assert open_model(folder, device="cpu").module.device.type == "cpu"
    assert "'potato'" in refused(folder, device="potato")


def test_a_revision_means_nothing_for_a_folder(folder):
    assert "revision='v1'" in refused(folder, revision="v1")


def test_a_live_model_is_left_as_it_is():
    model = tiny_model().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    opened = open_model(model)
    assert opened.module is model
    assert model.training
    assert opened.tokenizer is None
    assert opened.name == "LlamaForCausalLM"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert "taken as it is" in refused(model, dtype="bfloat16")
    assert "nn.Linear" in refused(torch.nn.Linear(2, 2)).replace("modules.linear.", "")


def test_a_live_model_without_a_language_model_head():
    model = tiny_model()
    assert "LlamaModel has no language-model head" in refused(model.model)
    assert "has no language-model head" in refused(LlamaForSequenceClassification(tiny_config()))


def test_a_users_own_architecture_is_taken_live():
    class OwnConfig(PretrainedConfig):
        model_type = "own"

    class Own(PreTrainedModel):
        config_class = OwnConfig

        def __init__(self, config: OwnConfig) -> None:
            super().__init__(config)
            self.out = torch.nn.Linear(4, 8)

    assert open_model(Own(OwnConfig())).name == "Own"


def test_fingerprint_tells_models_apart_and_knows_them_again(folder):
    first = open_model(folder).fingerprint
    assert first == open_model(tiny_model()).fingerprint
    assert first != open_model(tiny_model(seed=1)).fingerprint
    assert first != open_model(folder, dtype="bfloat16").fingerprint
    assert first != open_model(tiny_model(rope_parameters={"rope_type": "default", "rope_theta": 5.0})).fingerprint
    with torch.device("meta"):
        empty = type(tiny_model())(tiny_config())
    assert len(open_model(empty).fingerprint) == 16
