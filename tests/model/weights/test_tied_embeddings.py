"""Tied and untied embeddings: views, gradients and fingerprints mean what they say in both."""

from __future__ import annotations

import copy

import families
import pytest
import torch

import innerworks as iw
from innerworks import at, edit
from innerworks.model.load import fingerprint


@pytest.fixture(params=["llama", "gpt2", "gemma2"])
def pair(request):
    """A model with tied embeddings, and one with the same weights untied."""
    tied = families.build(request.param, tie_word_embeddings=True)
    assert tied.get_output_embeddings().weight is tied.get_input_embeddings().weight
    untied = families.build(request.param, tie_word_embeddings=False)
    state = copy.deepcopy(tied.state_dict())
    untied.load_state_dict(state)
    assert untied.get_output_embeddings().weight is not untied.get_input_embeddings().weight
    return iw.load(tied), iw.load(untied)


def test_views_are_of_the_models_memory_and_equal(pair):
    for model in pair:
        assert model.weights.unembed.data_ptr() == model.module.get_output_embeddings().weight.data_ptr()
    tied, untied = pair
    assert torch.equal(tied.weights.unembed, untied.weights.unembed)
    assert torch.equal(tied.weights.embed, untied.weights.embed)
    assert (tied.weights.unembed.data_ptr() == tied.module.get_input_embeddings().weight.data_ptr()) is True
    assert (untied.weights.unembed.data_ptr() == untied.module.get_input_embeddings().weight.data_ptr()) is False


def test_runs_edits_and_gradients_do_not_know_the_difference(pair):
    prompt = families.ids(2, 9)
    sites = [at.embed, at.resid_post[1], at.z[:]]
    runs = [model.run(prompt, capture=sites, edits=[edit.scale(at.embed @ 3, 2.0)]) for model in pair]
    assert torch.equal(runs[0].logits, runs[1].logits)
    found = [model.gradients(prompt, iw.log_prob(5), sites) for model in pair]
    for site in sites:
        assert torch.equal(found[0][site], found[1][site])
    for model in pair:
        assert all(parameter.grad is None for parameter in model.module.parameters())


def test_an_edit_of_the_token_embedding_does_not_reach_the_unembedding(pair):
    prompt = families.ids(1, 9)
    logits = [model.run(prompt, edits=[edit.zero(at.token_embed @ 2)]).logits for model in pair]
    assert torch.equal(*logits)
    before = pair[0].weights.unembed.clone()
    pair[0].run(prompt, edits=[edit.zero(at.token_embed)])
    assert torch.equal(pair[0].weights.unembed, before)


def test_the_effective_embedding_is_what_enters_the_stream(pair):
    tokens = families.ids(1, 9)
    for model in pair:
        run = model.run(tokens, capture=[at.token_embed])
        if model.family.pos_embed is None:
            entering = model.run(tokens, capture=[at.embed])[at.embed]
            assert (model.weights.embed[tokens] - entering).abs().max() <= 2e-6 * entering.abs().max()
        else:
            assert torch.equal(model.weights.embed[tokens], run[at.token_embed])
        final = model.run(tokens, capture=[at.final_norm])
        soft = model.weights.logit_softcap
        logits = final[at.final_norm] @ model.weights.unembed + model.weights.unembed_bias
        logits = logits if soft is None else soft * (logits / soft).tanh()
        assert (logits - final.logits).abs().max() <= 4e-6 * final.logits.abs().max()


def test_fingerprints_tell_them_apart_and_see_both_matrices(pair):
    tied, untied = (model.module for model in pair)
    assert fingerprint(tied) != fingerprint(untied)
    before = fingerprint(untied)
    with torch.no_grad():
        untied.get_output_embeddings().weight[0, 0] += 1
    assert fingerprint(untied) != before
    before = fingerprint(tied)
    with torch.no_grad():
        tied.get_output_embeddings().weight[0, 0] += 1
    assert fingerprint(tied) != before


@pytest.mark.parametrize("tie", [True, False])
def test_saved_and_loaded_again_it_is_the_same_model(tie, tmp_path):
    module = families.build("llama", tie_word_embeddings=tie)
    module.save_pretrained(tmp_path)
    again = iw.load(tmp_path)
    assert (again.module.lm_head.weight is again.module.model.embed_tokens.weight) is tie
    assert again.fingerprint == iw.load(module).fingerprint
