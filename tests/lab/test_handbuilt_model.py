"""What comes with a hand-built model: its class, its residual stream, its inputs and its tokenizer."""

from __future__ import annotations

import functools
import subprocess
import sys

import pytest
import torch
import transformers
from handbuilt_measures import layers_of, run

from innerworks.errors import PromptError
from innerworks.lab import handbuilt

CLASSES = {
    "gpt2": "GPT2LMHeadModel",
    "llama": "LlamaForCausalLM",
    "gemma": "GemmaForCausalLM",
    "neox": "GPTNeoXForCausalLM",
}


@functools.cache
def build(name):
    return getattr(handbuilt, name)(dtype=torch.float64)


@pytest.fixture(params=CLASSES)
def name(request):
    return request.param


@pytest.fixture
def built(name):
    return build(name)


def test_importing_loads_neither_torch_nor_transformers():
    check = "import sys, innerworks.lab.handbuilt; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_real_class_and_shape(name, built):
    assert type(built.model) is getattr(transformers, CLASSES[name])
    assert (built.model.config.num_hidden_layers, built.model.config.vocab_size) == (3, 50)
    assert {p.dtype for p in built.model.parameters()} == {torch.float64}
    assert not built.model.training
    assert {p.dtype for p in getattr(handbuilt, name)().model.parameters()} == {torch.float32}


def test_building_leaves_the_random_generator_alone(name):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    getattr(handbuilt, name)().sample(seed=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_grouped_heads_share_keys_and_values():
    config = build("llama").model.config
    assert (config.num_attention_heads, config.num_key_value_heads) == (4, 2)
    for layer in range(3):
        assert build("llama").roles[layer, 2] == build("llama").roles[layer, 3] == "idle"


def test_mlps_write_nothing(built):
    for layer in layers_of(built.model):
        assert all(not weight.any() for weight in layer.mlp.parameters())


def test_blocks_are_disjoint_and_bases_orthonormal(built):
    seen = torch.zeros(built.stream.hidden_size)
    for block, where in built.blocks.items():
        for part in where:
            seen[part] += 1
        basis = built.basis(block)
        torch.testing.assert_close(basis.T @ basis, torch.eye(basis.shape[1], dtype=basis.dtype))
        inside = torch.cat([basis[part] for part in where])
        assert inside.norm().item() == pytest.approx(basis.norm().item())
    assert seen.max() == 1
    assert set(built.blocks) >= {"tok", "prev", "out"}


def test_the_stream_holds_the_token_from_the_start_and_the_previous_one_after_layer_0(built):
    ids = built.sample(1)
    hidden = [h[0].double() for h in run(built, ids).hidden_states]
    for state in hidden[:-1]:
        assert torch.equal((state @ built.basis("tok")).argmax(-1), ids[0])
    previous = torch.cat([ids[0, :1], ids[0, :-1]])
    assert (hidden[0] @ built.basis("prev")).abs().max() == 0
    assert torch.equal((hidden[1] @ built.basis("prev")).argmax(-1), previous)
    length = (ids.shape[1] - 1) // 2
    predicted = (hidden[2] @ built.basis("out"))[length + 1 : -1].argmax(-1)
    assert torch.equal(predicted, ids[0, length + 2 :])


def test_what_the_norms_divide_by_is_known(built):
    ids = built.sample(2)
    length = (ids.shape[1] - 1) // 2
    hidden = [h[0].double() for h in run(built, ids).hidden_states]
    for layer, state in enumerate(hidden[:-1]):
        divisor = (state.pow(2).mean(-1) + built.stream.epsilon).sqrt()
        second = divisor[length + 1 :]
        assert second.tolist() == pytest.approx([built.stream.divisor(layer)] * length, rel=1e-6)
    if built.stream.mirrored:
        assert max(state.mean(-1).abs().max().item() for state in hidden) < 1e-12


def test_samples(built):
    ids = built.sample(seed=4, length=10)
    assert ids.shape == (1, 21)
    assert ids.dtype == torch.long
    assert ids[0, 0] == 0
    assert torch.equal(ids[0, 1:11], ids[0, 11:])
    assert len(set(ids[0, 1:11].tolist())) == 10
    assert 0 not in ids[0, 1:]
    assert torch.equal(ids, built.sample(seed=4, length=10))
    assert not torch.equal(ids, built.sample(seed=5, length=10))
    assert run(built, built.sample(length=31)).logits.shape == (1, 63, 50)


@pytest.mark.parametrize("length", [0, 32])
def test_samples_that_do_not_fit_are_refused(length):
    with pytest.raises(PromptError, match=f"length={length}"):
        build("gpt2").sample(length=length)


def test_tokenizer_round_trip():
    tokenizer = build("gpt2").tokenizer()
    assert isinstance(tokenizer, transformers.PreTrainedTokenizerFast)
    assert len(tokenizer) == 50
    assert tokenizer("t3 t49 t3").input_ids == [0, 3, 49, 3]
    assert tokenizer("t3", add_special_tokens=False).input_ids == [3]
    assert tokenizer.decode([0, 3, 49]) == "<bos> t3 t49"
    assert tokenizer.decode([0, 3, 49], skip_special_tokens=True) == "t3 t49"
    offsets = tokenizer("t3 t49", return_offsets_mapping=True).offset_mapping
    assert offsets[1:] == [(0, 2), (3, 6)]
    padded = tokenizer(["t1", "t1 t2"], padding=True).attention_mask
    assert padded == [[1, 1, 0], [1, 1, 1]]


def test_a_word_that_is_no_token_is_refused():
    with pytest.raises(Exception, match="UNK"):
        build("gpt2").tokenizer()("t50")


@pytest.mark.parametrize("cached", [True, False])
def test_generation_continues_the_text(built, cached):
    tokenizer = built.tokenizer()
    prompt = tokenizer("t3 t7 t9 t4 t3", return_tensors="pt")
    with torch.no_grad():
        ids = built.model.generate(**prompt, max_new_tokens=5, do_sample=False, use_cache=cached)
    assert tokenizer.decode(ids[0, 6:]) == "t7 t9 t4 t3 t7"


def test_saved_and_loaded_again_it_is_the_same_model(name, built, tmp_path):
    built.model.save_pretrained(tmp_path)
    again = type(built.model).from_pretrained(tmp_path, dtype=torch.float64, attn_implementation="eager")
    ids = built.sample(6)
    with torch.no_grad():
        torch.testing.assert_close(again(ids).logits, run(built, ids).logits, atol=1e-6, rtol=0)


def test_other_attention_kernels_agree(name):
    built = getattr(handbuilt, name)(dtype=torch.float64)
    ids = built.sample(7)
    eager = run(built, ids).logits
    built.model.set_attn_implementation("sdpa")
    with torch.no_grad():
        torch.testing.assert_close(built.model(ids).logits, eager, atol=1e-4, rtol=0)
