"""A sweep gives the numbers of one-at-a-time runs, on every family, for every kind of edit, however it batches."""

import pytest
import torch
from families import FAMILIES, MASKED_BY_COLUMN, MOE, NO_FLOAT64, SHORT_WINDOW, build, ids, module_of

import innerworks as iw
from innerworks import at, edit
from innerworks.model.metrics import Bound

FLOAT32_SCORES = {"gptj", "codegen", "gpt_neo", "deepseek_v2", "deepseek_v3", "llama4_text"}
METRIC = iw.logit_diff(5, 7)


def opened(family, backend="eager", dtype=torch.float64):
    dtype = torch.float32 if family in NO_FLOAT64 else dtype
    return iw.load(module_of(family, backend, dtype))


def exact(family, packed=False):
    """GPT-J's kin, DeepSeek's router and Llama 4's rotation work in float32 whatever the model's type, and so does
    the softmax of most families, whose sum over more (masked) keys then differs in the last bits: float64 cannot show
    more than that."""
    if family in NO_FLOAT64:
        return 1e-5
    return 1e-6 if family in FLOAT32_SCORES or (packed and family != "gpt2") else 1e-9


def one_by_one(model, prompt, variants, metric):
    """Every variant in a run of its own, without the sweep's code."""
    return {key: model.measure(prompt, metric, edits=edits) for key, edits in variants.items()}


def stacked(single):
    return torch.stack(list(single.values()))


def agrees(sweep, single, tolerance):
    assert list(sweep) == list(single)
    worst = (sweep.stacked() - stacked(single)).abs().max()
    scale = max(1.0, float(stacked(single).abs().max()))
    assert worst <= tolerance * scale, f"off by {worst:.2e} at scale {scale:.1f}: {sweep}"


def spread_out(single):
    """The variants really differ, so that agreement says something."""
    values = stacked(single)
    assert (values.max(0).values - values.min(0).values).min() > 1e-3


def kinds_of_edit(model, clean):
    """One variant per edit kind and a few sites, per-row values and several edits per variant included."""
    run = model.run(clean, capture=[at.resid_post[:], at.z[:], at.mlp_out[:], at.attn_out[:], at.pattern[:]])
    gen = torch.Generator().manual_seed(0)

    def vector(*shape):
        return torch.randn(*shape, generator=gen, dtype=torch.float64)

    d, heads = model.d_model, model.n_heads
    variants = {
        "set resid, one position": [edit.set(at.resid_post[0] @ 4, run)],
        "set resid, last layer": [edit.set(at.resid_post[model.n_layers - 1] @ -1, run)],
        "set head everywhere": [edit.set(at.z[1, 2], run)],
        "zero head": [edit.zero(at.z[2, heads - 1])],
        "zero heads": [edit.zero(at.z[1, [0, 3]])],
        "mean mlp": [edit.mean(at.mlp_out[1], run, over=("batch", "pos"))],
        "resample attn": [edit.resample(at.attn_out[0] @ slice(2, 5), run, seed=3)],
        "noise on embeddings": [edit.noise(at.token_embed @ [1, 2], 0.5, seed=1)],
        "noise late": [edit.noise(at.resid_pre[2] @ -2, 0.5, seed=1)],
        "add": [edit.add(at.resid_pre[1], vector(d), 0.7)],
        "scale": [edit.scale(at.mlp_out[2], 0.3)],
        "project out": [edit.project_out(at.resid_post[1] @ -1, vector(2, d))],
        "swap": [edit.swap(at.resid_post[0] @ 3, vector(2, d), run)],
        "knockout": [edit.knockout(at.pattern[1, 1], query=-1, key=[0, 1])],
        "call": [edit.call(at.z[0, 1], lambda x: x.flip(-1))],
        "call on a pattern": [edit.call(at.pattern[2, 0], lambda x: x.flip(1))],
        "set pattern": [edit.set(at.pattern[1, 0], run)],
        "scale scores": [edit.scale(at.scores[1, 3] @ (-1, slice(None)), 0.5)],
        "in a basis": [edit.add(at.resid_post[1].via(iw.direction("v", vector(d))) @ -1, 3.0)],
        "two places": [edit.zero(at.z[0, 0]), edit.set(at.resid_post[1] @ 5, run), edit.scale(at.mlp_out[2], 2.0)],
        "all layers of a head": [edit.zero(at.z[:, 1])],
        "frozen elsewhere": [edit.set(at.resid_post[0] @ 2, run), edit.freeze(at.z[1:], run)],
        "logits": [edit.scale(at.logits, 2.0)],
        "final norm": [edit.add(at.final_norm @ -1, vector(d))],
    }
    if "resid_mid" not in model.anatomy.missing:
        variants["mid"] = [edit.set(at.resid_mid[1] @ 3, vector(d))]
    return variants


@pytest.mark.each_family
@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_of_edit_on_one_prompt(family):
    model = opened(family)
    clean, corrupt = ids(1, 9, seed=1), ids(1, 9, seed=2)
    variants = kinds_of_edit(model, clean)
    single = one_by_one(model, corrupt, variants, METRIC)
    spread_out(single)
    swept = model.sweep(corrupt, variants, METRIC)
    agrees(swept, single, exact(family))
    assert swept.forwards < len(variants) / 3


@pytest.mark.parametrize("family", FAMILIES)
def test_several_prompts_of_unequal_length(family):
    model = opened(family)
    prompts = [ids(1, n, seed=n)[0].tolist() for n in (9, 6, 8)]
    corrupt = [ids(1, n, seed=40 + n)[0].tolist() for n in (9, 6, 8)]
    run = model.run(prompts, capture=[at.resid_post[:], at.z[:]])
    variants = {s: [edit.set(s, run)] for layer in range(model.n_layers) for s in (at.resid_post[layer] @ -1,)}
    variants |= {s: [edit.set(s, run)] for s in at.z[:].each_head(run)}
    single = one_by_one(model, corrupt, variants, METRIC)
    spread_out(single)
    agrees(model.sweep(corrupt, variants, METRIC), single, exact(family))
    for row, prompt in enumerate(corrupt):
        alone_run = model.run(prompts[row], capture=[at.resid_post[:], at.z[:]])
        alone = one_by_one(model, prompt, {s: [edit.set(s, alone_run)] for s in variants}, METRIC)
        together = stacked(single)[:, row]
        allowed = exact(family) * max(1.0, float(together.abs().max()))
        assert torch.allclose(stacked(alone)[:, 0], together, atol=allowed)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in MASKED_BY_COLUMN | SHORT_WINDOW.keys()])
def test_packing_suffixes_is_exact(family):
    model = opened(family)
    clean, corrupt = ids(2, 9, seed=1), ids(2, 9, seed=2)
    run = model.run(clean, capture=[at.resid_post[:], at.z[:], at.v[:]])
    gen = torch.Generator().manual_seed(0)
    variants = {s: [edit.set(s, run)] for s in at.resid_post[:].each_position(run)}
    variants |= {("z", p): [edit.set(at.z[1, 2] @ p, run)] for p in (3, 5, 8)}
    if not model.anatomy.sees_past("v"):  # values made of cached latents hold every token's, and are not packed
        variants |= {("v", p): [edit.zero(at.v[1, 0] @ p)] for p in (2, 7)}
    variants["noise"] = [edit.noise(at.resid_pre[1] @ [4, 6], 0.3, seed=2)]
    variants["basis"] = [edit.add(at.resid_pre[2].via(iw.direction("v", torch.randn(32, generator=gen))) @ 7, 2.0)]
    variants["a factor per prompt"] = [edit.scale(at.mlp_out[1] @ 6, torch.tensor([[2.0], [-0.5]]))]
    variants["embedding"] = [edit.add(at.token_embed @ 6, torch.randn(32, generator=gen))]
    single = one_by_one(model, corrupt, variants, METRIC)
    packed = model.sweep(corrupt, variants, METRIC, plan="packed")
    assert set(packed.plans) == {"packed"}
    spread_out(single)
    agrees(packed, single, exact(family, packed=True))
    alone, values = corrupt[:1], model.run(clean[:1], capture=at.resid_post[:])
    function = {s: [edit.set(s, values)] for s in at.resid_post[:].each_position(values)}
    function["call"] = [edit.call(at.mlp_out[0] @ slice(4, None), lambda x: x * 2)]
    packed = model.sweep(alone, function, METRIC, plan="packed")
    agrees(packed, one_by_one(model, alone, function, METRIC), exact(family, packed=True))


@pytest.mark.each_family
@pytest.mark.parametrize("family", sorted(MASKED_BY_COLUMN | SHORT_WINDOW.keys()))
def test_packing_is_refused_where_it_would_be_wrong(family):
    model = opened(family)
    run = model.run(ids(seed=1), capture=[at.resid_post[:]])
    variants = {s: [edit.set(s, run)] for s in at.resid_post[:].each_position(run)}
    with pytest.raises(iw.InnerworksError, match="cannot share the prompt's keys"):
        model.sweep(ids(seed=2), variants, METRIC, plan="packed")
    assert set(model.sweep(ids(seed=2), variants, METRIC).plans) == {"batched"}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_metric_may_read_any_position_or_all(dtype):
    model = opened("llama", dtype=dtype)
    tolerance = 1e-9 if dtype == torch.float64 else 1e-5
    run = model.run(ids(seed=1), capture=[at.resid_post[:]])
    variants = {s: [edit.set(s, run)] for s in at.resid_post[:].each_position(run)}
    for metric in (iw.logit(5, position=4), iw.nll(), iw.prob(3, position=-2), iw.rank(9), iw.kl(run_logits(model))):
        single = one_by_one(model, ids(seed=2), variants, metric)
        agrees(model.sweep(ids(seed=2), variants, metric), single, tolerance)
    early = model.sweep(ids(seed=2), variants, iw.logit(5, position=4))
    late = [early.effect(s).abs().max() for s in variants if s.pos > 4]
    assert max(late) == 0, "an edit after the position read cannot change it"


def run_logits(model):
    return model.run(ids(seed=5), logits="last").logits[:, -1]


def test_variants_that_change_nothing_are_not_run():
    model = opened("llama")
    clean, corrupt = ids(seed=1), ids(seed=1).clone()
    corrupt[0, 5] = 80
    run = model.run(clean, capture=[at.resid_post[:]])
    variants = {s: [edit.set(s, run)] for s in at.resid_post[:].each_position(run)}
    swept = model.sweep(corrupt, variants, METRIC)
    assert swept.skipped == 5 * model.n_layers
    agrees(swept, one_by_one(model, corrupt, variants, METRIC), 1e-9)
    assert all(torch.equal(swept[s], swept.baseline) for s in variants if s.pos < 5)
    nothing = model.sweep(corrupt, {"empty": []}, METRIC)
    assert nothing.skipped == 1 and torch.equal(nothing["empty"], nothing.baseline)


def test_a_view_with_standing_edits_is_swept_under_them():
    for family in ("llama", "gpt2", "bloom"):
        model = opened(family)
        vector = torch.randn(32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        view = model.with_edits(
            edit.add(at.resid_post[0], vector), edit.scale(at.mlp_out[1], 0.5), edit.zero(at.z[2, 1] @ -1)
        )
        run = model.run(ids(seed=1), capture=[at.resid_post[:], at.z[:]])
        variants = {s: [edit.set(s, run)] for s in at.resid_post[1:].each_position(run)}
        variants |= {s: [edit.set(s, run)] for s in at.z[:2].each_head(run)}
        single = one_by_one(view, ids(seed=2), variants, METRIC)
        agrees(view.sweep(ids(seed=2), variants, METRIC), single, 1e-9)
        bare = one_by_one(model, ids(seed=2), variants, METRIC)
        assert not torch.allclose(stacked(bare), stacked(single))


@pytest.mark.parametrize("family", sorted(MOE))
def test_routing_is_the_same_in_a_batch_or_said_to_be_close(family):
    model = iw.load(build(family, seed=3))
    run = model.run(ids(seed=1), capture=[at.resid_post[:]])
    variants = {s: [edit.set(s, run)] for s in at.resid_post[:].each_position(run)}
    swept = model.sweep(ids(seed=2), variants, METRIC)
    assert swept.notes == []
    agrees(swept, one_by_one(model, ids(seed=2), variants, METRIC), 1e-5)


def test_near_ties_in_routing_are_reported():
    module = build("mixtral", seed=3)
    router = module.model.layers[1].mlp.gate
    with torch.no_grad():
        router.weight[1:] = router.weight[0]
    model = iw.load(module)
    swept = model.sweep(ids(seed=2), {"x": [edit.zero(at.z[0, 0])]}, METRIC)
    assert swept.notes[0].startswith("18 of ")  # nine tokens of the variant and nine of the row without edits
    assert "routing decisions were within 1e-05 of a tie" in swept.notes[0]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", ["eager", "sdpa"])
def test_float32_stays_within_the_models_own_spread(family, backend):
    from families import backends

    if backend not in backends(family):
        pytest.skip(f"{family} has no {backend} attention")
    model = opened(family, backend, torch.float32)
    run = model.run(ids(seed=1), capture=[at.resid_post[:], at.z[:], at.pattern[:]])
    variants = {s: [edit.set(s, run)] for s in at.resid_post[:].each_position(run)}
    heads = {s: [edit.set(s, run)] for s in at.z[:].each_head(run)}
    patterns = {s: [edit.set(s, run)] for s in at.pattern[:].each_head(run)}
    for some in (variants, {**variants, **heads}, patterns):
        swept = model.sweep(ids(seed=2), some, METRIC)
        agrees(swept, one_by_one(model, ids(seed=2), some, METRIC), 1e-5)
        assert swept.spread <= 1e-5 * max(1.0, float(swept.stacked().abs().max()))


@pytest.mark.parametrize("plan", ("batched", "packed", "single"))
@pytest.mark.parametrize("rows", (1, 2))
def test_several_numbers_per_row_come_back_as_they_are(plan, rows):
    """All logits at once, as no metric of users' gives them."""
    model = opened("llama", dtype=torch.float32)
    prompt = ids(rows, 7)
    run = model.run(ids(rows, 7, seed=9), capture=[at.resid_post[:]], logits=None)
    variants = {site: [edit.set(site, run[site])] for site in (at.resid_post[0] @ 4, at.resid_post[1] @ -1)}
    whole = Bound(-1, rows, lambda logits, _: logits[:, -1])
    found = model.sweep(prompt, variants, whole, plan=plan)
    assert found.baseline.shape == (rows, model.n_vocab)
    for site, edits in variants.items():
        alone = model.run(prompt, edits=edits, logits="last").logits[:, -1]
        assert (found[site] - alone).abs().max() <= 64 * model.rounding * float(alone.abs().max())
