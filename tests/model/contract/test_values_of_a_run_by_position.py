"""What one run had at every position is put at the same positions elsewhere: under other padding, while generating."""

from __future__ import annotations

import itertools

import pytest
import torch
from families import MIXTURES
from opened_models import model_of, random_like, spread

from innerworks.errors import EditError
from innerworks.model import edits as edit
from innerworks.model.edits import load, save
from innerworks.model.sites import at

UNEQUAL = [[5, 6, 7, 8, 9, 10], [9, 8, 7]]
PROMPT = [5, 6, 7, 8]
SITES = (at.resid_pre[1], at.z[:], at.k[1], at.pattern[1], at.scores[1], at.mlp_out[1])
PADDINGS = list(itertools.product(("left", "right"), repeat=2))


def real(run):
    return run.logits[run.mask.bool()]


@pytest.mark.parametrize("family", ["llama", "gpt2", "mixtral"])
@pytest.mark.parametrize(("of_run", "of_batch"), PADDINGS)
def test_own_values_change_no_token_under_either_padding(family, of_run, of_batch):
    model = model_of(family)
    run = model.run(UNEQUAL, capture=list(SITES), padding=of_run)
    before = real(model.run(UNEQUAL, padding=of_batch))
    for site in SITES:
        for put in (edit.set(site, run), edit.freeze(site, run)):
            after = real(model.run(UNEQUAL, padding=of_batch, edits=[put]))
            assert (after - before).abs().max() <= 5e-6 * spread(before), (site, put.op)


def test_other_values_reach_their_own_positions_in_every_kind_of_edit(tmp_path):
    model, site = model_of("llama"), at.resid_pre[1]
    others = [[11, 12, 13, 14, 15, 16], [17, 18, 19]]
    run = model.run(others, capture=[site], padding="right")
    directions = random_like(torch.zeros(2, model.d_model))
    made = [
        edit.set(site, run),
        edit.add(site, run, 0.5),
        edit.swap(site, directions, run),
        edit.mean(site, model.run([others[0], UNEQUAL[0]], capture=[site])),
    ]
    for put in made:
        save(tmp_path / "edit.safetensors", put)
        (again,) = load(tmp_path / "edit.safetensors")
        prompts = [UNEQUAL[0], UNEQUAL[0]] if put.op == "mean" else UNEQUAL
        right = real(model.run(prompts, padding="right", edits=[put]))
        assert torch.allclose(real(model.run(prompts, padding="left", edits=[put])), right, atol=5e-6 * spread(right))
        assert torch.equal(real(model.run(prompts, padding="right", edits=[again])), right)
        assert torch.equal(
            real(model.run(prompts, padding="left", edits=[again])),
            real(model.run(prompts, padding="left", edits=[put])),
        )


def test_a_bank_of_rows_is_drawn_from_by_position():
    model, site = model_of("llama"), at.resid_pre[1]
    bank = [[11, 12, 13, 14, 15, 16], [17, 18, 19, 20, 21, 22], [23, 24, 25, 26, 27, 28], [29, 30, 31]]
    run = model.run(bank[:3], capture=[site])
    padded = model.run(bank, capture=[site], padding="left")
    put = edit.resample(site, run, seed=1)
    right = model.run([UNEQUAL[0]], edits=[put], capture=[site])[site]
    held = model.generate([UNEQUAL[0]], max_new_tokens=3, stop_at_eos=False, edits=[put], capture=[site])[site]
    assert torch.equal(held[:, :6], right) and held.shape[1] == 8
    for seed in range(8):  # the short row does not fit, whatever the padding: refused when it is drawn
        try:
            model.run([UNEQUAL[0]], edits=[edit.resample(site, padded, seed=seed)])
        except EditError as error:
            assert "3 tokens at every position" in str(error)
            break
    else:
        pytest.fail("the short row was never drawn")


def test_a_prompt_of_another_length_is_refused():
    model, site = model_of("llama"), at.resid_pre[1]
    for other, prompts in (([1, 2, 3], [PROMPT]), ([1, 2, 3, 4, 5], [PROMPT])):
        run = model.run([other], capture=[site])
        with pytest.raises(EditError, match=f"{len(other)} tokens at every position, which do not fit one of 4"):
            model.run(prompts, edits=[edit.set(site, run)])
    swapped = model.run(UNEQUAL[::-1], capture=[site])
    with pytest.raises(EditError, match="3 tokens at every position, which do not fit one of 6"):
        model.run(UNEQUAL, edits=[edit.set(site, swapped)])
    with pytest.raises(EditError, match="a run of 2 prompts, and here are 3"):
        model.run([PROMPT] * 3, edits=[edit.set(site, model.run([PROMPT, PROMPT], capture=[site]))])


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_while_generating_own_values_change_nothing(family, use_cache):
    model = model_of(family)
    plain = model.generate(UNEQUAL, max_new_tokens=5, stop_at_eos=False, use_cache=use_cache)
    longer = [row + new for row, new in zip(UNEQUAL, plain.new_ids, strict=True)]
    for given in (UNEQUAL, longer):
        run = model.run(given, capture=list(SITES))
        for site in SITES:
            edits = [edit.freeze(site, run)]
            again = model.generate(UNEQUAL, max_new_tokens=5, stop_at_eos=False, use_cache=use_cache, edits=edits)
            assert again.new_ids == plain.new_ids, site


@pytest.mark.parametrize("use_cache", [True, False])
def test_while_generating_values_hold_to_the_runs_end_and_no_further(use_cache):
    model, site = model_of("llama"), at.mlp_out[1]
    source = model.run([[11, 12, 13, 14, 15, 16]], capture=[site])
    held = edit.freeze(site, source)
    live = model.generate(
        [PROMPT], max_new_tokens=6, stop_at_eos=False, use_cache=use_cache, edits=[held], capture=[site]
    )
    values = live[site][0]
    assert torch.equal(values[:6], source[site][0])
    written = PROMPT + live.new_ids[0][: len(values) - len(PROMPT)]
    by_hand = [edit.set(site @ slice(0, 6), source[site])]
    full = model.run([written], edits=by_hand, capture=[site])[site][0]
    assert (values - full).abs().max() <= 5e-6 * max(1.0, spread(full))


@pytest.mark.parametrize("family", sorted(MIXTURES))
@pytest.mark.parametrize("weights", ["frozen", "live"])
def test_routing_is_frozen_while_generating(family, weights):
    moe = model_of(family)
    routes = [at.router_index[:], at.router_weights[:]]
    clean = moe.run([PROMPT], capture=routes)
    push = edit.add(at.resid_pre[0], random_like(torch.zeros(moe.d_model), scale=2.0))
    edits = [push, *edit.freeze_routing(clean, weights=weights)]
    written = moe.generate([PROMPT], max_new_tokens=4, stop_at_eos=False, edits=edits, capture=routes)
    live = moe.generate([PROMPT], max_new_tokens=4, stop_at_eos=False, edits=[push], capture=routes)
    for layer in moe.anatomy.mixture_layers:
        index = at.router_index[layer]
        assert torch.equal(written[index][:, :4], clean[index])
    stay = torch.cat([clean[at.router_index[layer]].flatten() for layer in moe.anatomy.mixture_layers])
    moved = torch.cat([live[at.router_index[layer]][:, :4].flatten() for layer in moe.anatomy.mixture_layers])
    assert not torch.equal(stay, moved)
