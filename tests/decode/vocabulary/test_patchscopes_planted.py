"""Patchscopes on models that copy, between models with a planted map, and on words."""

import families
import numpy as np
import pytest
import torch
from patched_by_hand import ANSWER, EXACT, SOURCE, TARGET, by_hand, states_by_hand, tiny

import innerworks as iw
from innerworks import at
from innerworks.decode.vocabulary.patchscopes.patchscope import patchscope
from innerworks.errors import PromptError
from innerworks.lab import handbuilt
from innerworks.results import Artifact

# -- planted -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("twin", ("llama", "gpt2", "neox", "gemma"))
def test_a_model_that_copies_says_the_token_that_was_put_in(twin):
    built = getattr(handbuilt, twin)(dtype=torch.float64)
    model = iw.load(built.model)
    for token in (5, 9, 23, 40):
        result = patchscope(
            model,
            [0, 3, token],
            at.resid_pre[0] @ 2,
            target_prompt=[0, 11, 12, 13, 11],
            placeholder=2,
            target=token,
            max_new_tokens=4,
            top=1,
        )
        assert int(result.data["top_token"][0, 0]) == token and float(result.data["correct"][0]) == 1
        assert int(model.run([[0, 11, 12, 13, 11]], logits="last").logits[0, -1].argmax()) == 12
        # What was put in stays there while the model writes on: it goes round in 11, the token, 13.
        assert result.tables["readings"]["text"] == [f"{token} 13 11 {token}"]


def rotated_twin(seed=0):
    """A tiny Llama, the same one with its stream in other coordinates, and the rotation between them."""
    plain = families.build("llama", dtype=torch.float64)
    torch.manual_seed(seed)
    d = plain.config.hidden_size
    turn = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64)).Q
    with torch.no_grad():
        for name, weight in plain.named_parameters():
            if weight.dim() == 1:
                weight.fill_(1.0)
    turned = families.build("llama", dtype=torch.float64)
    turned.load_state_dict(plain.state_dict())
    with torch.no_grad():
        for name, weight in turned.named_parameters():
            if weight.dim() == 2 and ("o_proj" in name or "down_proj" in name):
                weight.copy_(turn.T @ weight)
            elif weight.dim() == 2:
                weight.copy_(weight @ turn)
    return iw.load(plain), iw.load(turned), turn


def test_another_model_reads_states_through_the_map_between_them():
    plain, turned, turn = rotated_twin()
    options = {"target_prompt": TARGET, "placeholder": 3, "target": ANSWER}
    wanted = patchscope(plain, SOURCE, at.resid_post[:] @ -1, **options).data["log_prob"].values
    layers = list(range(plain.n_layers))
    stacked = Artifact(
        "state-map",
        {"matrix": torch.stack([turn] * len(layers)), "bias": torch.zeros(len(layers), plain.d_model)},
        {"layers": layers},
        model=plain.fingerprint,
    )
    ways = (turn, (turn, torch.zeros(plain.d_model)), Artifact("state-map", {"matrix": turn}), stacked)
    for mapping in (*ways, lambda states, layer: states @ turn):
        found = patchscope(plain, SOURCE, at.resid_post[:] @ -1, mapping=mapping, target_model=turned, **options)
        assert np.allclose(found.data["log_prob"].values, wanted, atol=1e-5, rtol=0)
    unmapped = patchscope(plain, SOURCE, at.resid_post[:] @ -1, target_model=turned, **options)
    assert abs(unmapped.data["log_prob"].values - wanted).max() > 0.1


def test_another_model_of_another_width_and_depth():
    small, large = tiny("llama"), iw.load(families.module_of("gpt2", dtype=torch.float64))
    torch.manual_seed(1)
    matrix = torch.randn(small.d_model, large.d_model, dtype=torch.float64)
    bias = torch.randn(large.d_model, dtype=torch.float64)
    options = {"target_prompt": TARGET, "placeholder": 3, "target_model": large, "mapping": (matrix, bias)}
    result = patchscope(small, SOURCE, at.resid_post[:] @ -1, target_layer=1, top=large.n_vocab, **options)
    for layer, state in enumerate(states_by_hand(small.module, SOURCE, -1)):
        wanted = by_hand(large.module, TARGET, 1, 3, state @ matrix + bias).exp().sort(descending=True).values.numpy()
        assert np.allclose(result.data["top_prob"].sel(layer=layer).values, wanted, atol=EXACT, rtol=0)


def test_layers_have_maps_of_their_own():
    model = tiny("llama")
    scales = torch.arange(1, model.n_layers + 1, dtype=torch.float64)
    stacked = Artifact("state-map", {"matrix": torch.eye(model.d_model, dtype=torch.float64) * scales[:, None, None]})
    options = {"target_prompt": TARGET, "placeholder": 3, "target": ANSWER}
    found = patchscope(model, SOURCE, mapping=stacked, **options).data["log_prob"].values
    by_function = patchscope(model, SOURCE, mapping=lambda states, layer: states * (layer + 1), **options)
    assert np.allclose(found, by_function.data["log_prob"].values, atol=EXACT, rtol=0)


# -- with words --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def words():
    return iw.load("smollm2-135m-instruct-q4")


@pytest.mark.weights
def test_in_words(words, tmp_path):
    model = words
    result = patchscope(model, "The capital of France is", at.resid_post[:] @ -1, top=2)
    assert result.tables["readings"]["next"][-1].startswith("' Paris'")
    run = model.run("The capital of France is", logits="last").logits[0, -1].softmax(-1)
    assert float(result.data["prob"][-1]) == pytest.approx(float(run.max()), abs=1e-4)
    assert [check.verdict for check in result.checks] == ["info", "pass"]
    assert set(result.views) == {"answer", "readings", "unpatched"}
    result.save(tmp_path / "scope")
    again = iw.open(tmp_path / "scope")
    assert again.data["prob"].equals(result.data["prob"]) and again.provenance.options["preset"] is None


@pytest.mark.weights
def test_attributes_of_a_task_against_its_answers(words):
    model = words
    facts = iw.tasks.facts(n=4, relation="capital", seed=0)
    place = at.resid_post[[0, 15]] @ "subject"
    result = patchscope(model, facts, place, target_prompt="The capital of x is", target_layer=(0, 5), max_new_tokens=3)
    assert result.data["correct"].dims == ("example", "layer", "target_layer")
    assert result.data["said_mean"].shape == result.data["correct_mean"].shape == (2, 2)
    for row in result.tables["readings"].rows():
        example, layer, land, _, _, text = row
        said = float(result.data["said"].sel(example=example, layer=layer, target_layer=land))
        answer = facts.on(model)[example].target
        assert said == float(str(answer).strip().casefold() in text.casefold())
    assert {"correct", "said"} <= set(result.views)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("placeholder", "message"),
    [("zebra", "is not in the target prompt"), ("capital of", "not one token"), ("Franc", "not one token")],
)
def test_placeholders_that_are_no_token_are_told(words, placeholder, message):
    with pytest.raises(PromptError, match=message):
        patchscope(words, "The cat", target_prompt="The capital of France is", placeholder=placeholder)


@pytest.mark.weights
def test_the_answer_of_a_first_hop_is_put_into_a_second(words):
    prompt = words.prompt("The capital of the country of Toyota", spans={"first hop": "Toyota"})
    asked = {"preset": "same", "placeholder": 3, "target": " Tokyo", "target_layer": (0, 4)}
    result = patchscope(words, prompt, at.resid_post[[4, 20]] @ "first hop", **asked)
    state = words.run(prompt, capture=at.resid_post[20], logits=None)[at.resid_post[20]][:, -1]
    patched = words.run(prompt, edits=[iw.edit.set(at.resid_post[4] @ 3, state)], logits="last").logits[0, -1]
    wanted = float(patched.softmax(-1)[words.token(" Tokyo")])
    assert float(result.data["prob"].sel(layer=20, target_layer=4)) == pytest.approx(wanted, abs=1e-4)
