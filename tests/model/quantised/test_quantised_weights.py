"""Models in eight and four bits: read exactly, edited, differentiated, and their matrices shown as they are used."""

from __future__ import annotations

import pytest
import torch
from families import ids
from schemes import CASES, SCHEMES, folder_of, packed_modules, quantised, twin

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import AnatomyError, BackendError
from innerworks.model.sites import KINDS, Site
from innerworks.model.stored import stored

pytestmark = pytest.mark.quantised
PROMPT = ids(2, 9)
WHOLE_NUMBERS = ("router_index",)


def everywhere(model):
    names = [name for name in KINDS if name != "module" and name not in model.anatomy.missing]
    return [
        one
        for name in names
        for one in model.anatomy.concrete(Site(name)[:] if Site(name).kind.layered else Site(name))
    ]


def plain(model, prompt=PROMPT):
    batch = model.batch(prompt)
    given = {"input_ids": batch.ids, "attention_mask": batch.mask, "position_ids": batch.positions}
    with torch.no_grad():
        return model.module(**given, use_cache=False).logits


def state(model):
    """What must be found again: the stored weights, how they are packed, hooks and flags."""
    seen = {}
    for name, part in model.module.named_modules():
        seen[name] = (sorted(vars(part)), len(part._forward_hooks), len(part._forward_pre_hooks), part.training)
        seen[f"{name} fast"] = getattr(part, "support_avx512bf16_for_cpu", None)
    for name, parameter in model.module.named_parameters():
        packing = getattr(getattr(parameter, "quant_state", None), "packing_format_for_cpu", None)
        seen[f"{name} parameter"] = (id(parameter), type(parameter), parameter.requires_grad, parameter.grad, packing)
        if type(parameter) is torch.nn.Parameter or packing is not None:
            seen[f"{name} bytes"] = parameter.detach().contiguous().view(torch.uint8).sum().item()
    return seen


@pytest.fixture(params=CASES, ids="-".join)
def case(request):
    model = quantised(*request.param)
    before = state(model)
    yield model, twin(*request.param), SCHEMES[request.param[1]]
    assert state(model) == before


def test_reading_and_writing_back_change_no_bit(case):
    model, _, _ = case
    assert len(packed_modules(model)) >= 4 * model.n_layers
    sites, expected = everywhere(model), plain(model)
    run = model.run(PROMPT, capture=sites)
    assert torch.equal(run.logits, expected)
    inside = ("scores", "pattern")  # writing these takes eager attention
    wrong = [
        str(site)
        for site in sites
        if site.name not in inside
        and not torch.equal(model.run(PROMPT, edits=[edit.set(site, run[site])]).logits, expected)
    ]
    assert wrong == []


def test_the_dequantised_matrix_is_what_the_module_multiplies_by(case):
    model, _, scheme = case
    for name, part in packed_modules(model).items():
        weight = stored(part)
        assert weight.shape == (part.out_features, part.in_features)
        with torch.no_grad():
            found = part(torch.eye(part.in_features)) - (0 if part.bias is None else part.bias)
        assert (found.T - weight).abs().max() <= scheme.rounding * weight.abs().max(), name


def test_views_are_those_of_the_dequantised_model(case):
    model, dense, _ = case
    expert = 1 if model.anatomy.mixture_layers else None
    for look in (
        lambda w: w.q(1, 2),
        lambda w: w.o(1, 2, folded=True),
        lambda w: w.v_bias(1, 2, folded=True),
        lambda w: w.ov(2, 1).dense(),
        lambda w: w.neuron_in(1, expert=expert, folded=True),
        lambda w: w.neuron_out(1, expert=expert),
        lambda w: w.unembed,
        lambda w: w.embed,
        lambda w: w.composition("V").scores.nan_to_num(),
    ):
        found, expected = look(model.weights), look(dense.weights)
        assert (found.float() - expected).abs().max() <= 1e-6 * expected.abs().max().clamp(min=1)


def test_sizes_dtype_and_fingerprint(case):
    model, dense, scheme = case
    here, there = model.anatomy, dense.anatomy
    for size in ("d_model", "d_mlp", "n_vocab", "d_head", "n_heads", "n_kv_heads"):
        assert getattr(here, size) == getattr(there, size), size
    assert model.dtype == torch.float32 and model.run(PROMPT, capture=[at.z[1]])[at.z[1]].dtype == torch.float32
    assert model.fingerprint != iw.load(folder_of(dense.family.model_type)).fingerprint
    again = iw.load(folder_of(dense.family.model_type), quantization_config=scheme.config(), dtype="float32")
    assert again.fingerprint == model.fingerprint


def test_the_numbers_are_those_of_the_dequantised_model(case):
    model, dense, scheme = case
    size = dense.run(PROMPT, capture=[at.resid_post[:]])
    found = model.run(PROMPT, capture=[at.resid_post[:], at.head_out[1], at.attn_out[1]])
    # What each module rounds adds up along the blocks.
    allowed = max(20 * scheme.rounding, 1e-5)
    assert (found.logits - size.logits).abs().max() <= allowed * size.logits.abs().max()
    bias = stored(model.anatomy.part(1, model.family.out), "bias")
    if model.family.attn_post is None:
        total = found[at.head_out[1]].sum(2) + (0 if bias is None else bias)
        assert (total - found[at.attn_out[1]]).abs().max() <= 4 * max(scheme.rounding, 1e-6) * total.abs().max()


def test_gradients_are_those_of_the_dequantised_model(case):
    model, dense, scheme = case
    sites = [at.z[1], at.embed, at.resid_post[0], at.attn_out[2], at.pattern[1]]
    if not scheme.differentiable:
        with pytest.raises(BackendError, match="lets no gradient through"):
            model.gradients(PROMPT, iw.log_prob(5), sites)
        return
    found, expected = (one.gradients(PROMPT, iw.log_prob(5), sites) for one in (model, dense))
    # Where inputs are rounded to eight bits the gradient is taken at a point that is so far off.
    allowed = 0.25 if scheme.rounding > 0.01 else 1e-4
    for site in sites:
        error = (found[site] - expected[site]).norm() / expected[site].norm()
        assert error <= allowed, (site, error)
    assert all(parameter.grad is None for parameter in model.module.parameters())


def test_sweeps_and_generation(case):
    model, _, _ = case
    prompt = ids(1, 9)
    variants = {site: [edit.zero(site)] for site in at.z[1].each_head(model)}
    variants |= {p: [edit.zero(at.resid_post[1] @ p)] for p in range(9)}
    grid = model.sweep(prompt, variants, iw.logit(5))
    alone = model.sweep(prompt, variants, iw.logit(5), plan="single")
    if "Linear8bitLt" in {type(part).__name__ for part in packed_modules(model).values()}:
        assert grid.plans == {"one by one": len(variants)}
        batched = model.sweep(prompt, variants, iw.logit(5), plan="batched")
        assert "round each row by what is in the others" in batched.notes[0]
        assert torch.equal(grid.stacked(), alone.stacked())
    else:
        assert (grid.stacked() - alone.stacked()).abs().max() <= 4 * max(grid.spread, 1e-5)
    batch = model.batch(prompt)
    with torch.no_grad():
        expected = model.module.generate(batch.ids, attention_mask=batch.mask, max_new_tokens=5, do_sample=False)
    assert model.generate(prompt, max_new_tokens=5, stop_at_eos=False).new_ids[0] == expected[0, 9:].tolist()
    steered = model.generate(prompt, max_new_tokens=5, edits=[edit.scale(at.z[1], 4.0)], capture=[at.z[1]])
    hook = model.anatomy.part(1, model.family.out).register_forward_pre_hook(lambda _, args: (args[0] * 4.0,))
    try:
        with torch.no_grad():
            by_hand = model.module.generate(batch.ids, attention_mask=batch.mask, max_new_tokens=5, do_sample=False)
    finally:
        hook.remove()
    assert steered.new_ids[0] == by_hand[0, 9:].tolist()


def test_estimates_of_quantised_models(case):
    model, dense, _ = case
    sites = [at.z[1], at.resid_post[:], at.pattern[1]]
    cost, full = model.estimate(PROMPT, capture=sites), dense.estimate(PROMPT, capture=sites)
    assert (
        cost.captured == full.captured == sum(t.numel() * 4 for t in model.run(PROMPT, capture=sites).captured.values())
    )
    assert cost.flops == full.flops and cost.weights < (0.9 if model.anatomy.mixture_layers else 0.8) * full.weights


def test_a_live_quantised_model_is_taken_as_it_is():
    module = quantised("llama", "quanto 8-bit").module
    assert torch.equal(iw.load(module).run(PROMPT).logits, plain(quantised("llama", "quanto 8-bit")))


def test_a_packing_that_is_not_known_is_refused():
    model = iw.load(folder_of("llama"))
    part = model.anatomy.part(0, model.family.out)
    shape = part.weight.shape
    part.weight = torch.nn.Parameter(torch.zeros(shape, dtype=torch.float8_e4m3fn), requires_grad=False)
    with pytest.raises(AnatomyError, match="Linear stores quantised weights .its weight is torch.float8_e4m3fn"):
        model.weights.o(0, 0)
    del part.weight
    with pytest.raises(AnatomyError, match="its weight has another name"):
        model.weights.o(0, 0)


def test_generation_with_a_quantised_cache():
    quantised("llama", "quanto 8-bit")
    model, options = iw.load(folder_of("llama")), {"cache_implementation": "quantized"}
    options["cache_config"] = {"backend": "quanto", "nbits": 4, "residual_length": 4, "q_group_size": 16}
    prompt = ids(1, 9)
    with torch.no_grad():
        expected = model.module.generate(prompt, max_new_tokens=8, do_sample=False, eos_token_id=[], **options)
    wanted = [at.pattern[1], at.k_rot[1], at.resid_post[2]]
    found = model.generate(prompt, max_new_tokens=8, stop_at_eos=False, capture=wanted, options=options)
    assert found.new_ids == expected[:, 9:].tolist()
    assert found[at.pattern[1]].shape == (1, 4, 16, 16) and found[at.k_rot[1]].shape[1] == 16
    assert (found[at.pattern[1]].sum(-1) - 1).abs().max() < 1e-5
    cut = [edit.knockout(at.pattern[1], query=slice(10, None), key=3)]
    edited = model.generate(prompt, max_new_tokens=8, stop_at_eos=False, edits=cut, capture=wanted, options=options)
    assert edited[at.pattern[1]][0, :, 10:, 3].abs().max() == 0 and found[at.pattern[1]][0, :, 10:, 3].min() > 0
