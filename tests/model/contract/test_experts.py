"""Mixtures of experts: routes, neurons and outputs of the experts, rebuilt by hand from the weights."""

from __future__ import annotations

import pytest
import torch
from families import MIXTURES
from hand_experts import (
    by_expert,
    in_order,
    mixed_by_hand,
    neurons_by_hand,
    outputs_by_hand,
    route,
    shared_by_hand,
    weights_by_hand,
    whole,
)
from opened_models import fresh, model_of, plain, prompt, random_like, spread

import innerworks as iw
from innerworks.errors import EditError, SiteError
from innerworks.model import edits as edit
from innerworks.model.sites import at

SITES = [
    at.mlp_in[1],
    at.router[1],
    at.router_weights[1],
    at.router_index[1],
    at.routed_neurons[1],
    at.routed_out[1],
    at.expert_neurons[1],
    at.expert_out[1],
    at.mlp_out[1],
]
IMPLEMENTATIONS = ("grouped_mm", "batched_mm", "eager")


@pytest.fixture(params=[("mixtral", "sdpa"), *((family, "eager") for family in sorted(MIXTURES))], ids="-".join)
def moe(request):
    return model_of(*request.param)


@pytest.fixture(
    params=[(f, how) for f in sorted(MIXTURES) for how in IMPLEMENTATIONS if f != "llama4_text" or how == "grouped_mm"],
    ids="-".join,
)
def however(request):
    """Each family under each way of running experts."""
    family, how = request.param
    model = fresh(family)
    model.module.config._experts_implementation = how
    return model


def near(a, b, factor=2e-6):
    return (a - b).abs().max() <= factor * max(1.0, spread(b))


def test_experts_are_rebuilt_from_the_weights(however):
    moe, run = however, however.run(prompt(), capture=SITES)
    weights, index = route(moe, run[at.router[1]])
    found = in_order(run[at.router_weights[1]], run[at.router_index[1]])
    assert torch.equal(found[1], index)
    assert near(found[0], weights)
    weights, index = run[at.router_weights[1]], run[at.router_index[1]]
    assert near(run[at.routed_neurons[1]], neurons_by_hand(moe, run[at.mlp_in[1]], index, weights), 5e-6)
    outputs = outputs_by_hand(moe, run[at.routed_neurons[1]], index, weights)
    assert near(run[at.routed_out[1]], outputs, 5e-6)
    assert near(whole(moe, run[at.routed_out[1]], run[at.mlp_in[1]]), run[at.mlp_out[1]], 5e-6)


def test_by_expert_is_by_slot_at_the_chosen_experts(however):
    run = however.run(prompt(), capture=SITES)
    index = run[at.router_index[1]]
    assert torch.equal(run[at.expert_neurons[1]], by_expert(however, run[at.routed_neurons[1]], index))
    assert near(run[at.expert_out[1]], by_expert(however, run[at.routed_out[1]], index))


def test_reading_and_writing_back_change_nothing_however_experts_run(however):
    expected = plain(however, prompt())
    places = [site for site in SITES if site.name != "mlp_out"]
    run = however.run(prompt(), capture=places)
    assert torch.equal(run.logits, expected)
    for site in places:
        assert torch.equal(however.run(prompt(), edits=[edit.set(site, run)]).logits, expected), site


def test_contributions_of_the_experts_sum_to_the_mlps(moe):
    kinds = [at.expert_out, at.mlp_out, at.mlp_in]
    kinds += [] if "shared_out" in moe.anatomy.missing else [at.shared_out]
    run = moe.run(prompt(), capture=[kind[1] for kind in kinds])
    total = run[at.expert_out[1]].sum(2)
    if "shared_out" in moe.anatomy.missing:
        assert not shared_by_hand(moe, run[at.mlp_in[1]]).any()
    else:
        assert near(run[at.shared_out[1]], shared_by_hand(moe, run[at.mlp_in[1]]), 5e-6)
        total = total + run[at.shared_out[1]]
    assert near(total, run[at.mlp_out[1]], 5e-6)


def test_editing_the_shared_expert_changes_its_share_alone(moe):
    if "shared_out" in moe.anatomy.missing:
        with pytest.raises(SiteError, match="no expert is shared by all its tokens"):
            moe.run(prompt(), capture=[at.shared_out[1]])
        return
    before = moe.run(prompt(), capture=[*SITES, at.shared_out[1], at.shared_neurons[1]])
    without = before[at.mlp_out[1]] - before[at.shared_out[1]]
    value = random_like(before[at.shared_out[1]])
    for edits, expected in [
        ([edit.zero(at.shared_out[1])], without),
        ([edit.zero(at.shared_neurons[1])], without),
        ([edit.set(at.shared_out[1], value)], without + value),
        ([edit.scale(at.shared_neurons[1], 2.0)], without + 2 * before[at.shared_out[1]]),
    ]:
        after = moe.run(prompt(), edits=edits, capture=[at.mlp_out[1], at.shared_out[1]])
        assert near(after[at.mlp_out[1]], expected, 5e-6), edits
        assert near(after[at.shared_out[1]], expected - without, 5e-6), edits


def test_editing_the_router_takes_other_experts(moe):
    before = moe.run(prompt(), capture=SITES)
    value = random_like(before[at.router[1]], scale=3.0)
    after = moe.run(prompt(), edits=[edit.set(at.router[1], value)], capture=SITES)
    weights, index = route(moe, value)
    assert not torch.equal(index, before[at.router_index[1]])
    assert torch.equal(in_order(after[at.router_weights[1]], after[at.router_index[1]])[1], in_order(weights, index)[1])
    assert near(after[at.mlp_out[1]], mixed_by_hand(moe, before[at.mlp_in[1]], index, weights), 5e-6)


def test_setting_expert_numbers_takes_those_experts_with_their_own_weights(moe):
    before = moe.run(prompt(), capture=SITES)
    index = (before[at.router_index[1]] + 1) % 4
    after = moe.run(prompt(), edits=[edit.set(at.router_index[1], index)], capture=SITES)
    weights = weights_by_hand(moe, before[at.router[1]], index)
    assert torch.equal(after[at.router_index[1]], index)
    assert near(after[at.router_weights[1]], weights)
    assert near(after[at.mlp_out[1]], mixed_by_hand(moe, before[at.mlp_in[1]], index, weights), 5e-6)


def test_zeroing_an_experts_weight_is_zeroing_its_output(moe):
    chosen = at.router_weights[1, 0] @ [2, 5]
    by_weight = moe.run(prompt(), edits=[edit.zero(chosen)]).logits
    by_output = moe.run(prompt(), edits=[edit.zero(at.routed_out[1, 0] @ [2, 5])]).logits
    assert near(by_weight, by_output, 5e-6)
    assert not near(by_weight, moe.run(prompt()).logits, 1e-3)


def test_editing_one_slots_neurons_changes_its_output_alone(moe):
    before = moe.run(prompt(), capture=SITES)
    slot = moe.anatomy.top_k - 1
    site = at.routed_neurons[1, slot] @ 4
    value = random_like(before[site])
    after = moe.run(prompt(), edits=[edit.set(site, value)], capture=SITES)
    neurons = before[at.routed_neurons[1]].clone()
    neurons[:, 4, slot] = value
    outputs = outputs_by_hand(moe, neurons, before[at.router_index[1]], before[at.router_weights[1]])
    assert near(after[at.routed_out[1]], outputs, 5e-6)
    assert near(after[at.mlp_out[1]], whole(moe, outputs, before[at.mlp_in[1]]), 5e-6)


def busiest(run):
    """The expert that most, but not all, tokens were sent to."""
    return int(run[at.router_index[1]].reshape(-1).bincount(minlength=4).argmax())


def test_an_expert_is_silenced_by_its_number(however):
    before = however.run(prompt(), capture=SITES)
    expert = busiest(before)
    mine = before[at.router_index[1]] == expert
    assert mine.any(-1).any()
    assert not mine.any(-1).all()
    silenced = before[at.mlp_out[1]] - before[at.expert_out[1, expert]]
    weights = before[at.router_weights[1]].masked_fill(mine, 0.0)
    for edits in (
        [edit.zero(at.expert_out[1, expert])],
        [edit.set(at.router_weights[1], weights)],
        [edit.call(at.routed_out[1], lambda x: x.masked_fill(mine[..., None], 0.0))],
    ):
        after = however.run(prompt(), edits=edits, capture=[at.mlp_out[1]])
        assert near(after[at.mlp_out[1]], silenced, 5e-6), edits


def test_what_an_expert_adds_may_be_put_where_it_did_not_run(moe):
    before = moe.run(prompt(), capture=SITES)
    value = random_like(before[at.expert_out[1, 2]])
    after = moe.run(prompt(), edits=[edit.set(at.expert_out[1, 2], value)], capture=[at.mlp_out[1], at.expert_out[1]])
    assert near(after[at.mlp_out[1]] - before[at.mlp_out[1]], value - before[at.expert_out[1, 2]], 5e-6)
    assert near(after[at.expert_out[1, 2]], value)
    others = [0, 1, 3]
    assert torch.equal(after[at.expert_out[1]][:, :, others], before[at.expert_out[1]][:, :, others])


def test_neurons_of_an_expert_count_only_where_it_ran(however):
    before = however.run(prompt(), capture=SITES)
    expert = busiest(before)
    value = random_like(before[at.expert_neurons[1, expert]])
    after = however.run(prompt(), edits=[edit.set(at.expert_neurons[1, expert], value)], capture=SITES)
    index, weights = before[at.router_index[1]], before[at.router_weights[1]]
    mine = (index == expert)[..., None]
    expected = value.unsqueeze(2).where(mine, before[at.routed_neurons[1]])
    assert torch.equal(after[at.routed_neurons[1]], expected)
    ran = mine.any(2)
    outputs = whole(however, outputs_by_hand(however, expected, index, weights), before[at.mlp_in[1]])
    if not however.family.experts.everywhere:
        assert near(after[at.mlp_out[1]], outputs, 5e-6)
        assert not after[at.expert_neurons[1, expert]].where(ran, 0.0).ne(value.where(ran, 0.0)).any()
        assert not after[at.expert_neurons[1, expert]].where(~ran, 0.0).any()
    else:  # Llama 4 runs every expert on every token, so neurons that are put there count everywhere
        extra = value.where(~ran, 0.0) @ however.weights.neuron_out(1, expert=expert)
        assert near(after[at.mlp_out[1]], outputs + extra, 5e-6)


def test_edits_and_readings_of_several_experts_share_one_view(moe):
    before = moe.run(prompt(), capture=SITES)
    edits = [
        edit.scale(at.expert_out[1, (0, 1)], 2.0),
        edit.zero(at.expert_out[1, 2]),
        edit.scale(at.expert_out[1, 1] @ 3, -1.0),
    ]
    expected = before[at.expert_out[1]].clone()
    expected[:, :, :2] *= 2
    expected[:, :, 2] = 0
    expected[:, 3, 1] *= -1
    seen = moe.run(prompt(), edits=edits, capture=[at.expert_out[1], at.expert_out[1, 1] @ 3, at.mlp_out[1]])
    assert near(seen[at.expert_out[1]], expected)
    assert near(seen[at.expert_out[1, 1] @ 3], expected[:, 3, 1])
    unseen = moe.run(prompt(), edits=edits, capture=[at.mlp_out[1]])
    change = (expected - before[at.expert_out[1]]).sum(2)
    for run in (seen, unseen):
        assert near(run[at.mlp_out[1]], before[at.mlp_out[1]] + change, 5e-6)


def test_one_expert_is_read_as_from_all(moe):
    whole_run = moe.run(prompt(), capture=SITES)
    for kind in (at.expert_out, at.expert_neurons):
        some = moe.run(prompt(), capture=[kind[1, 3], kind[1, (0, 2)] @ [1, -1]])
        assert torch.equal(some[kind[1, 3]], whole_run[kind[1]][:, :, 3])
        assert torch.equal(some[kind[1, (0, 2)] @ [1, -1]], whole_run[kind[1]][:, [1, -1]][:, :, [0, 2]])


def test_an_edit_of_one_view_is_seen_in_the_other(moe):
    before = moe.run(prompt(), capture=SITES)
    index, by_slot = before[at.router_index[1]], before[at.routed_out[1]]
    value = random_like(before[at.expert_out[1, 2]])
    edits = [
        edit.scale(at.routed_out[1, 0], 2.0),
        edit.set(at.expert_out[1, 2], value),
        edit.scale(at.routed_out[1], 3.0),
    ]
    expected = by_slot.clone()
    expected[:, :, 0] *= 2
    expected = 3 * value.unsqueeze(2).where((index == 2).unsqueeze(-1), expected)
    second = value * torch.where((index == 2).any(2), 3.0, 1.0).unsqueeze(-1)
    after = moe.run(prompt(), edits=edits, capture=SITES)
    assert near(after[at.routed_out[1]], expected)
    assert near(after[at.expert_out[1, 2]], second)
    total = by_expert(moe, expected, index)
    total[:, :, 2] = second
    assert near(after[at.expert_out[1]], total)
    assert near(after[at.mlp_out[1]] - before[at.mlp_out[1]], (total - before[at.expert_out[1]]).sum(2), 1e-5)


def test_an_expert_in_two_slots_is_named_one_way():
    moe = model_of("mixtral")
    twins = edit.set(at.router_index[1], torch.tensor([3, 3]))
    run = moe.run(prompt(), edits=[twins, edit.scale(at.expert_out[1, 3], 2.0)], capture=[*SITES[:4], at.mlp_out[1]])
    once = moe.run(prompt(), edits=[twins], capture=SITES)
    assert near(once[at.expert_out[1, 3]], once[at.routed_out[1]].sum(2))
    assert near(run[at.mlp_out[1]], 2 * once[at.mlp_out[1]])
    with pytest.raises(EditError, match="an expert stands in two slots"):
        moe.run(prompt(), edits=[twins, edit.scale(at.expert_out[1, 3], 2.0)], capture=[at.routed_out[1]])


def test_a_sweep_over_experts_is_each_one_alone(moe):
    metric = iw.metrics.logit(5)
    variants = {e: [edit.zero(at.expert_out[1, e])] for e in range(4)}
    variants |= {("neurons", e): [edit.zero(at.expert_neurons[2, e] @ -1)] for e in range(4)}
    swept = moe.sweep(prompt(1), variants, metric)
    for name, edits in variants.items():
        alone = moe.with_edits(*edits).measure(prompt(1), metric)
        assert near(swept[name], alone, 2e-5), name
    assert len({round(float(swept[name].sum()), 4) for name in variants}) > 3
