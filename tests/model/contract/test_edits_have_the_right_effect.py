"""Another value has the effect that the same change has when it is made by hand."""

from __future__ import annotations

import pytest
import torch
from families import NO_SDPA, build
from hand_hooks import blocks
from hand_tables import IN_A_BLOCK
from opened_models import fresh, names, opened, place, plain, prompt, random_like, spread
from writing_by_hand import writable, written

from innerworks.model import edits as edit
from innerworks.model.sites import at


@pytest.fixture
def family(request):
    fixture = "model" if "model" in request.node.callspec.params else "eager"
    return request.node.callspec.params[fixture][0]


def close(a, b, factor=1e-5):
    return (a - b).abs().max() <= factor * max(spread(a), spread(b))


@pytest.mark.each_family
def test_setting_a_site_equals_a_hand_written_hook(model, family):
    wrong = []
    for name in writable(family):
        for layer in (0, 2):
            site = place(name, layer)
            value = random_like(model.run(prompt(), capture=[site])[site])
            logits = model.run(prompt(), edits=[edit.set(site, value)]).logits
            with written(family, model.module, layer, name, lambda x, v=value: v.reshape(x.shape)):
                expected = plain(model, prompt())
            if not close(logits, expected, 1e-6):
                wrong.append(f"{site}: {(logits - expected).abs().max()}")
            if close(expected, plain(model, prompt()), 1e-3):
                wrong.append(f"{site} has no effect by hand")
    assert wrong == []


def test_adding_to_one_head_and_position_equals_a_hand_written_hook(model, family):
    for name in {"z", "q", "k", "v"} - model.anatomy.missing.keys():
        heads = model.anatomy.size(place(name).kind.unit)
        site = place(name)[1, heads - 1] @ -2
        vector = random_like(torch.zeros(model.anatomy.size("d_head", name)))

        def change(x, h=heads - 1, v=vector):
            x = x.clone()
            x[:, -2, h] += v
            return x

        logits = model.run(prompt(), edits=[edit.add(site, vector)]).logits
        with written(family, model.module, 1, name, change):
            assert close(logits, plain(model, prompt()), 1e-6), site


def test_writing_the_mid_stream_is_writing_what_attention_adds(model):
    if model.anatomy.parallel:
        assert "resid_mid" in model.anatomy.missing
        pytest.skip("a parallel block has no stream between attention and MLP")
    for layer in (0, 2):
        vector = random_like(torch.zeros(model.d_model), scale=2.0)
        mid = model.run(prompt(), edits=[edit.add(at.resid_mid[layer], vector)]).logits
        attention = model.run(prompt(), edits=[edit.add(at.attn_out[layer], vector)]).logits
        assert close(mid, attention)
        assert not close(mid, plain(model, prompt()), 1e-3)
        run = model.run(prompt(), capture=[at.resid_pre[layer], at.resid_mid[layer]])
        value = random_like(run[at.resid_mid[layer]])
        mid = model.run(prompt(), edits=[edit.set(at.resid_mid[layer], value)]).logits
        difference = value - run[at.resid_pre[layer]]
        assert close(mid, model.run(prompt(), edits=[edit.set(at.attn_out[layer], difference)]).logits)


def test_embeddings_can_be_written(model):
    vector = random_like(torch.zeros(model.d_model))
    through_block = model.run(prompt(), edits=[edit.add(at.resid_pre[0] @ 2, vector)]).logits
    assert torch.equal(model.run(prompt(), edits=[edit.add(at.embed @ 2, vector)]).logits, through_block)
    if "pos_embed" not in model.anatomy.missing:
        through = model.run(prompt(), edits=[edit.add(at.pos_embed @ 2, vector)]).logits
        assert close(through, through_block)
        tokens = model.run(prompt(), edits=[edit.add(at.token_embed @ 2, vector)]).logits
        assert close(tokens, through_block)
    else:
        other = prompt()
        other[:, 2] = 5
        swapped = model.run(other, capture=[at.token_embed])[at.token_embed @ 2]
        logits = model.run(prompt(), edits=[edit.set(at.token_embed @ 2, swapped)]).logits
        assert torch.equal(logits, plain(model, other))


def test_the_last_norm_and_the_logits_can_be_written(model):
    run = model.run(prompt(), capture=[at.final_norm, at.logits])
    assert torch.equal(run[at.logits], plain(model, prompt()))
    vector = random_like(torch.zeros(model.anatomy.n_vocab))
    logits = model.run(prompt(), edits=[edit.add(at.logits @ -1, vector)]).logits
    assert torch.equal(logits[:, -1], run.logits[:, -1] + vector)
    assert torch.equal(logits[:, :-1], run.logits[:, :-1])
    other = model.run(prompt(2, 9, seed=9), capture=[at.final_norm])
    logits = model.run(prompt(), edits=[edit.set(at.final_norm, other)]).logits
    assert torch.equal(logits, other.logits)


@pytest.mark.parametrize("head", [0, 3])
def test_zeroing_a_head_is_zeroing_its_columns_of_the_output_projection(eager, family, head):
    surgery = build(family)
    out = blocks(family, surgery)[1].get_submodule(IN_A_BLOCK[family]["z"][0])
    size = eager.anatomy.d_value
    columns = slice(head * size, (head + 1) * size)
    with torch.no_grad():
        if type(out).__name__ == "Conv1D":
            out.weight[columns] = 0
        else:
            out.weight[:, columns] = 0
    expected = plain(opened(surgery), prompt())
    assert close(eager.run(prompt(), edits=[edit.zero(at.z[1, head])]).logits, expected)
    assert not close(expected, plain(eager, prompt()), 1e-3)


def test_writing_a_heads_output_changes_what_attention_adds_by_as_much(model):
    run = model.run(prompt(), capture=[at.head_out[1], at.attn_out[1]])
    value = random_like(run[at.head_out[1, 2] @ -1])
    expected = run[at.attn_out[1]].clone()
    expected[:, -1] += value - run[at.head_out[1, 2] @ -1]
    after = model.run(prompt(), edits=[edit.set(at.head_out[1, 2] @ -1, value)], capture=[at.attn_out[1]])
    assert close(after[at.attn_out[1]], expected, 2e-6)
    assert close(after.logits, model.run(prompt(), edits=[edit.set(at.attn_out[1], expected)]).logits)


def test_zeroing_a_heads_output_is_zeroing_its_values(model):
    if model.family.attn_post:
        return  # the post-norm's scale is held by one and recomputed by the other
    by_output = model.run(prompt(), edits=[edit.zero(at.head_out[1, 2])]).logits
    assert close(by_output, model.run(prompt(), edits=[edit.zero(at.z[1, 2])]).logits)


def test_norm_scales_divide_what_the_norm_gives(model):
    given = {"norm_scale.attn": at.attn_in[1], "norm_scale.mlp": at.mlp_in[1], "norm_scale.final": at.final_norm}
    for name, output in given.items():
        if name not in names(model):
            continue
        site = place(name)
        before = model.run(prompt(), capture=[output, site])
        after = model.run(prompt(), capture=[output, site], edits=[edit.scale(site @ -1, 2.0)])
        norm = model.anatomy.final_norm if name.endswith("final") else _norm(model, name)
        bias = 0 if getattr(norm, "bias", None) is None else norm.bias.detach()
        expected = before[output].clone()
        expected[:, -1] = (expected[:, -1] - bias) / 2 + bias
        assert close(after[output], expected, 1e-6), name
        assert not close(after.logits[:, -1], before.logits[:, -1], 1e-3)
        assert torch.equal(after.logits[:, :-1], before.logits[:, :-1])


def _norm(model, name):
    path = model.family.attn_norm if name.endswith("attn") else model.family.mlp_norm
    return blocks_of(model)[1].get_submodule(path)


def blocks_of(model):
    return model.anatomy.blocks


def test_edits_are_applied_in_the_order_of_the_list(model):
    vector = random_like(torch.zeros(model.d_model))
    doubled_after = [edit.add(at.mlp_out[1], vector), edit.scale(at.mlp_out[1], 2.0)]
    one = model.run(prompt(), edits=doubled_after, capture=[at.mlp_out[1]])
    before = model.run(prompt(), capture=[at.mlp_out[1]])[at.mlp_out[1]]
    assert torch.equal(one[at.mlp_out[1]], (before + vector) * 2)
    other = model.run(prompt(), edits=doubled_after[::-1], capture=[at.mlp_out[1]])
    assert torch.equal(other[at.mlp_out[1]], before * 2 + vector)
    viewed = model.with_edits(doubled_after[0]).run(prompt(), edits=doubled_after[1:], capture=[at.mlp_out[1]])
    assert torch.equal(viewed[at.mlp_out[1]], one[at.mlp_out[1]])


def test_a_whole_edit_and_a_part_of_it_compose(model):
    """The second edit writes into a part: neither the first one's tensor nor a shared zero may be written to."""
    values = model.run(prompt(2, 9, seed=5), capture=[at.attn_out[1]])[at.attn_out[1]]
    kept, vector = values.clone(), random_like(torch.zeros(model.d_model))
    run = model.run(
        prompt(),
        edits=[edit.set(at.attn_out[1], values), edit.add(at.attn_out[1] @ -1, vector)],
        capture=[at.attn_out[1]],
    )
    assert torch.equal(values, kept)
    assert close(run[at.attn_out[1] @ -1], values[:, -1] + vector, 1e-6)
    run = model.run(
        prompt(), edits=[edit.zero(at.attn_out[1]), edit.add(at.attn_out[1] @ -1, vector)], capture=[at.attn_out[1]]
    )
    assert close(run[at.attn_out[1] @ -1], vector.expand(2, -1), 1e-6)
    assert (run[at.attn_out[1]][:, :-1] == 0).all()


def test_values_may_lie_in_memory_in_any_way(model):
    """Shared, expanded and transposed tensors: some models take views of what an edit gives."""
    for name in names(model):
        if name in ("router_index", "scores", "pattern"):
            continue
        site = place(name)
        values = model.run(prompt(2, 9, seed=6), capture=[site])[site]
        shared = values[:1, :1].clone()
        expected = model.run(prompt(), edits=[edit.set(site, shared.expand(values.shape).clone())]).logits
        assert torch.equal(model.run(prompt(), edits=[edit.set(site, shared)]).logits, expected), site
        expected = model.run(prompt(), edits=[edit.set(site, values)]).logits
        turned = values.transpose(0, -1).contiguous().transpose(0, -1)
        assert torch.equal(model.run(prompt(), edits=[edit.set(site, turned)]).logits, expected), site


def test_values_can_differ_from_row_to_row_and_be_shared(model):
    vectors = random_like(torch.zeros(2, model.d_model))
    together = model.run(prompt(), edits=[edit.add(at.resid_post[0] @ 4, vectors)]).logits
    for row in range(2):
        alone = model.run(prompt()[row : row + 1], edits=[edit.add(at.resid_post[0] @ 4, vectors[row])]).logits
        assert close(together[row], alone[0], 1e-5)


def test_pattern_edits_under_sdpa_equal_those_under_eager(eager, family):
    if family in NO_SDPA:
        pytest.skip(f"{family} has no SDPA attention")
    sdpa = fresh(family, "sdpa")
    for name in ("scores", "pattern"):
        site = place(name)[1, 2] @ (-1, None)
        value = random_like(eager.run(prompt(), capture=[site])[site]).softmax(-1)
        assert close(*(m.run(prompt(), edits=[edit.set(site, value)]).logits for m in (eager, sdpa)))


def test_sites_in_every_layer_take_each_layers_own_values(model):
    other = model.run(prompt(2, 9, seed=8), capture=[at.mlp_out[:]])
    together = model.run(prompt(), edits=[edit.set(at.mlp_out[:], other)]).logits
    apart = [edit.set(at.mlp_out[layer], other[at.mlp_out[layer]]) for layer in range(3)]
    assert torch.equal(together, model.run(prompt(), edits=apart).logits)
