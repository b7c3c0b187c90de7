"""What is estimated without running is what running takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from families import FIRST, backends, build, ids
from opened_models import at, everywhere, model_of, prompt
from torch.utils.flop_counter import FlopCounterMode

import innerworks as iw
from innerworks import edit
from innerworks.errors import BackendError, LoadError, SiteError
from innerworks.model import metrics, reduce
from innerworks.model.estimate.dry import sizes
from innerworks.model.estimate.tracking import tracking

FAMILIES = (*FIRST, "deepseek_v3", "mistral")
MIXED = ("mixtral", "gpt_oss", "deepseek_v3")


def held(run):
    return sizes(run.captured) + sizes(run.reduced)


@pytest.mark.each_family
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_bytes_captured_are_exact(family, dtype):
    model = model_of(family, backends(family)[-1], dtype)
    for wanted in (
        everywhere(model),
        [at.z[1, 2] @ -1, at.resid_post[:] @ [1, 3], at.pattern[1, [0, 2]] @ (None, 3), at.logits @ 2],
        {
            at.pattern[:]: reduce.attention_to(0),
            at.resid_post[1]: reduce.norm,
            at.neurons[1] if "neurons" not in model.anatomy.missing else at.mlp_out[1]: reduce.top(3),
            at.scores[0]: reduce.mean(2),
        },
    ):
        for given in (prompt(), [[5, 6, 7, 8, 9, 10, 11, 12], [9, 8, 7, 6, 5]]):
            cost = model.estimate(given, capture=wanted)
            assert cost.captured == held(model.run(given, capture=wanted, nan="allow"))
    assert cost.weights == sum(p.numel() * p.element_size() for p in model.module.parameters())


def counted(call):
    """The operations of matrix products in a real call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


@pytest.mark.each_family
@pytest.mark.parametrize("family", FAMILIES)
def test_operations_are_exact(family, monkeypatch):
    model = model_of(family, "eager", torch.float32)
    if family in MIXED:  # the counter does not know the grouped product
        monkeypatch.setattr(model.module.config, "_experts_implementation", "batched_mm")
    given, sites = prompt(), [at.z[1], at.resid_post[0]]
    assert model.estimate(given).flops == counted(lambda: model.run(given))
    assert model.estimate(given).forwards == 1
    few = model.estimate(given, capture=[at.head_out[1]], logits="last")
    assert few.flops == counted(lambda: model.run(given, capture=[at.head_out[1]], logits="last"))
    stopped = model.estimate(given, capture=[at.resid_post[0]], logits=None)
    assert stopped.flops == counted(lambda: model.run(given, capture=[at.resid_post[0]], logits=None))
    stream = model.run(given, capture=[at.resid_pre[2]])[at.resid_pre[2]]
    late = model.estimate(given, start=2)
    assert late.flops == counted(lambda: model.run(given, start=(2, stream))) and late.forwards < 0.6
    back = model.estimate(given, wrt=sites, metric=metrics.logit(5))
    with tracking([]) as real:
        model.gradients(given, metrics.logit(5), sites)
    assert back.flops == real.flops > 1.5 * few.flops
    assert back.captured == sizes(model.gradients(given, metrics.logit(5), sites).captured)


@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral", "gemma2", "deepseek_v3"])
def test_keys_and_values_of_a_generation_are_exact(family):
    model = model_of(family, backends(family)[-1])
    with torch.no_grad():
        out = model.module.generate(
            ids(2, 9), max_new_tokens=5, do_sample=False, return_dict_in_generate=True, eos_token_id=[], pad_token_id=0
        )
    cost = model.estimate(ids(2, 9), max_new_tokens=5, capture=[at.z[1], at.pattern[0] @ (-1, None)])
    assert cost.cache == sum(sizes([layer.keys, layer.values]) for layer in out.past_key_values.layers)
    written = model.generate(ids(2, 9), max_new_tokens=5, capture=[at.z[1], at.pattern[0]], stop_at_eos=False)
    assert cost.captured == held(written)
    assert cost.tokens == 2 * 13


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_operations_of_a_generation(family):
    """Steps are reckoned at the mean of the first and the last: exact, as attention grows evenly."""
    model = model_of(family, "eager")
    cost = model.estimate(ids(1, 9), max_new_tokens=5)
    assert cost.flops == counted(lambda: model.generate(ids(1, 9), max_new_tokens=5, stop_at_eos=False))


HYBRIDS = ("jamba", "lfm2", "qwen3_next", "zamba2", "recurrent_gemma", "nemotron_h", "minimax", "mamba", "mamba2")


def floats(layer):
    """The bytes of a cache layer's numbers, its counters left out."""
    held = [one for value in vars(layer).values() for one in (value.values() if isinstance(value, dict) else [value])]
    return sizes([one for one in held if isinstance(one, torch.Tensor) and one.is_floating_point()])


@pytest.mark.parametrize("family", HYBRIDS)
def test_operations_and_states_of_a_hybrids_generation(family, monkeypatch):
    model = iw.load(build(family))
    monkeypatch.setattr(model.module.config, "_experts_implementation", "batched_mm")
    asked = dict(do_sample=False, return_dict_in_generate=True, eos_token_id=[], pad_token_id=0)
    with torch.no_grad():
        out = model.module.generate(ids(2, 9), max_new_tokens=5, **asked)
    kept = out.get("past_key_values") or out.get("cache_params")
    beside = [held for name, held in vars(kept).items() if name != "layers"]
    cost = model.estimate(ids(2, 9), max_new_tokens=5)
    assert cost.cache == sizes(beside) + sum(map(floats, kept.layers)) > 0
    assert cost.flops == counted(lambda: model.generate(ids(2, 9), max_new_tokens=5, stop_at_eos=False))
    assert ("keeps in its own modules" in repr(cost)) == (family == "recurrent_gemma")


@pytest.mark.parametrize("family", HYBRIDS)
def test_operations_of_a_hybrid_are_exact(family, monkeypatch):
    model = iw.load(build(family))
    monkeypatch.setattr(model.module.config, "_experts_implementation", "batched_mm")
    assert model.estimate(ids(2, 9)).flops == counted(lambda: model.run(ids(2, 9)))
    back = model.estimate(ids(2, 9), wrt=[at.resid_pre[1]], metric=metrics.logit(5))
    assert back.flops > 0 and back.captured == 2 * 9 * model.d_model * 4
    assert model.estimate(ids(2, 9), variants={"a": [edit.zero(at.resid_pre[1])]}, metric=metrics.logit(5)).forwards > 1


def test_a_model_whose_own_code_asks_for_values_is_refused_truthfully():
    small = dict(hidden_size=32, num_hidden_layers=2, num_key_value_heads=2, intermediate_size=64, vocab_size=83)
    shape = transformers.JetMoeConfig(**small, kv_channels=8)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = iw.load(transformers.AutoModelForCausalLM.from_config(shape).eval())
    for asked in ({}, {"capture": [at.resid_pre[1]]}, {"max_new_tokens": 3}, {"wrt": at.resid_pre[1]}):
        with pytest.raises(BackendError, match="the code of jetmoe itself asks for values.* measure a short run"):
            model.estimate(prompt(), **asked)


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gemma2", "mixtral"])
def test_working_memory_is_that_of_a_real_pass(family):
    """Against the tensors that live while the model itself runs; mixtures copy less or more, as their kernels do."""
    model, given = model_of(family, backends(family)[-1]), ids(4, 40)
    own = [*model.module.parameters(), *model.module.buffers()]
    with tracking(own) as run:
        model.run(given)
    with tracking(own) as back:
        model.gradients(given, metrics.logit(5), [at.embed])
    factor = 1.6 if family == "mixtral" else 1.2
    for cost, real in (
        (model.estimate(given), run.peak),
        (model.estimate(given, wrt=[at.embed], metric=metrics.logit(5)), back.peak),
    ):
        assert real / factor <= cost.working + cost.captured <= real * factor


@pytest.mark.parametrize("plan", ["auto", "batched", "single"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral", "bloom"])
def test_a_sweeps_forwards_are_those_it_makes(family, plan):
    model = model_of(family, backends(family)[-1])
    vectors = {p: torch.randn(model.d_model) for p in range(9)}
    variants = {(layer, p): [edit.add(at.resid_post[layer] @ p, vectors[p])] for layer in range(3) for p in range(9)}
    variants |= {head: [edit.add(head @ 8, torch.ones(1))] for head in at.z[1].each_head(model)}
    for given in (prompt(1), prompt(2)):
        real = model.sweep(given, variants, metrics.logit(5), plan=plan, max_tokens=64)
        cost = model.estimate(given, variants=variants, metric=metrics.logit(5), plan=plan, max_tokens=64)
        assert (cost.forwards, cost.tokens, cost.plans) == (real.forwards, real.tokens, real.plans)
    whole = model.estimate(given)
    assert 0 < cost.flops <= whole.flops * (len(variants) + 1) * 1.2


def big(name):
    if name == "llama 70B":
        config = transformers.LlamaConfig(
            hidden_size=8192,
            intermediate_size=28672,
            num_hidden_layers=80,
            num_attention_heads=64,
            num_key_value_heads=8,
            vocab_size=128256,
            max_position_embeddings=8192,
            tie_word_embeddings=False,
        )
    else:
        config = transformers.DeepseekV3Config()
    return iw.load(config, dtype="bfloat16")


@pytest.mark.parametrize(
    ("name", "parameters", "active"), [("llama 70B", 70.6e9, 68.4e9), ("deepseek v3", 671e9, 36.6e9)]
)
def test_models_that_fit_nowhere(name, parameters, active):
    """Sizes as published; operations within a tenth of two for each parameter that a token passes, and attention."""
    model = big(name)
    assert abs(sum(p.numel() for p in model.module.parameters()) / parameters - 1) < 0.01
    cost = model.estimate([1] * 512, logits="last", capture=[at.resid_post[:], at.z[3, 1]])
    assert abs(cost.weights / (2 * parameters) - 1) < 0.01
    assert cost.captured == 2 * 512 * (model.n_layers * model.d_model + model.anatomy.d_value)
    assert 1 <= cost.flops / (2 * 512 * active) < 1.1
    assert model.at.z[model.n_layers - 1, model.n_heads - 1] and "head" in model.explain(at.z[3, 1])
    with pytest.raises(SiteError, match="does not exist"):
        model.at.z[model.n_layers, 0]
    with pytest.raises(BackendError, match=r"on the meta device: it has shapes and no weights, so it cannot run"):
        model.run([1, 2, 3])
    with pytest.raises(BackendError, match="cannot run"):
        model.generate([1, 2, 3])


def test_a_long_prompts_pattern_is_reckoned_in_pieces():
    model = big("llama 70B")
    cost = model.estimate([1] * 8000, capture={at.pattern[:]: reduce.attention_to(0)}, logits="last")
    assert cost.captured == 2 * 80 * 64 * 8000 * 2 and cost.working < 4e9  # whole, one layer's would be 16 GB


def test_what_cannot_be_estimated_is_refused():
    model = model_of("llama", "sdpa")
    with pytest.raises(SiteError, match="one thing at a time"):
        model.estimate(prompt(), wrt=[at.z[1]], max_new_tokens=3)
    with pytest.raises(BackendError, match="asks for values"):
        model.estimate(prompt(), capture={at.z[1]: lambda z: float(z.abs().max())})
    with pytest.raises(LoadError, match="no weights to place"):
        iw.load(transformers.LlamaConfig(), device="cpu")
    assert "captured" in repr(model.estimate(prompt(), capture=[at.z[1]]))


@pytest.mark.slow
def test_memory_of_a_process_is_within_a_factor_of_two():
    script = Path(__file__).with_name("estimated_memory.py")
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    told = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, env=here).stdout
    estimated, measured = (int(line) for line in told.split())
    assert estimated / 2 < measured < estimated * 2
