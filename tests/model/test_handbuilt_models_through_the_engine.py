"""On models whose inside is known, looking and editing give the answers that were written into the weights."""

import pytest
import torch

import innerworks as iw
from innerworks import at, edit
from innerworks.lab import handbuilt

TWINS = ("gpt2", "llama", "neox", "gemma")


@pytest.fixture(scope="module", params=TWINS)
def known(request):
    built = getattr(handbuilt, request.param)(dtype=torch.float64)
    return built, iw.load(built.model, tokenizer=built.tokenizer())


def scores(pattern):
    """Previous, duplicate, induction, first and own token, as the table counts them."""
    size = pattern.shape[-1]
    length = (size - 1) // 2
    second, behind = torch.arange(length + 1, size), torch.arange(1, size)
    return [
        float(pattern[behind, behind - 1].mean()),
        float(pattern[second, second - length].mean()),
        float(pattern[second, second - length + 1].mean()),
        float(pattern[1:, 0].mean()),
        float(pattern.diagonal().mean()),
    ]


def test_patterns_are_those_written_down(known):
    built, model = known
    run = model.run(built.sample(), capture=at.pattern[:])
    for (layer, head), expected in built.expected.heads.items():
        found = scores(run[at.pattern[layer, head]][0])
        wanted = [expected.previous, expected.duplicate, expected.induction, expected.bos, expected.itself]
        assert found == pytest.approx(wanted, abs=1e-5), built.roles[layer, head]


def second_half_loss(model, ids, edits=()):
    logits = model.run(ids, edits=edits).logits.double().log_softmax(-1)[0, :-1]
    losses = -logits.gather(1, ids[0, 1:, None])[:, 0]
    length = (ids.shape[1] - 1) // 2
    return float(losses[length + 1 :].mean())


def test_zeroing_the_previous_token_head_costs_what_it_must(known):
    built, model = known
    ids = built.sample()
    assert second_half_loss(model, ids) == pytest.approx(built.expected.second_half_loss, abs=1e-4)
    ablated = second_half_loss(model, ids, [edit.zero(at.z[0, 0])])
    assert ablated == pytest.approx(built.expected.ablated_loss, abs=2e-4)


def test_without_copy_suppression_the_target_stands_higher(known):
    built, model = known
    ids = built.sample()

    def target(edits=()):
        logits = model.run(ids, edits=edits).logits[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
        return float(logits[(ids.shape[1] - 1) // 2 + 1 :].mean())

    assert target() == pytest.approx(built.expected.target_logit, abs=2e-3)
    assert target([edit.zero(at.z[2, 0])]) == pytest.approx(built.expected.target_logit_unsuppressed, abs=2e-3)


def test_the_previous_token_head_reaches_induction_through_its_keys_alone(known):
    """Path patching by hand: the sender's output from another sample enters one input of the receiver at a time."""
    built, model = known
    ids, other = built.sample(0), built.sample(1)
    sent = model.run(other, capture=at.head_out[0, 0])[at.head_out[0, 0]]
    inputs = [at.q[1], at.k[1], at.v[1]]
    clean = model.run(ids, capture=inputs)
    patched = model.run(ids, capture=inputs, edits=[edit.set(at.head_out[0, 0], sent)])
    base = second_half_loss(model, ids)
    effects = {}
    for site in inputs:
        receiver = site[1, 0]
        effects[site.name] = second_half_loss(model, ids, [edit.set(receiver, patched[site][:, :, 0])]) - base
        assert torch.equal(clean[site], model.run(ids, capture=site)[site])
    assert effects["k"] > 5
    assert abs(effects["q"]) < 1e-6 and abs(effects["v"]) < 1e-6


def test_the_prediction_appears_in_the_layer_that_writes_it(known):
    """`out` is empty until layer 1 and then holds the next token."""
    built, model = known
    ids = built.sample()
    run = model.run(ids, capture=at.resid_post[:])
    out = iw.subspace("out", built.basis("out").T)
    length = (ids.shape[1] - 1) // 2
    after = torch.arange(length + 1, ids.shape[1] - 1)
    early = run[at.resid_post[0].via(out)][0, after]
    late = run[at.resid_post[1].via(out)][0, after]
    assert early.abs().max() < 1e-6
    assert (late.norm(dim=-1) > 1).all()


def test_a_causal_sweep_finds_the_circuit_and_nothing_else(known):
    """Zeroing single heads: only the chain previous token → induction matters for the second half's right token."""
    built, model = known
    ids = built.sample()
    length = (ids.shape[1] - 1) // 2
    right = int(ids[0, length + 6])
    variants = {place: [edit.zero(at.z[place])] for place in built.roles}
    metric = iw.log_prob(right, position=length + 5)
    swept = model.sweep(ids, variants, metric)
    matter = {place for place in built.roles if float(swept.effect(place)[0]) < -1}
    assert matter == {(0, 0), (1, 0)}


def test_words_become_tokens_and_back(known):
    _, model = known
    prompt = model.prompt("t3 t7 t3", spans={"first": "t7"})
    assert prompt.tokens[0] == "<bos>" and prompt.positions("first") == (2,)
    generated = model.generate("t3 t7 t9 t3 t7", max_new_tokens=1)
    assert generated.texts is not None and generated.texts[0].strip() == "t9"
