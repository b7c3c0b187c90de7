"""With a static cache, or one that drops what a window has left behind, generation is still the full forward pass."""

from __future__ import annotations

import pytest
import torch
from families import backends
from opened_models import at, comparable, model_of, names, place, prompt, random_like, spread
from test_generation_under_edits import LENGTH, NEW, Watch, _pinned, interventions

from innerworks.model import edits as edit
from innerworks.model.taps.written_keys import of_written_keys

FAMILIES = ("llama", "gpt2", "mistral", "gemma2", "gemma3_text", "gpt_oss", "olmo3", "mixtral", "deepseek_v3", "qwen3")
CASES = [(family, backend) for family in FAMILIES for backend in backends(family)]
CACHES = (None, "static")
LAST = LENGTH + NEW - 2
"""The last position that is fed."""


@pytest.fixture(params=[(*case, cache) for case in CASES for cache in CACHES], ids=str)
def cached(request):
    family, backend, cache = request.param
    return model_of(family, backend, torch.float64), {} if cache is None else {"cache_implementation": cache}


def beyond_the_window(model):
    """Edits of attention at positions that are written once windows of five have left the prompt's start behind."""
    found = {
        "an edge inside every window": [edit.knockout(at.pattern[1], query=slice(11, None), key=10)],
        "an edge that some windows have dropped": [edit.knockout(at.pattern[:], query=slice(11, None), key=[1, 2])],
        "a pattern of late queries": [edit.scale(at.pattern[0] @ (slice(11, None), None), 0.5)],
        "scores of a late key": [edit.add(at.scores[2, 1] @ (None, 11), torch.tensor(2.5))],
        "the last query": [edit.scale(at.pattern[1] @ (LAST, LAST), 0.25)],
    }
    if "k_rot" not in model.anatomy.missing:
        found["a late key after rotary"] = [edit.scale(at.k_rot[0] @ 11, 1.7)]
    return found


@pytest.mark.each_family
def test_the_logits_of_every_step_are_those_of_a_full_forward_pass(cached):
    model, options = cached
    ids = prompt(1, LENGTH)[0]
    wrong = []
    for name, edits in {**interventions(model), **beyond_the_window(model), "none": []}.items():
        watch = Watch()
        found = model.generate(
            ids, max_new_tokens=NEW, edits=edits, stop_at_eos=False, options={**options, "logits_processor": [watch]}
        )
        sequence = [*ids.tolist(), *found.new_ids[0]]
        full = model.run([sequence[:-1]], edits=_pinned(edits)).logits[0, LENGTH - 1 :]
        error = float((torch.cat(watch.steps) - full).abs().max())
        # Attention's softmax is in float32, and over more keys (a static cache's empty ones) rounds in another order.
        if error > 2e-6 * spread(full):
            wrong.append(f"{name}: {error}")
    assert wrong == []


@pytest.mark.each_family
def test_captures_cover_what_was_written_and_nothing_more(cached):
    model, options = cached
    # In float64 the library's own masks of padded rows overflow the softmax, which is in float32.
    model = model_of(model.module.config.model_type, model.module.config._attn_implementation)
    rows = [prompt(1, LENGTH)[0].tolist(), prompt(1, LENGTH, seed=8)[0].tolist()[:6]]
    sites = [place(name, layer) for name in names(model) if name != "logits" for layer in (0, 1)]
    found = model.generate(rows, max_new_tokens=NEW, capture=sites, stop_at_eos=False, options=options)
    sequences = [[*row, *new][:-1] for row, new in zip(rows, found.new_ids, strict=True)]
    full = model.run(sequences, capture=sites, padding="left")
    mask = full.mask.bool()
    wrong = []
    for site in dict.fromkeys(sites):
        a, b = found[site], full[site]
        if a.shape != b.shape:
            wrong.append(f"{site}: {tuple(a.shape)} for {tuple(b.shape)}")
            continue
        real = (
            mask[:, None, :] & torch.ones(1, model.n_heads, 1, dtype=torch.bool) if "query" in site.kind.dims else mask
        )
        if site.name == "scores":
            visible = b > -1e30
            a, b = comparable(model, a, visible), comparable(model, b, visible)
        if (a - b)[real].abs().max() > 2e-5 * max(1.0, spread(b[real].float())):
            wrong.append(f"{site}: {(a - b)[real].abs().max()}")
    assert wrong == []


@pytest.mark.parametrize("cache", CACHES)
def test_steering_by_hand_written_hooks(cache):
    """What edits add at absolute positions, a hook that counts the positions itself adds too."""
    model = model_of("mistral", "sdpa", torch.float64)
    options = {} if cache is None else {"cache_implementation": cache}
    vector, ids, seen = random_like(torch.zeros(model.d_model), scale=3.0), prompt(1, LENGTH), []

    def steer(_, args, output):
        first = sum(seen)
        seen.append(output.shape[1])
        later = torch.arange(first, first + output.shape[1]) >= 10
        return output + later[None, :, None] * vector

    handle = model.anatomy.blocks[1].register_forward_hook(steer)
    with torch.no_grad():
        expected = model.module.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=[], **options)
    handle.remove()
    edits = [edit.add(at.resid_post[1] @ slice(10, None), vector)]
    found = model.generate(ids, max_new_tokens=8, edits=edits, stop_at_eos=False, options=options)
    assert found.new_ids == expected[:, LENGTH:].tolist()
    assert found.new_ids != model.generate(ids, max_new_tokens=8, stop_at_eos=False, options=options).new_ids


@pytest.mark.parametrize("cache", CACHES)
def test_functions_are_given_written_keys_only(cache):
    model, shapes = model_of("llama", "sdpa", torch.float64), []

    def note(values):
        shapes.append(tuple(values.shape))
        return values

    options = {} if cache is None else {"cache_implementation": cache}
    edits = [edit.call(at.pattern[1], note), edit.call(at.k_rot[2], note)]
    model.generate(prompt(1, LENGTH), max_new_tokens=3, edits=edits, stop_at_eos=False, options=options)
    patterns, keys = [s for s in shapes if s[1] == 4], [s for s in shapes if s[1] != 4]
    assert patterns == [(1, 4, 9, 9), (1, 4, 1, 10), (1, 4, 1, 11)]
    assert [s[1] for s in keys] == [9, 10, 11]


def test_unwritten_keys_are_kept_as_they_are():
    raw = torch.arange(24.0).reshape(2, 12)
    shown = []
    assert of_written_keys(lambda x: shown.append(x.clone()) or x, raw, 1, 7, 1) is raw
    assert torch.equal(shown[0], raw[:, [0, 1, 2, 3, 4, 5, 6, 11]])
    new = of_written_keys(lambda x: x * -1, raw, 1, 7, 1)
    assert torch.equal(new[:, [0, 6, 11]], -raw[:, [0, 6, 11]]) and torch.equal(new[:, 7:11], raw[:, 7:11])
    assert of_written_keys(lambda x: x * 2, raw, 1, 12).equal(raw * 2)
