"""Patchscopes are held against token substitution, identities, hooks written by hand, and models that copy."""

import families
import numpy as np
import pytest
import torch
from patched_by_hand import ANSWER, EXACT, SOURCE, TARGET, by_hand, states_by_hand, tiny

import innerworks as iw
from innerworks import at
from innerworks.decode.vocabulary.patchscopes.patchscope import patchscope
from innerworks.decode.vocabulary.patchscopes.rows import Rows
from innerworks.decode.vocabulary.patchscopes.target_prompts import placed

KINDS = ("gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "mixtral")
"""Learned positions and LayerNorm, shared keys, parallel blocks, soft caps and post-norms, post-norms, experts."""


def log_probs(model, ids):
    return model.run([ids], logits="last").logits[0, -1].log_softmax(-1)


def next_logits(model, kind, prompt, layer, state):
    """The logits of one patched row."""
    found = []
    Rows(model, kind, (prompt,), (layer,), state[None]).logits_at([-1], lambda _, logits: found.append(logits[:, -1]))
    return found[0]


# -- identities --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", KINDS)
def test_a_state_before_the_first_block_is_a_token_put_in_its_place(family):
    model = tiny(family)
    place = 3  # where positions are learned a state holds its own, so it is taken from the same position
    replaced = [*TARGET[:place], SOURCE[place], *TARGET[place + 1 :]]
    state = model.run([SOURCE], capture=at.resid_pre[0], logits=None)[at.resid_pre[0]][0, place]
    patched = next_logits(model, "resid_pre", placed(model.prompt(TARGET), place), 0, state)
    assert torch.equal(patched, model.run([replaced], logits="last").logits[:, -1])
    result = patchscope(
        model,
        SOURCE,
        at.resid_pre[0] @ place,
        target_prompt=TARGET,
        placeholder=place,
        target=ANSWER,
        max_new_tokens=5,
    )
    assert float(result.data["log_prob"][0]) == pytest.approx(float(log_probs(model, replaced)[ANSWER]), abs=1e-12)
    written = model.generate([replaced], max_new_tokens=5).new_ids[0]
    assert result.tables["readings"]["text"] == [" ".join(map(str, written))]
    assert float(result.data["unpatched_log_prob"]) == pytest.approx(float(log_probs(model, TARGET)[ANSWER]), abs=1e-12)


@pytest.mark.parametrize("family", ("llama", "gpt_neox", "gemma2", "olmo2", "mixtral", "bloom", "mamba", "jamba"))
def test_where_no_positions_are_learned_a_token_can_come_from_anywhere(family):
    model = tiny(family)
    result = patchscope(
        model,
        [SOURCE],
        at.resid_pre[0] @ (5, 0, 2),
        target_prompt=TARGET,
        placeholder=(1, 4),
        target=ANSWER,
        max_new_tokens=4,
    )
    assert list(result.data["log_prob"]["place"].values) == [5, 0, 2]
    for number, place in enumerate((5, 0, 2)):
        replaced = list(TARGET)
        replaced[1] = replaced[4] = SOURCE[place]
        wanted = float(log_probs(model, replaced)[ANSWER])
        assert float(result.data["log_prob"][0, number]) == pytest.approx(wanted, abs=EXACT)
        written = model.generate([replaced], max_new_tokens=4).new_ids[0]
        assert result.tables["readings"]["text"][number] == " ".join(map(str, written))


@pytest.mark.parametrize("family", KINDS)
def test_a_state_put_back_where_it_was_changes_nothing(family):
    model = tiny(family)
    kinds = [at.resid_pre, at.resid_post] + ([at.resid_mid] if family != "gpt_neox" else [])
    run = model.run([SOURCE], capture=[kind[:] for kind in kinds], logits="last")
    for kind in kinds:
        for layer in range(model.n_layers):
            prompt = placed(model.prompt(SOURCE), 2)
            patched = next_logits(model, kind.name, prompt, layer, run[kind[layer] @ 2][0])
            assert torch.equal(patched, run.logits[:, -1])
    result = patchscope(model, SOURCE, at.resid_post[:] @ 2, preset="same", placeholder=2, target=ANSWER)
    assert np.allclose(result.data["log_prob"].values, float(result.data["unpatched_log_prob"]), atol=EXACT, rtol=0)
    [check] = result.checks
    assert check.measured == 1.0


@pytest.mark.parametrize("family", KINDS)
def test_the_last_layer_says_what_the_model_said(family):
    model = tiny(family)
    result = patchscope(model, SOURCE, at.resid_post[:] @ (1, 4), target_prompt=TARGET, placeholder=-1, top=3)
    logits = model.run([SOURCE]).logits[0, [1, 4]]
    assert result.data["top_token"][-1].values.tolist() == logits.topk(3).indices.tolist()
    expected = logits.softmax(-1).topk(3).values.numpy()
    assert np.allclose(result.data["top_prob"][-1].values, expected, atol=EXACT, rtol=0)


# -- by hand -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ("gpt2", "llama", "gemma2", "olmo2", "mixtral"))
def test_every_layer_in_every_layer_is_as_by_hand(family):
    model = tiny(family)
    layers = tuple(range(model.n_layers))
    options = {"target_prompt": TARGET, "placeholder": 3, "target": ANSWER, "target_layer": layers}
    result = patchscope(model, SOURCE, at.resid_post[:] @ -2, **options)
    assert result.data["log_prob"].dims == ("layer", "target_layer")
    states = states_by_hand(model.module, SOURCE, -2)
    for layer in layers:
        for land in layers:
            wanted = float(by_hand(model.module, TARGET, land, 3, states[layer])[ANSWER])
            assert float(result.data["log_prob"].sel(layer=layer, target_layer=land)) == pytest.approx(
                wanted, abs=EXACT
            )


@pytest.mark.parametrize("site", (at.attn_out[1], at.mlp_out[1], at.head_out[1, 2]))
def test_what_a_part_writes_is_put_into_the_stream(site):
    model = tiny("gpt2")
    written = model.run([SOURCE], capture=site @ -1, logits=None)[site @ -1][0]
    result = patchscope(model, SOURCE, site, target_prompt=TARGET, placeholder=3, target=ANSWER, target_layer=0)
    wanted = float(by_hand(model.module, TARGET, 0, 3, written)[ANSWER])
    assert float(result.data["log_prob"][0]) == pytest.approx(wanted, abs=EXACT)


@pytest.mark.parametrize("family", KINDS)
def test_rows_in_one_forward_are_those_of_single_runs(family):
    model = tiny(family)
    prompts = families.ids(3, 6, seed=8).tolist()
    options = {"target_prompt": TARGET, "placeholder": (2, 5), "target": ANSWER, "max_new_tokens": 4, "top": 3}
    together = patchscope(model, prompts, at.resid_post[:] @ (1, -1), max_tokens=10_000, **options)
    alone = patchscope(model, prompts, at.resid_post[:] @ (1, -1), max_tokens=1, **options)
    some = patchscope(model, prompts, at.resid_post[:] @ (1, -1), max_tokens=60, **options)
    for other in (alone, some):
        for name in ("log_prob", "top_prob", "prob"):
            assert np.allclose(together.data[name].values, other.data[name].values, atol=EXACT, rtol=0)
        assert together.tables["readings"].columns == other.tables["readings"].columns
    assert together.provenance.cost.forwards < alone.provenance.cost.forwards
    assert together.data["log_prob"].dims == ("example", "layer", "place")
    one = patchscope(model, prompts[1], at.resid_post[1:2] @ -1, **options)
    wanted = together.data["log_prob"].sel(example=1, layer=1, place=-1)
    assert float(one.data["log_prob"][0]) == pytest.approx(float(wanted), abs=EXACT)


def test_texts_of_unequal_prompts_are_those_of_each_alone():
    """Their own prompts are patched, of other lengths and at other places, so that generation pads on the left."""
    for family in ("gpt2", "llama"):
        model = iw.load(
            families.module_of(family)
        )  # in float64 transformers' own eager attention gives NaN when padded
        rows = [SOURCE, TARGET, [*TARGET, *SOURCE[:3]]]
        prompts = [placed(model.prompt(row), place) for row, place in zip(rows, (1, 4, 7), strict=True)]
        values = model.run([SOURCE], capture=at.resid_post[0], logits=None)[at.resid_post[0]][0, :3]
        together = Rows(model, "resid_post", tuple(prompts), (0, 1, 0), values).written(5, lambda done: None)
        for number, prompt in enumerate(prompts):
            one = Rows(model, "resid_post", (prompt,), ((0, 1, 0)[number],), values[number : number + 1])
            assert together[number] == one.written(5, lambda done: None)[0]
            first = by_hand(model.module, rows[number], (0, 1, 0)[number], (1, 4, 7)[number], values[number])
            assert together[number][0] == int(first.argmax())


# -- memory, answers ---------------------------------------------------------------------------------------------------


def test_rows_are_halved_when_memory_runs_out(monkeypatch):
    model = tiny("llama")
    options = {"target_prompt": TARGET, "placeholder": 3, "target_layer": (0, 1), "max_new_tokens": 3}
    wanted = patchscope(model, SOURCE, **options).tables["readings"]["text"]
    plain, sizes = iw.Model.generate, []

    def short_of_memory(self, prompt, **asked):
        if isinstance(prompt, list) and len(prompt) > 2:
            raise MemoryError
        sizes.append(len(prompt) if asked["edits"] else 0)
        return plain(self, prompt, **asked)

    monkeypatch.setattr(
        iw.Model,
        "generate",
        lambda self, prompt, edits=(), **asked: short_of_memory(self, prompt, edits=edits, **asked),
    )
    assert patchscope(model, SOURCE, **options).tables["readings"]["text"] == wanted
    assert max(sizes) <= 2 and sum(sizes) == 2 * model.n_layers

    def far_too_short_of_memory(self, prompt, **asked):
        raise MemoryError

    monkeypatch.setattr(iw.Model, "generate", far_too_short_of_memory)
    with pytest.raises(iw.errors.OutOfMemoryError, match="a single target prompt of 8 tokens"):
        patchscope(model, SOURCE, **options)


@pytest.mark.parametrize("family", ("gpt2", "llama", "gemma2"))
def test_rows_that_share_the_prompts_keys_are_those_of_whole_runs(family):
    model = iw.load(families.module_of(family))  # in float64 nothing is shared
    result = patchscope(model, SOURCE, target_prompt=TARGET, placeholder=-2, target=ANSWER, top=1)
    states = model.run([SOURCE], capture=at.resid_post[:] @ -1, logits=None)[at.resid_post[:] @ -1]
    for layer, state in enumerate(states):
        whole = model.run([TARGET], edits=[iw.edit.set(at.resid_post[layer] @ -2, state)], logits="last").logits[0, -1]
        wanted = float(whole.log_softmax(-1)[ANSWER])
        assert float(result.data["log_prob"][layer]) == pytest.approx(
            wanted, abs=64 * model.rounding * float(whole.abs().max())
        )


def test_answers_are_one_for_all_any_of_some_or_one_for_each():
    model = tiny("llama")
    prompts = families.ids(2, 6, seed=8).tolist()
    place = at.resid_post[:] @ -1

    def probs(target):
        return patchscope(model, prompts, place, target_prompt=TARGET, placeholder=3, target=target).data["prob"].values

    both = [probs(7), probs(11)]
    assert np.allclose(probs({7, 11}), both[0] + both[1], atol=EXACT)
    assert np.allclose(probs([7, 11]), np.stack([both[0][0], both[1][1]]), atol=EXACT)
    mixed = patchscope(model, prompts, place, target_prompt=TARGET, placeholder=3, target=[{7, 11}, 3])
    assert np.allclose(mixed.data["prob"].values[1], probs(3)[1], atol=EXACT)
    rank = mixed.data["rank"].values
    assert np.array_equal(mixed.data["correct"].values, (rank == 0).astype(float))
    assert {"prob_mean", "correct_mean", "unpatched_prob_mean"} <= set(mixed.data)


def test_standing_edits_hold_in_both_prompts():
    model = tiny("llama").with_edits(iw.edit.zero(at.mlp_out[0]))
    result = patchscope(model, SOURCE, at.resid_post[:] @ 2, preset="same", placeholder=2, target=ANSWER)
    assert np.allclose(result.data["log_prob"].values, float(log_probs(model, SOURCE)[ANSWER]), atol=EXACT, rtol=0)
