"""A sweep can be watched, stopped, resumed, bounded in memory; bad input is said before anything runs."""

import pytest
import torch
from families import ids, module_of

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import EditError, MetricError, NonFiniteError, OutOfMemoryError, SiteError
from innerworks.model.sweep import sweep as sweep_function

METRIC = iw.logit(5)


@pytest.fixture
def model():
    return iw.load(module_of("llama"))


@pytest.fixture
def variants(model):
    run = model.run(ids(seed=1), capture=[at.resid_post[:]])
    return {s: [edit.set(s, run)] for s in at.resid_post[:].each_position(run)}


def test_it_answers_in_the_order_of_its_input(model, variants):
    backwards = dict(reversed(variants.items()))
    assert list(model.sweep(ids(seed=2), backwards, METRIC)) == list(backwards)


def test_progress_counts_up_to_all(model, variants):
    seen = []
    model.sweep(ids(seed=2), variants, METRIC, max_tokens=20, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(variants), len(variants))
    assert [d for d, _ in seen] == sorted(d for d, _ in seen) and len(seen) > 3


@pytest.mark.parametrize("plan", ["auto", "batched", "single"])
def test_ctrl_c_keeps_what_was_done_and_resuming_finishes_it(model, variants, plan):
    whole = model.sweep(ids(seed=2), variants, METRIC, plan=plan, max_tokens=30)

    def stop_midway(done, total):
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(iw.SweepInterrupted, match="resume=e.partial") as caught:
        model.sweep(ids(seed=2), variants, METRIC, plan=plan, max_tokens=30, progress=stop_midway)
    partial = caught.value.partial
    assert len(variants) // 2 < len(partial) < len(variants)
    assert isinstance(caught.value, KeyboardInterrupt)
    rest = model.sweep(ids(seed=2), variants, METRIC, plan=plan, max_tokens=30, resume=partial)
    assert list(rest) == list(variants)
    assert rest.forwards < whole.forwards
    assert torch.allclose(rest.stacked(), whole.stacked(), atol=1e-4)


def test_cancel_is_asked_between_forwards(model, variants):
    asked = []

    def cancel():
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(iw.SweepInterrupted) as caught:
        model.sweep(ids(seed=2), variants, METRIC, max_tokens=20, cancel=cancel)
    assert 0 < len(caught.value.partial) < len(variants)


def test_a_keyboard_interrupt_inside_the_model_leaves_no_hook_behind(model, variants):
    hits = []

    def interrupt(x):
        hits.append(1)
        raise KeyboardInterrupt

    with pytest.raises(iw.SweepInterrupted):
        model.sweep(ids(seed=2), {**variants, "stop": [edit.call(at.z[0], interrupt)]}, METRIC, plan="batched")
    assert hits
    for module in model.module.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks and "forward" not in module.__dict__


def out_of_memory_above(limit, monkeypatch):
    import innerworks.model.sweep.batched as batched
    import innerworks.model.sweep.packed as packed

    original, sizes = batched.forward, []

    def limited(anatomy, session, batch, **options):
        tokens = batch.ids.numel()
        if tokens > limit:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: not enough memory: you tried")
        sizes.append(tokens)
        return original(anatomy, session, batch, **options)

    monkeypatch.setattr(batched, "forward", limited)
    monkeypatch.setattr(packed, "forward", limited)
    return sizes


@pytest.mark.parametrize("plan", ["packed", "batched"])
def test_out_of_memory_halves_the_batch_until_it_fits(model, variants, plan, monkeypatch):
    whole = model.sweep(ids(seed=2), variants, METRIC, plan=plan)
    sizes = out_of_memory_above(40, monkeypatch)
    swept = model.sweep(ids(seed=2), variants, METRIC, plan=plan)
    assert sizes and max(sizes) <= 40
    assert torch.allclose(swept.stacked(), whole.stacked(), atol=1e-4)


def test_out_of_memory_for_a_single_variant_says_what_to_do(model, variants, monkeypatch):
    out_of_memory_above(0, monkeypatch)
    with pytest.raises(OutOfMemoryError, match="fewer or shorter prompts"):
        model.sweep(ids(seed=2), variants, METRIC)


def test_another_runtime_error_is_not_taken_for_memory(model):
    def broken(x):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        model.sweep(ids(seed=2), {"broken": [edit.call(at.z[0], broken)]}, METRIC)


def test_max_tokens_bounds_every_forward(model, variants, monkeypatch):
    sizes = out_of_memory_above(10**9, monkeypatch)
    model.sweep(ids(seed=2), variants, METRIC, max_tokens=36, plan="batched")
    assert max(sizes) <= 36 + 9, "the first forward carries one more row, without edits"


def test_memory_bounds_the_batch(model, variants, monkeypatch):
    sizes = out_of_memory_above(10**9, monkeypatch)
    model.sweep(ids(seed=2), variants, METRIC, memory=60_000, plan="batched")
    assert max(sizes) < len(variants) * 9 / 3


@pytest.mark.parametrize(
    ("edits", "error", "sentence"),
    [
        ([edit.zero(at.z[9, 0])], SiteError, "layer 9 does not exist"),
        ([edit.zero(at.resid_post[0] @ 30)], SiteError, "position 30 does not exist"),
        ([edit.set(at.resid_post[0] @ 2, torch.zeros(7))], EditError, "do not broadcast"),
        ([edit.zero(at.z[0, 0]), edit.set(at.z[0], torch.zeros(8))], EditError, "both replace"),
        ([at.z[0, 0]], EditError, "is not an edit"),
    ],
)
def test_bad_variants_are_refused(model, edits, error, sentence):
    with pytest.raises(error, match=sentence):
        model.sweep(ids(seed=2), {"bad": edits}, METRIC)


def test_bad_calls_are_refused(model):
    with pytest.raises(EditError, match="dict"):
        model.sweep(ids(seed=2), [[edit.zero(at.z[0, 0])]], METRIC)
    with pytest.raises(MetricError, match="3 targets for 1 prompts"):
        model.sweep(ids(seed=2), {}, iw.logit([1, 2, 3]))


def test_nan_in_the_baseline_is_located_before_the_sweep(model):
    module = __import__("families").build("llama")
    with torch.no_grad():
        module.model.layers[1].mlp.up_proj.weight[3, 4] = float("nan")
    broken = iw.load(module)
    with pytest.raises(NonFiniteError, match=r"model\.layers\.1\.mlp\.up_proj\.weight"):
        broken.sweep(ids(seed=2), {"x": [edit.zero(at.z[0, 0])]}, METRIC)


def test_the_function_and_the_method_are_one(model, variants):
    assert torch.equal(
        sweep_function(model, ids(seed=2), variants, METRIC).stacked(),
        model.sweep(ids(seed=2), variants, METRIC).stacked(),
    )


def test_a_row_without_edits_goes_with_the_first_forward_and_then_with_every_eighth_variant(model):
    """Told by the tokens that ran: with one variant a forward, forwards 1, 9 and 17 of these are two rows wide."""
    prompt = ids(seed=2)
    width = prompt.shape[1]
    variants = {scale: [edit.scale(at.z[0], 1 + scale)] for scale in range(1, 18)}
    swept = model.sweep(prompt, variants, METRIC, plan="batched", max_tokens=width)
    baseline = 1
    assert swept.tokens == (baseline + len(variants) + 3) * width
    assert swept.forwards == baseline + len(variants)
    many = model.sweep(prompt, variants, METRIC, plan="batched", max_tokens=9 * width)
    assert many.tokens == (baseline + len(variants) + 2) * width, "two forwards of nine and eight, each with a row"
