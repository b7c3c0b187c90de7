"""The bundled SmolLM2 does what is known of it, and looking into it keeps what the peers' figures promise."""

import pytest
import torch

import innerworks as iw
from innerworks import at, edit

pytestmark = pytest.mark.weights

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPT = "When Mary and John went to the store, Mary gave a drink to"
METRIC = iw.logit_diff(" Mary", " John")


@pytest.fixture(scope="module")
def model():
    return iw.load("smollm2-135m-instruct-q4")


def test_it_solves_the_indirect_object_prompt(model):
    assert float(model.measure(CLEAN, METRIC)) > 1
    assert float(model.measure(CORRUPT, METRIC)) < 0
    assert float(model.measure(CLEAN, iw.rank(" Mary"))) == 0


def test_patching_the_stream_moves_from_the_name_to_the_end(model):
    """The clean name restores at its own position early and at the last position late, the rest not at all."""
    pair = model.pair(CLEAN, CORRUPT)
    (swapped,) = pair.differs
    run = model.run(pair.clean, capture=at.resid_post[:])
    variants = {s: [edit.set(s, run)] for s in at.resid_post[:].each_position(run)}
    ends = {"clean": model.measure(pair.clean, METRIC), "corrupt": model.measure(pair.corrupt, METRIC)}
    swept = model.sweep(pair.corrupt, variants, iw.normalised(METRIC, **ends))
    last = len(pair.clean) - 1
    grid = swept.stacked()[:, 0].reshape(model.n_layers, last + 1)
    assert grid[0, swapped] > 0.9 and grid[0, last].abs() < 0.1
    assert grid[-1, last] == pytest.approx(1, abs=1e-3) and grid[-1, swapped].abs() < 1e-3
    assert grid[:, :swapped].abs().max() == 0, "before the swapped name both prompts are the same"
    assert swept.skipped == swapped * model.n_layers


def test_a_shared_sweep_gives_the_numbers_of_single_runs(model):
    run = model.run(CLEAN, capture=[at.resid_post[:], at.z[:]])
    positions = list(at.resid_post[[0, 13, 29]].each_position(run))[::3]
    variants = {s: [edit.set(s, run)] for s in [*positions, *list(at.z[:].each_head(run))[::29]]}
    single = model.sweep(CORRUPT, variants, iw.logit(" Mary"), plan="single")
    swept = model.sweep(CORRUPT, variants, iw.logit(" Mary"))
    packed = model.sweep(CORRUPT, {s: variants[s] for s in positions}, iw.logit(" Mary"))
    scale = float(single.stacked().abs().max())
    assert (swept.stacked() - single.stacked()).abs().max() <= 1e-5 * scale
    assert all((packed[s] - single[s]).abs().max() <= 1e-5 * scale for s in positions)
    assert "packed" in packed.plans and "batched" in swept.plans


def test_prompts_side_by_side_are_as_good_as_alone(model):
    prompts = [CLEAN, "The capital of France is", "1, 2, 3, 4,"]
    site = at.resid_post[20] @ -1
    for padding in ("left", "right"):
        together = model.run(prompts, capture=site, logits="last", padding=padding)
        for row, prompt in enumerate(prompts):
            alone = model.run(prompt, capture=site, logits="last")
            assert torch.allclose(together.logits[row], alone.logits[0], atol=2e-4)
            assert torch.allclose(together[site][row], alone[site][0], atol=1e-3 * float(alone[site].abs().max()))


def test_steering_changes_what_is_written_and_nothing_else(model):
    prompt = "The capital of France is"
    plain = model.generate(prompt, max_new_tokens=6).texts[0]
    assert plain.startswith(" Paris")
    view = model.with_edits(edit.scale(at.mlp_out[15:], 0.0))
    assert not view.generate(prompt, max_new_tokens=6).texts[0].startswith(" Paris")
    assert model.generate(prompt, max_new_tokens=6).texts[0] == plain


def test_a_chat_keeps_whose_words_are_whose(model):
    prompt = model.chat([{"role": "user", "content": "Name the capital of France."}])
    assert "user" in prompt.roles
    assert model.generate(prompt, max_new_tokens=2).texts[0]


def test_gradients_are_the_slope_of_a_small_step(model):
    """Central differences along the direction from the corrupt to the clean run."""
    run = model.run(CLEAN, capture=at.attn_out[:])
    grads = model.gradients(CORRUPT, METRIC, wrt=at.attn_out[:], capture=at.attn_out[:])
    sites = [at.attn_out[layer] @ -1 for layer in (8, 16, 24)]
    steps = {s: run[s] - grads.run[s] for s in sites}
    size = 0.02
    both = {(s, sign): [edit.add(s, steps[s], factor=sign * size)] for s in sites for sign in (1, -1)}
    swept = model.sweep(CORRUPT, both, METRIC)
    for s in sites:
        slope = float(swept[s, 1] - swept[s, -1]) / (2 * size)
        assert float((steps[s] * grads[s]).sum()) == pytest.approx(slope, rel=0.05, abs=0.01)
