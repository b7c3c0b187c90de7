"""What a Run hands out: parts of what it holds, tensors of its own, and an error where the model went astray."""

import pytest
import torch
from families import build, ids, module_of

import innerworks as iw
from innerworks import at, edit, reduce
from innerworks.errors import EditError, MetricError, NonFiniteError, NotFiredError, PromptError, SiteError


@pytest.fixture
def model():
    return iw.load(module_of("llama"))


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        (at.z[1, 2], at.z[1, 2] @ -1),
        (at.z[1, 2], at.z[1, 2] @ slice(2, 5)),
        (at.z[1] @ 3, at.z[1, 2] @ 3),
        (at.pattern[1, 2], at.pattern[1, 2] @ (-1, 0)),
        (at.pattern[1, 2], at.pattern[1, 2] @ -1),
        (at.pattern[1] @ (4, None), at.pattern[1, 3] @ (4, None)),
        (at.resid_post[1], at.resid_post[1].via(iw.direction("v", torch.ones(32))) @ 2),
        (at.neurons[0, 5], at.neurons[0, 5] @ [1, 2]),
    ],
)
def test_a_part_of_what_was_captured(model, held, asked):
    whole, part = model.run(ids(2), capture=held), model.run(ids(2), capture=asked)
    assert torch.equal(whole[asked], part[asked])


def test_captures_are_not_the_users_own_tensors(model):
    value = torch.zeros(32)
    run = model.run(ids(), edits=[edit.set(at.resid_post[0], value)], capture=at.resid_post[0])
    value += 1
    assert run[at.resid_post[0]].abs().max() == 0


def test_sites_before_the_start_are_refused(model):
    stream = model.run(ids(), capture=at.resid_pre[2])[at.resid_pre[2]]
    for asked in (dict(capture=at.resid_post[0]), dict(capture=at.embed), dict(edits=[edit.zero(at.resid_post[0])])):
        with pytest.raises(NotFiredError, match="comes before block 2"):
            model.run(ids(), start=(2, stream), **asked)
    late = model.run(ids(), start=(2, stream), capture=[at.resid_post[2], at.final_norm])
    assert torch.equal(late[at.resid_post[2]], model.run(ids(), capture=at.resid_post[2])[at.resid_post[2]])


def test_a_batch_padded_for_running_is_padded_anew_for_writing(model):
    prompts = [ids(1, n, seed=n)[0].tolist() for n in (9, 5)]
    right = model.generate(model.batch(prompts, padding="right"), max_new_tokens=4)
    assert right.new_ids == model.generate(prompts, max_new_tokens=4).new_ids
    assert right.new_ids[1] == model.generate(prompts[1], max_new_tokens=4).new_ids[0]


def broken():
    module = build("llama")
    with torch.no_grad():
        module.model.layers[1].mlp.up_proj.weight[3, 4] = float("nan")
    return iw.load(module)


def test_nan_is_said_wherever_it_is_met():
    model = broken()
    where = r"model\.layers\.1\.mlp\.up_proj\.weight"
    run = model.run(ids(), capture=[at.resid_post[0], at.resid_post[1]], logits=None)
    assert run[at.resid_post[0]].isfinite().all()
    with pytest.raises(NonFiniteError, match=where):
        run[at.resid_post[1]]
    with pytest.raises(NonFiniteError, match=where):
        model.generate(ids(), max_new_tokens=2)
    assert model.run(ids(), capture=at.resid_post[1], nan="allow")[at.resid_post[1]].isnan().any()


def test_conflicts_are_seen_however_places_are_numbered(model):
    def both(a, b):
        with pytest.raises(EditError, match="both replace"):
            model.run(ids(), edits=[edit.set(a, 1.0), edit.set(b, 2.0)])

    both(at.z[1, 0] @ -1, at.z[1, 0] @ 8)
    both(at.z[1, [-1, 0]], at.z[1, [3]])
    both(at.resid_post[1] @ slice(6, None), at.resid_post[1] @ -1)
    v = iw.direction("v", torch.ones(32))
    both(at.resid_post[1].via(v), at.resid_post[1].via(v))
    model.run(ids(), edits=[edit.set(at.z[1, 0] @ -1, 1.0), edit.set(at.z[1, 0] @ 7, 2.0)])


def test_noise_differs_between_places(model):
    sites = [at.z[1, 0], at.z[1, 1], at.resid_post[1], at.mlp_out[1]]
    drawn = []
    for site in sites:
        clean = model.run(ids(), capture=site)[site]
        noisy = model.run(ids(), capture=site, edits=[edit.noise(site, 1.0)])[site]
        drawn.append((noisy - clean).flatten()[:8])
    for i, one in enumerate(drawn):
        assert all(not torch.allclose(one, other, atol=1e-2) for other in drawn[:i])


def test_attention_to_a_key_is_to_each_rows_own(model):
    prompts = [ids(1, n, seed=n)[0].tolist() for n in (9, 5)]
    for padding in ("left", "right"):
        run = model.run(prompts, capture={at.pattern[1]: reduce.attention_to(0)}, padding=padding)
        alone = model.run(prompts[1], capture={at.pattern[1]: reduce.attention_to(0)})[at.pattern[1]][0]
        start = run.batch.starts[1]
        assert torch.allclose(run[at.pattern[1]][1][:, start : start + 5], alone, atol=1e-5)


def test_kl_wants_a_whole_or_a_last_distribution(model):
    with pytest.raises(MetricError, match="logits='all' or 'last'"):
        model.measure(ids(), iw.kl(model.run(ids(), logits=[0, 1])))
    assert float(model.measure(ids(), iw.kl(model.run(ids(), logits="last")))) < 1e-6


def test_misspelt_options_are_refused(model):
    with pytest.raises(PromptError, match="'right' or 'left'"):
        model.run(ids(), padding="lef")
    with pytest.raises(SiteError, match="'raise' or 'allow'"):
        model.run(ids(), nan="ignore")


def test_reducers_that_give_no_answer_are_refused(model):
    with pytest.raises(SiteError, match="call it first"):
        model.run(ids(), capture={at.resid_post[1]: reduce.mean})
    with pytest.raises(SiteError, match="is not a reducer"):
        model.run(ids(), capture={at.resid_post[1]: "mean"})


def test_one_edit_is_as_good_as_a_list_of_one(model, tmp_path):
    one = edit.scale(at.mlp_out[1], 2.0)
    listed = model.run(ids(), edits=[one]).logits
    assert torch.equal(model.run(ids(), edits=one).logits, listed)
    assert float(model.sweep(ids(), {"one": one}, iw.logit(5))["one"]) == pytest.approx(
        float(listed[0, -1, 5]), abs=1e-4
    )
    edit.save(tmp_path / "e.safetensors", one)
    assert torch.equal(model.run(ids(), edits=edit.load(tmp_path / "e.safetensors")).logits, listed)


def test_edits_are_shown_in_a_line():
    assert repr(edit.add(at.resid_post[3], torch.zeros(576), 0.3)) == "add(resid_post.3, value: 576, factor=0.3)"
    assert repr(edit.zero(at.z[1, 2])) == "zero(z.1.2)"


def test_what_a_model_has_is_completed(model):
    assert "pos_embed" not in dir(model.at) and {"z", "gate", "q_rot"} <= set(dir(model.at))


def test_the_largest_effects_of_a_sweep(model):
    run = model.run(ids(seed=1), capture=at.z[:])
    swept = model.sweep(ids(seed=2), {s: edit.set(s, run) for s in at.z[:].each_head(run)}, iw.logit(5))
    best, effect = swept.top(1)[0]
    assert abs(effect) == float(swept.effects().abs().max()) == abs(float(swept.effect(best)))
