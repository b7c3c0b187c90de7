"""On hybrids too, a row is what it is alone: padded, started late, swept with others, and written on with a cache."""

from __future__ import annotations

import pytest
import torch
from families import ids
from found_again import appearance
from hybrid_tables import attention_layers
from opened_hybrids import CASES, hybrid, places  # noqa: F401
from opened_models import at, fresh, model_of, plain, prompt, random_like, spread

from innerworks.errors import EditError, PromptError
from innerworks.model import edits as edit
from innerworks.model import metrics
from innerworks.model.sites import Site

FAMILIES = sorted({family for family, _ in CASES})
NOT_PADDED = {"recurrent_gemma": "recurrent layers take no mask", "minimax": "first column of the mask"}
MASKED = [family for family in FAMILIES if family not in NOT_PADDED]
ROUNDING = {"olmo_hybrid": 2e-4, "zamba": 2e-4, "zamba2": 2e-4}
"""Their recurrences multiply rounding errors: two shapes of a batch of the plain model differ by that much."""


def ragged():
    return [ids(1, length, seed=length)[0].tolist() for length in (9, 5, 7)]


def allowed(family):
    return ROUNDING.get(family, 5e-5)


@pytest.mark.each_family
@pytest.mark.parametrize("padding", ["right", "left"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_padded_row_is_what_it_is_alone(family, padding):
    model = model_of(family)
    if padding == "left" and family not in MASKED:
        with pytest.raises(PromptError, match="cannot take prompts of unequal length padded on the left"):
            model.batch(ragged(), padding=padding)
        with pytest.raises(PromptError, match=NOT_PADDED[family]):
            model.generate(ragged())
        return
    sites = [site for site in places(model) if site.name in ("mixer_out", "resid_post")]
    batch = model.batch(ragged(), padding=padding)
    run = model.run(batch, capture=sites)
    for row, tokens in enumerate(ragged()):
        alone = model.run([tokens], capture=sites)
        columns = slice(batch.starts[row], batch.starts[row] + len(tokens))
        for site in sites:
            off = (run[site][row, columns] - alone[site][0]).abs().max()
            assert off <= allowed(family) * spread(alone[site]), (site, row)
        assert (run.logits[row, columns] - alone.logits[0]).abs().max() <= allowed(family) * spread(alone.logits)


def test_what_is_padded_would_be_read_without_the_refusal():
    """RecurrentGemma's own module, given the same mask, is far off: the refusal is needed."""
    model = model_of("recurrent_gemma")
    short = ragged()[1]
    padded = torch.tensor([[0] * 4 + short])
    mask = torch.tensor([[0] * 4 + [1] * 5])
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model.module(input_ids=padded, attention_mask=mask, position_ids=positions, use_cache=False).logits
    assert (logits[0, 4:] - plain(model, [short])[0]).abs().max() > 0.1 * spread(logits)


@pytest.mark.each_family
def test_a_run_started_late_is_the_whole_run(hybrid):  # noqa: F811
    run = hybrid.run(prompt(), capture=[at.resid_pre[:]])
    for layer in range(hybrid.n_layers):
        late = hybrid.run(prompt(), start=(layer, run[at.resid_pre[layer]]))
        assert torch.equal(late.logits, run.logits), layer


def variants(model):
    """Edits of every kind, at single positions and everywhere."""
    found = {}
    for site in places(model):
        if site.name in ("mixer_out", "attn_out", "mlp_out", "z", "resid_pre", "resid_post", "pattern", "router"):
            everywhere = {} if site.name == "pattern" else {(str(site), 3): [edit.scale(site @ 3, 0.5)]}
            found |= everywhere
            found[str(site), "all"] = [edit.scale(site, 0.5)]
    return found


@pytest.mark.each_family
@pytest.mark.parametrize("rows", ["one prompt", "ragged prompts"])
def test_a_sweep_gives_what_one_at_a_time_gives(hybrid, rows):  # noqa: F811
    given = ragged()[:1] if rows == "one prompt" else ragged()
    todo, metric = variants(hybrid), metrics.logit(5)
    swept = hybrid.sweep(given, todo, metric)
    assert set(swept.plans) <= {"batched"}
    scale = max(1.0, float(swept.baseline.abs().max()))
    assert swept.spread <= allowed(hybrid.family.model_type) * scale
    changed = 0
    for key, edits in todo.items():
        alone = hybrid.measure(given, metric, edits=edits)
        assert (swept[key] - alone).abs().max() <= allowed(hybrid.family.model_type) * scale, key
        changed += bool((alone - swept.baseline).abs().max() > 1e-3)
    assert changed > len(todo) / 2


@pytest.mark.each_family
@pytest.mark.parametrize("family", FAMILIES)
def test_variants_never_share_a_row_with_one_another(family):
    model = model_of(family)
    todo = {p: [edit.zero(at.resid_pre[0] @ p)] for p in range(4, 9)}
    with pytest.raises(EditError, match="a token mixer that is no attention"):
        model.sweep(prompt(1), todo, metrics.logit(5), plan="packed")


def pushed(model):
    vector = random_like(torch.zeros(model.d_model))
    found = {
        "stream from a position on": [edit.add(at.resid_post[1] @ slice(3, None), vector)],
        "stream at one position": [edit.add(at.resid_pre[0] @ 4, vector)],
    }
    layers = {name: model.layers_with(name) for name in ("mixer_out", "z", "mlp_out", "pattern")}
    if layers["mixer_out"]:
        found["a mixer, also of what is written"] = [edit.scale(at.mixer_out[layers["mixer_out"][0]], 0.3)]
        found["a mixer at the prompt's end"] = [edit.set(at.mixer_out[layers["mixer_out"][-1]] @ -1, vector)]
    if layers["z"]:
        found["a head"] = [edit.zero(at.z[layers["z"][0], 1])]
        found["an edge"] = [edit.knockout(at.pattern[layers["pattern"][-1]], query=slice(5, None), key=[1, 2])]
    if layers["mlp_out"]:
        found["an MLP from a position on"] = [edit.scale(at.mlp_out[layers["mlp_out"][0]] @ slice(6, None), 2.0)]
    return found


@pytest.mark.each_family
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_writing_on_under_edits_is_the_full_forward_pass(case):
    """With the hybrid cache and without, at each step against a pass over everything written so far."""
    model = fresh(*case)
    sites = [site for site in places(model) if site.name in ("resid_post", "mixer_out", "attn_out", "z", "pattern")]
    given = prompt(1)[0].tolist()
    for name, edits in pushed(model).items():
        pinned = [type_pinned(one, len(given)) for one in edits]
        sequence = list(given)
        for _ in range(5):
            logits = model.run([sequence], edits=pinned).logits[0, -1]
            best = logits.topk(2).values
            if best[0] - best[1] < 1e-3 * spread(logits):
                break  # a tie that rounding decides
            sequence.append(int(logits.argmax()))
        new = sequence[len(given) :]
        if not new:
            continue
        for use_cache in (True, False):
            found = model.generate(given, max_new_tokens=len(new), edits=edits, capture=sites, use_cache=use_cache)
            assert found.new_ids == [new], (name, use_cache)
            full = model.run([sequence[:-1]], edits=pinned, capture=sites)
            for site in sites:
                off = (found[site] - full[site]).abs().max()
                assert off <= 4 * allowed(case[0]) * max(1.0, spread(full[site])), (name, use_cache, site)


def type_pinned(one, length):
    """Edits at the prompt's end stay there when the sequence grows."""
    from dataclasses import replace

    return replace(one, site=one.site.whole @ (length - 1)) if one.site.pos == -1 else one


@pytest.mark.each_family
@pytest.mark.parametrize("family", MASKED)
def test_rows_of_unequal_length_write_on_as_each_does_alone(family):
    model = fresh(family)
    edits = [edit.add(at.resid_post[1] @ slice(3, None), random_like(torch.zeros(model.d_model)) * 0.5)]
    last = at.resid_post[model.n_layers - 1]
    for use_cache in (True, False):
        options = dict(max_new_tokens=4, edits=edits, capture=[last], use_cache=use_cache)
        both = model.generate(ragged(), **options)
        for row, tokens in enumerate(ragged()):
            alone = model.generate([tokens], **options)
            columns = slice(both.layout.starts[row], both.layout.starts[row] + len(tokens) + 3)
            off = (both[last][row, columns] - alone[last][0]).abs().max()
            if alone.new_ids[0] == both.new_ids[row]:
                assert off <= 4 * allowed(family) * spread(alone[last]), (row, use_cache)
            else:
                pytest.fail(f"{alone.new_ids[0]} alone, {both.new_ids[row]} with others")


@pytest.mark.each_family
@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_is_read_to_the_bit_and_sums(family):
    model = fresh(family, dtype=torch.bfloat16)
    sites = [site for site in places(model) if site.name in ("embed", "resid_post", "attn_out", "mixer_out", "mlp_out")]
    run = model.run(prompt(), capture=sites)
    assert torch.equal(run.logits, plain(model, prompt()))
    if model.family.no_sum is not None:
        return
    total = sum(run[site].float() for site in sites if site.name != "resid_post")
    last = run[at.resid_post[model.n_layers - 1]].float()
    assert (total - last).abs().max() <= 0.05 * spread(last)


def test_generating_leaves_a_hybrid_as_it_was_found():
    for family in ("jamba", "qwen3_next", "mamba"):
        model = model_of(family)
        before = appearance(model.module)
        model.generate(prompt(1), max_new_tokens=3, capture=[Site("mixer_out")[0]])
        assert appearance(model.module) == before
        assert attention_layers(family) == model.layers_with("z")
