"""Writing on with a cache, under edits, is what the full forward pass under the same edits says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from families import build
from opened_models import at, comparable, fresh, names, opened, place, plain, prompt, random_like, spread
from transformers import LogitsProcessor

from innerworks.errors import InnerworksError, SiteError
from innerworks.model import edits as edit
from innerworks.model.sites import Edge
from innerworks.model.tokens import Prompt

NEW = 6
LENGTH = 9


def interventions(model):
    """One of each way in which an edit can touch positions that are written later."""
    d, vector = model.d_model, random_like(torch.zeros(model.d_model), scale=2.0)
    missing = model.anatomy.missing
    found = {
        "stream from a position on": [edit.add(at.resid_post[1] @ slice(5, None), vector)],
        "stream at one position": [edit.add(at.resid_post[0] @ 4, vector)],
        "stream at the prompt's end": [edit.set(at.resid_pre[1] @ -1, vector)],
        "stream everywhere": [edit.add(at.resid_pre[2], vector * 0.5)],
        "a head": [edit.zero(at.z[1, 2])],
        "a head from a position on": [edit.zero(at.z[0, 1] @ slice(7, None))],
        "an edge from all later queries": [edit.knockout(at.pattern[1], query=slice(5, None), key=[1, 3])],
        "an edge from the prompt's end": [edit.knockout(at.pattern[2, 0], query=-1, key=2)],
        "a pattern": [edit.scale(at.pattern[1, 3] @ (slice(4, None), slice(2, None)), 0.5)],
        "scores": [edit.add(at.scores[1, 1] @ (None, 2), torch.tensor(1.5))],
        "the last norm": [edit.add(at.final_norm, random_like(torch.zeros(d)))],
        "logits": [edit.add(at.logits @ slice(5, None), random_like(torch.zeros(83), scale=3.0))],
        "a neuron": [edit.add(at.mlp_out[0] @ slice(3, None), vector)],
    }
    if "k" not in missing:
        found["a key"] = [edit.scale(at.k[1, 0] @ 3, 2.0)]
    if "k_rot" not in missing:
        found["a key after rotary"] = [edit.scale(at.k_rot[1] @ 3, 1.7)]
        found["keys after rotary from a position on"] = [edit.scale(at.k_rot[1, 0] @ slice(4, None), 0.3)]
        found["a query after rotary"] = [edit.scale(at.q_rot[2, 0] @ slice(6, None), 2.0)]
    if "resid_mid" not in missing:
        found["the mid stream"] = [edit.add(at.resid_mid[1] @ slice(5, None), vector)]
    if "router" not in missing:
        found["the router"] = [edit.add(at.router[1] @ slice(5, None), torch.tensor([3.0, 0.0, -3.0, 1.0]))]
    if "expert_neurons" not in missing:
        found["an expert"] = [edit.zero(at.expert_neurons[1, 0] @ slice(5, None))]
    return found


def by_full_forward(model, ids, edits):
    """Greedy, each step a full pass over everything; also the gap between the best two logits at each step."""
    sequence, gaps = ids.tolist(), []
    for _ in range(NEW):
        logits = model.run([sequence], edits=_pinned(edits)).logits[0, -1]
        best = logits.topk(2).values
        gaps.append(float(best[0] - best[1]))
        sequence.append(int(logits.argmax()))
    return sequence[len(ids) :], gaps


def test_cached_decoding_under_edits_is_the_full_forward_pass(model):
    ids = prompt(1, LENGTH)[0]
    unedited, _ = by_full_forward(model, ids, [])
    assert model.generate(ids, max_new_tokens=NEW).new_ids == [unedited]
    wrong, without_effect = [], []
    for name, edits in interventions(model).items():
        expected, gaps = by_full_forward(model, ids, edits)
        if min(gaps) < 1e-4:
            continue  # a tie that rounding decides
        for use_cache in (True, False):
            found = model.generate(ids, max_new_tokens=NEW, edits=edits, use_cache=use_cache)
            if found.new_ids != [expected]:
                wrong.append(f"{name}, use_cache={use_cache}: {found.new_ids[0]} for {expected}")
        if expected == unedited:
            without_effect.append(name)
    assert wrong == []
    assert len(without_effect) < len(interventions(model))


class Watch(LogitsProcessor):
    """Keeps the logits that each step decides by."""

    def __init__(self):
        self.steps = []

    def __call__(self, input_ids, scores):
        self.steps.append(scores.clone())
        return scores


def test_the_logits_of_every_step_are_those_of_a_full_forward_pass(model):
    """Tokens can agree by chance, logits cannot."""
    ids = prompt(1, LENGTH)[0]
    wrong = []
    for name, edits in interventions(model).items():
        watch = Watch()
        options = {"logits_processor": [watch]}
        found = model.generate(ids, max_new_tokens=NEW, edits=edits, options=options)
        sequence = [*ids.tolist(), *found.new_ids[0]]
        full = model.run([sequence[:-1]], edits=_pinned(edits)).logits[0, LENGTH - 1 :]
        error = (torch.cat(watch.steps) - full).abs().max()
        if error > 2e-5 * spread(full):
            wrong.append(f"{name}: {error}")
    assert wrong == []


def _pinned(edits):
    """The same edits with -1 meaning the prompt's last token, in a longer prompt."""

    def pin(pos):
        if pos == -1:
            return LENGTH - 1
        return Edge(pin(pos.query), pin(pos.key)) if isinstance(pos, Edge) else pos

    return [replace(one, site=replace(one.site, pos=pin(one.site.pos))) for one in edits]


@pytest.mark.each_family
def test_captures_cover_the_generated_tokens(model):
    ids = prompt(2, LENGTH)
    sites = [place(name, layer) for name in names(model) if name != "logits" for layer in (0, 1)]
    found = model.generate(ids, max_new_tokens=NEW, capture=sites)
    sequences = [[*row.tolist(), *new][:-1] for row, new in zip(ids, found.new_ids, strict=True)]
    full = model.run(sequences, capture=sites)
    wrong = []
    for site in sites:
        a, b = found[site], full[site]
        if a.shape != b.shape:
            wrong.append(f"{site}: {tuple(a.shape)} for {tuple(b.shape)}")
            continue
        if site.name == "scores":
            visible = b > -1e30
            a, b = comparable(model, a, visible), comparable(model, b, visible)
        if (a - b).abs().max() > 2e-5 * max(1.0, spread(b.float())):
            wrong.append(f"{site}: {(a - b).abs().max()}")
    assert wrong == []


def test_captures_of_edited_generation_are_edited(model):
    ids = prompt(1, LENGTH)
    vector = random_like(torch.zeros(model.d_model))
    edits = [edit.add(at.resid_post[0] @ slice(5, None), vector)]
    found = model.generate(ids, max_new_tokens=NEW, edits=edits, capture=[at.resid_post[:]])
    full = model.run([[*ids[0].tolist(), *found.new_ids[0]][:-1]], edits=edits, capture=[at.resid_post[:]])
    assert (found[at.resid_post[:]] - full[at.resid_post[:]]).abs().max() <= 2e-5 * spread(full[at.resid_post[:]])


UNEQUAL = [[5, 17, 33, 60, 8, 21, 9, 44, 71], [12, 3, 66, 20, 31, 7]]


def test_a_batch_of_unequal_prompts_writes_what_each_writes_alone(model):
    vector = random_like(torch.zeros(model.d_model), scale=2.0)
    tried = {
        "nothing": [],
        "from a position on": [edit.add(at.resid_post[1] @ slice(5, None), vector)],
        "everywhere": [edit.add(at.resid_pre[1], vector)],
        "at the end": [edit.add(at.resid_post[0] @ -1, vector)],
        "at an early position": [edit.zero(at.z[1, 2] @ 2)],
        "an edge": [edit.knockout(at.pattern[1, 1], query=slice(4, None), key=3)],
        "values": [edit.scale(at.v[1] @ 2, 2.0)],
    }
    wrong = []
    for name, edits in tried.items():
        alone = [model.generate(row, max_new_tokens=NEW, edits=edits).new_ids[0] for row in UNEQUAL]
        together = model.generate(UNEQUAL, max_new_tokens=NEW, edits=edits).new_ids
        if together != alone:
            wrong.append(f"{name}: {together} for {alone}")
    assert wrong == []


def test_captures_of_a_batch_of_unequal_prompts_are_those_of_each_alone(model):
    sites = [at.resid_post[1], at.z[1], at.pattern[1]]
    together = model.generate(UNEQUAL, max_new_tokens=NEW, capture=sites)
    for row, ids in enumerate(UNEQUAL):
        alone = model.generate(ids, max_new_tokens=NEW, capture=sites)
        start, length = together.batch.starts[row], len(ids) + NEW - 1
        for site in (at.resid_post[1], at.z[1]):
            a, b = together[site][row, start : start + length], alone[site][0]
            assert (a - b).abs().max() <= 2e-5 * max(1.0, spread(b)), (site, row)
        a, b = together[at.pattern[1]][row, :, start:, start:], alone[at.pattern[1]][0]
        assert (a - b).abs().max() <= 2e-5, row
        assert torch.equal(together[at.z[1, 2] @ 3], together[at.z[1]][[0, 1], [3, 6], 2])


def test_roles_keep_their_meaning_while_writing():
    model = fresh("gpt2")
    prompts = [Prompt.from_ids(row).with_span("subject", (1 + i, 2 + i)) for i, row in enumerate(UNEQUAL)]
    edits = [edit.zero(at.resid_post[0] @ "subject")]
    together = model.generate(prompts, max_new_tokens=NEW, edits=edits).new_ids
    assert together == [model.generate(one, max_new_tokens=NEW, edits=edits).new_ids[0] for one in prompts]


def test_only_what_is_written_can_be_steered():
    """A position past the prompt names tokens that are still to come."""
    model = fresh("llama")
    vector = random_like(torch.zeros(model.d_model), scale=3.0)
    ids = prompt(1, LENGTH)[0]
    for pos in (slice(LENGTH, None), LENGTH + 1, slice(LENGTH + 1, LENGTH + 3)):
        edits = [edit.add(at.resid_post[1] @ pos, vector)]
        found = model.generate(ids, max_new_tokens=NEW, edits=edits)
        sequence = ids.tolist()
        for _ in range(NEW):
            reached = len(sequence) > (pos if isinstance(pos, int) else pos.start)
            if reached and isinstance(pos, slice) and pos.stop is not None:
                now = [edit.add(at.resid_post[1] @ slice(pos.start, min(pos.stop, len(sequence))), vector)]
            else:
                now = edits if reached else []
            sequence.append(int(model.run([sequence], edits=now).logits[0, -1].argmax()))
        assert found.new_ids == [sequence[LENGTH:]], pos


def test_a_step_stops_at_the_stop_token_and_positions_know_it():
    module = build("llama")
    model = opened(module)
    written = model.generate(prompt(1, LENGTH), max_new_tokens=NEW).new_ids[0]
    module.generation_config.eos_token_id = written[2]
    found = model.generate(prompt(1, LENGTH), max_new_tokens=NEW, capture=[at.resid_post[1]])
    assert found.new_ids == [written[:3]]
    assert found[at.resid_post[1]].shape[1] == LENGTH + 2
    assert model.generate(prompt(1, LENGTH), max_new_tokens=NEW, stop_at_eos=False).new_ids == [written]


def test_several_continuations_of_a_prompt_are_refused_under_edits():
    model = fresh("llama")
    for options in ({"num_beams": 2}, {"num_return_sequences": 2, "do_sample": True}):
        with pytest.raises(InnerworksError, match="rows"):
            model.generate(prompt(1, LENGTH), max_new_tokens=2, edits=[edit.zero(at.z[0])], options=options)


def test_seeds_decide_draws_and_leave_the_global_generator():
    model = fresh("llama")
    torch.manual_seed(1)
    state = torch.get_rng_state()
    draws = [model.generate(prompt(1), max_new_tokens=NEW, sample=True, seed=s).new_ids for s in (3, 3, 4)]
    assert draws[0] == draws[1] != draws[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_logits_cannot_be_captured_while_writing():
    with pytest.raises(SiteError, match="logits"):
        fresh("llama").generate(prompt(1), max_new_tokens=2, capture=[at.logits])


def test_reduced_captures_reduce_what_was_selected():
    model = fresh("llama")
    found = model.generate(prompt(1), max_new_tokens=NEW, capture={at.z[1, 2] @ 3: lambda z: z.shape})
    assert found[at.z[1, 2] @ 3] == (1, model.anatomy.d_head)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_values_of_each_row_reach_it_when_its_position_comes(family):
    """Position 7 is in one prompt and still to be written behind the other."""
    model = fresh(family)
    values = random_like(torch.zeros(2, model.d_model), scale=4.0)
    factors = torch.tensor([[2.0], [3.0]])
    edits = [edit.set(at.resid_post[1] @ 7, values), edit.scale(at.mlp_out[2] @ slice(6, None), factors[:, None])]
    together = model.generate(UNEQUAL, max_new_tokens=NEW, edits=edits, capture=[at.resid_post[1]])
    assert torch.equal(together[at.resid_post[1] @ 7], values)
    for row, ids in enumerate(UNEQUAL):
        mine = [edit.set(at.resid_post[1] @ 7, values[row]), edit.scale(at.mlp_out[2] @ slice(6, None), factors[row])]
        assert model.generate(ids, max_new_tokens=NEW, edits=mine).new_ids[0] == together.new_ids[row]


def test_negative_positions_are_the_prompts_for_edits_and_captures_alike():
    model = fresh("llama")
    value = random_like(torch.zeros(2, model.d_model))
    edits = [edit.set(at.resid_post[1] @ -1, value)]
    found = model.generate(UNEQUAL, max_new_tokens=NEW, edits=edits, capture=[at.resid_post[1]])
    assert torch.equal(found[at.resid_post[1] @ -1], value)
    assert found[at.resid_post[1] @ slice(-2, -1)].shape[1] == 1


def test_generation_without_edits_is_the_users_own():
    model = fresh("qwen3")
    own = model.module.generate(input_ids=prompt(1), max_new_tokens=NEW, do_sample=False)
    assert model.generate(prompt(1), max_new_tokens=NEW).output_ids.tolist() == own.tolist()
    assert torch.equal(plain(model, prompt()), plain(fresh("qwen3"), prompt()))
