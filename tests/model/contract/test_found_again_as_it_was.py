"""Hooks, attributes, configs, weights, modes and flags are as before, however a call ended."""

from __future__ import annotations

import copy

import pytest
import torch
from families import build
from found_again import appearance, differences
from opened_models import INTEGER_SITES, at, everywhere, fresh, names, opened, place, plain, prompt

from innerworks.errors import NotFiredError
from innerworks.model import edits as edit
from innerworks.model import metrics


def all_edits(model):
    return [edit.scale(place(name), 0.9) for name in names(model) if name not in INTEGER_SITES]


def stopped_by(error):
    def raising(values):
        raise error

    return raising


def test_after_reading_editing_differentiating_and_writing(model):
    before, weights = appearance(model.module), copy.deepcopy(model.module.state_dict())
    model.run(prompt(), capture=everywhere(model), edits=all_edits(model), logits=None)
    model.gradients(prompt(), metrics.logit(5), [s for s in everywhere(model) if s.name not in INTEGER_SITES])
    model.generate(prompt(), max_new_tokens=2, capture=[place("pattern")], edits=all_edits(model))
    model.run(prompt(), start=(1, model.run(prompt(), capture=[at.resid_pre[1]])[at.resid_pre[1]]), logits="last")
    assert differences(before, appearance(model.module)) == []
    after = model.module.state_dict()
    assert weights.keys() == after.keys()
    assert all(torch.equal(weights[name], after[name]) for name in weights)


@pytest.mark.parametrize("error", [ZeroDivisionError("inside"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_after_an_exception_at_any_place(model, error):
    before = appearance(model.module)
    for name in names(model):
        failing = [*all_edits(model), edit.call(place(name, 2), stopped_by(error))]
        with pytest.raises(type(error)):
            model.run(prompt(), capture=everywhere(model), edits=failing)
        assert differences(before, appearance(model.module)) == [], name
    failing = [edit.call(at.z[1], stopped_by(error))]
    with pytest.raises(type(error)):
        model.gradients(prompt(), metrics.logit(5), [at.resid_pre[0], at.scores[1]], edits=failing)
    with pytest.raises(type(error)):
        model.generate(prompt(), max_new_tokens=2, edits=[edit.call(at.pattern[2], stopped_by(error))])
    with pytest.raises(type(error)):
        model.run(prompt(), capture={at.resid_post[1]: stopped_by(error)})
    assert differences(before, appearance(model.module)) == []
    assert torch.equal(model.run(prompt()).logits, plain(model, prompt()))


def test_after_stopping_early_anywhere(model):
    before = appearance(model.module)
    for site in everywhere(model):
        assert not model.run(prompt(), capture=[site], logits=None).has_logits
    assert differences(before, appearance(model.module)) == []


def test_after_a_site_that_never_ran():
    model = fresh("llama")
    before = appearance(model.module)
    stream = model.run(prompt(), capture=[at.resid_pre[2]])[at.resid_pre[2]]
    with pytest.raises(NotFiredError, match=r"z\.1 comes before block 2"):
        model.run(prompt(), capture=[at.z[1]], start=(2, stream))
    with pytest.raises(NotFiredError, match=r"z\.0\.2 comes before block 2"):
        model.run(prompt(), edits=[edit.zero(at.z[0, 2])], start=(2, stream))
    assert differences(before, appearance(model.module)) == []


def test_a_model_in_training_mode_gives_what_it_gives_in_evaluation():
    module = build("gpt2", resid_pdrop=0.5, attn_pdrop=0.5, embd_pdrop=0.5)
    model = opened(module)
    expected = plain(model, prompt())
    module.train()
    before = appearance(module)
    assert not torch.equal(plain(model, prompt()), plain(model, prompt()))
    run = model.run(prompt(), capture=[at.pattern[1]], edits=[edit.scale(at.z[0], 1.0)])
    assert torch.equal(run.logits, expected)
    assert torch.allclose(run[at.pattern[1]].sum(-1), torch.ones(2, 4, 9))
    assert torch.allclose(model.gradients(prompt(), metrics.logit(5), [at.embed]).metric, expected[:, -1, 5])
    written = model.generate(prompt(1), max_new_tokens=4).new_ids
    assert written == model.generate(prompt(1), max_new_tokens=4).new_ids
    assert differences(before, appearance(module)) == []
    assert module.training and module.transformer.h[1].attn.attn_dropout.training


def test_one_part_in_training_mode_is_found_so():
    module = build("gpt2", resid_pdrop=0.5)
    model = opened(module)
    expected = plain(model, prompt())
    module.transformer.h[1].train()
    before = appearance(module)
    assert torch.equal(model.run(prompt()).logits, expected)
    assert differences(before, appearance(module)) == []


def test_hooks_and_attributes_of_the_user_stay_and_keep_working():
    module = build("llama")
    model = opened(module)
    seen = []
    module.model.layers[1].register_forward_hook(lambda *_: seen.append("hook"))
    block = module.model.layers[0]
    own = block.forward

    def wrapped(*args, **kwargs):
        seen.append("forward")
        return own(*args, **kwargs)

    block.forward = wrapped
    before = appearance(module)
    model.run(prompt(), capture=[at.resid_post[:], at.pattern[:]])
    assert seen == ["forward", "hook"]
    stream = model.run(prompt(), capture=[at.resid_pre[2]])[at.resid_pre[2]]
    seen.clear()
    model.run(prompt(), start=(2, stream))
    assert differences(before, appearance(module)) == []
    model.run(prompt())
    assert "forward" in seen


def test_a_second_model_over_the_same_module_does_not_see_the_first():
    module = build("gpt2")
    one, two = opened(module), opened(module)
    expected = two.run(prompt()).logits
    edited = one.with_edits(edit.zero(at.z[1]))
    assert not torch.equal(edited.run(prompt()).logits, expected)
    assert torch.equal(two.run(prompt()).logits, expected)
    assert torch.equal(one.run(prompt()).logits, expected)


def test_a_model_used_inside_an_edit_of_itself():
    """A call edit may run the model again: inner hooks come off, outer ones stay."""
    model = fresh("llama")
    before = appearance(model.module)
    inner = model.run(prompt(2, 9, seed=6), capture=[at.z[2]])[at.z[2]]
    depth = []

    def patch(values):
        if depth:  # the outer hooks are still on while the model runs inside them
            return values
        depth.append(1)
        return model.run(prompt(2, 9, seed=6), capture=[at.z[2]], logits=None)[at.z[2]]

    expected = model.run(prompt(), edits=[edit.set(at.z[2], inner)]).logits
    assert torch.equal(model.run(prompt(), edits=[edit.call(at.z[2], patch)]).logits, expected)
    assert differences(before, appearance(model.module)) == []
