"""A sweep means what the same edits mean in a run: their order, their layer, standing edits, odd batches."""

import pytest
import torch
from families import build, ids, module_of

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import EditError
from innerworks.model.guess import guess
from innerworks.model.model import Model

METRIC = iw.logit_diff(5, 7)


@pytest.fixture(params=["gpt2", "llama"])
def model(request):
    return iw.load(module_of(request.param))


def vector(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def same_as_runs(model, prompt, variants, metric=METRIC, **options):
    swept = model.sweep(prompt, variants, metric, **options)
    for key, edits in variants.items():
        alone = model.measure(prompt, metric, edits=edits)
        assert torch.allclose(swept[key], alone, atol=1e-5 * max(1.0, float(alone.abs().max()))), key
    return swept


STANDING = {
    "scale, added to": lambda m: [edit.scale(at.attn_out[1], 2.0)],
    "add everywhere": lambda m: [edit.add(at.resid_post[0], vector(32)), edit.add(at.resid_pre[2], vector(32, seed=1))],
    "zero a head": lambda m: [edit.zero(at.z[1, 2])],
    "direction out": lambda m: [edit.project_out(at.resid_post[1], vector(2, 32))],
    "a function of all positions": lambda m: [edit.call(at.resid_pre[2], lambda x: x - x.mean(1, keepdim=True))],
    "frozen": lambda m: [edit.freeze(at.attn_out[:], m.run(ids(), capture=at.attn_out[:]))],
    "noise": lambda m: [edit.noise(at.resid_pre[2], 0.5)],
    "values at every position": lambda m: [edit.add(at.mlp_out[1], vector(9, 32))],
    "on the embeddings": lambda m: [edit.scale(at.token_embed, 1.5)],
}


@pytest.mark.parametrize("standing", STANDING)
def test_standing_edits_come_first_whatever_the_plan(model, standing):
    view = model.with_edits(*STANDING[standing](model))
    late = {i: [edit.add(at.attn_out[1] @ i, vector(32))] for i in range(9)}
    if standing == "frozen":
        late = {i: [edit.set(at.attn_out[1] @ i, vector(32))] for i in range(9)}
    early = {("e", i): [edit.add(at.token_embed @ i, vector(32))] for i in (5, 7)}
    same_as_runs(view, ids(), late)
    same_as_runs(view, ids(), {**late, **early})
    same_as_runs(view, ids(), {"head": [edit.scale(at.z[1, 1], 3.0)], "out": [edit.scale(at.resid_post[1], 1.5)]})


def test_two_prompts_under_standing_values_of_their_own(model):
    view = model.with_edits(edit.add(at.resid_pre[2], vector(2, 1, 32)))
    same_as_runs(view, ids(2), {i: [edit.add(at.resid_post[1] @ i, vector(32))] for i in range(9)})


def test_an_edit_after_a_block_is_not_one_before_the_next(model):
    """Noise and functions know their layer, and what stands at the next block's input comes after."""
    same_as_runs(model, ids(), {i: [edit.noise(at.resid_post[1] @ i, 1.0)] for i in range(9)})
    bank = vector(5, 32)
    same_as_runs(model, ids(), {i: [edit.resample(at.resid_post[0] @ i, bank, seed=i)] for i in range(9)})
    by_layer = {
        layer: [edit.call(at.resid_post[layer] @ 4, lambda x, context: x * (context.layer + 2))] for layer in range(3)
    }
    same_as_runs(model, ids(), by_layer)
    first = {i: [edit.scale(at.resid_pre[2] @ i, 2.0), edit.add(at.resid_post[1] @ i, vector(32))] for i in range(9)}
    same_as_runs(model, ids(), first)
    both = {
        i: [edit.set(at.resid_pre[2] @ i, vector(32)), edit.set(at.resid_post[1] @ i, vector(32, seed=2))]
        for i in range(9)
    }
    same_as_runs(model, ids(), both)
    same_as_runs(model, ids(), both, plan="single")


@pytest.mark.parametrize("padding", ["left", "right"])
def test_a_batch_padded_on_either_side(model, padding):
    prompts = [ids(1, n, seed=n)[0].tolist() for n in (9, 5, 7)]
    batch = model.batch(prompts, padding=padding)
    variants = {i: [edit.add(at.resid_post[1] @ i, vector(32))] for i in (0, 2, 4, -1)}
    swept = same_as_runs(model, batch, variants)
    for row, prompt in enumerate(prompts):
        alone = model.sweep(prompt, variants, METRIC)
        assert torch.allclose(swept.stacked()[:, row], alone.stacked()[:, 0], atol=1e-5 * 30)


def test_functions_across_prompts_see_all_of_them(model):
    variants = {i: [edit.call(at.resid_pre[1] @ i, lambda x: x - x.mean(0, keepdim=True))] for i in range(4, 9)}
    same_as_runs(model, ids(3), variants)


def test_edits_may_come_from_a_generator(model):
    swept = model.sweep(ids(), {1: (e for e in [edit.zero(at.z[1])])}, METRIC)
    assert torch.allclose(swept[1], model.measure(ids(), METRIC, edits=[edit.zero(at.z[1])]), atol=1e-4)
    assert swept.skipped == 0


ODD = {
    "module": lambda: [edit.add(at.module("{blocks}.1").output @ 5, vector(32))],
    "unembedding": lambda: [edit.scale(at.logits, 0.5)],
    "after all blocks": lambda: [edit.add(at.resid_post[2] @ -1, vector(32))],
    "final norm": lambda: [edit.scale(at.norm_scale["final"], 2.0)],
    "a head's write": lambda: [edit.scale(at.head_out[1, 2] @ 6, 3.0)],
    "keys": lambda: [edit.scale(at.k[1] @ 3, 2.0)],
    "two layers": lambda: [edit.zero(at.z[0, 1] @ 4), edit.scale(at.mlp_out[2] @ 8, 2.0)],
}


def test_odd_places_together(model):
    blocks = model.family.blocks
    odd = {name: make() for name, make in ODD.items() if name != "module"}
    odd["module"] = [edit.add(at.module(f"{blocks}.1").output @ 5, vector(32))]
    odd["embedding"] = [edit.add(at.embed @ 2, vector(32))]
    same_as_runs(model, ids(), odd)
    same_as_runs(model, ids(2), odd, iw.nll())
    for key, edits in odd.items():
        same_as_runs(model, ids(), {key: edits})


def test_another_sweeps_partial_result_is_not_gone_on_with(model):
    variants = {0: [edit.zero(at.z[0])], 1: [edit.zero(at.z[1])]}
    partial = model.sweep(ids(), {0: variants[0]}, iw.logit(5))
    with pytest.raises(EditError, match="same prompt and metric"):
        model.sweep(ids(), variants, iw.prob(9), resume=partial)
    with pytest.raises(EditError, match="other prompts"):
        model.sweep(ids(seed=8), variants, iw.logit(5), resume=partial)
    assert list(model.sweep(ids(), variants, iw.logit(5), resume=partial)) == [0, 1]


def test_a_variant_that_overflows_is_said_to(model):
    swept = model.sweep(
        ids(), {"huge": [edit.scale(at.resid_post[0], float("inf"))], "fine": [edit.zero(at.z[1])]}, METRIC
    )
    assert swept["huge"].isnan().all() and swept["fine"].isfinite().all()
    assert "1 variants gave NaN, the first 'huge'" in swept.notes[0]


def test_a_guessed_family_keeps_its_window():
    import transformers

    sizes = dict(vocab_size=83, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4)
    config = transformers.AutoConfig.for_model("mistral", **sizes, num_key_value_heads=2, sliding_window=4)
    torch.manual_seed(0)
    module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for parameter in module.parameters():
        parameter.data.normal_(std=0.35)
    anatomy, reason = guess(module)
    assert anatomy is not None, reason
    model = Model(module, anatomy=anatomy)
    assert model.family.guessed
    variants = {i: [edit.add(at.resid_post[0] @ i, vector(32))] for i in range(9)}
    assert set(same_as_runs(model, ids(), variants).plans) == {"batched"}


def test_an_unknown_plan_is_refused():
    with pytest.raises(EditError, match="use one of auto, batched, packed, single"):
        iw.load(build("gpt2")).sweep(ids(), {}, METRIC, plan="fast")
