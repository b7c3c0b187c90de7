"""Direct effects are what the logit loses when a write is taken off the final stream under a frozen norm."""

import families
import numpy as np
import pytest
import torch
from tiny_models import FOIL, KINDS, TARGET, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import AnatomyError, MetricError, SiteError
from innerworks.lab import handbuilt
from innerworks.localize.components.direct.direct_logit_attribution import direct_logit_attribution

EXACT = 1e-6
"""Most families' norms divide in float32, also in a float64 model; effects here are about 1."""
IDS = families.ids(1, 9)[0].tolist()
EVERY = sorted({*families.FAMILIES, *families.HYBRIDS})


def attributed(family, prompt=None, **options):
    options = {"target": TARGET, "foil": FOIL, "neurons": 5} | options
    return direct_logit_attribution(tiny(family), IDS if prompt is None else prompt, **options)


def lost(model, write):
    """What the difference of logits before the soft cap loses without a write at the last position."""
    last = at.resid_post[model.n_layers - 1] @ -1
    clean = model.run(IDS, capture=[at.norm_scale["final"], at.final_norm])
    edits = [edit.add(last, -write), edit.freeze(at.norm_scale["final"], clean)]
    without = model.run(IDS, capture=at.final_norm, edits=edits)
    read = model.anatomy.unembedding
    scale = model.weights.logit_scale
    before, after = (read(run[at.final_norm @ -1])[0] * scale for run in (clean, without))
    return float((before - after)[TARGET] - (before - after)[FOIL])


@pytest.mark.parametrize("family", KINDS)
def test_every_check_holds(family):
    result = attributed(family)
    assert not result.failed
    named = {check.name: check for check in result.checks}
    assert any("components sum" in name for name in named)
    assert all(check.measured < EXACT for name, check in named.items() if "soft cap takes" not in name), result.checks


@pytest.mark.each_family
@pytest.mark.parametrize("family", EVERY)
def test_the_parts_sum_to_the_models_own_logit_on_every_family(family):
    """By the test's own arithmetic: components against the plain model's logits, heads and experts against theirs."""
    module = families.module_of(family)
    model = iw.load(module)
    if model.family.no_sum is not None:
        with pytest.raises(AnatomyError, match="no sum over components"):
            direct_logit_attribution(model, IDS, target=TARGET, foil=FOIL)
        return
    result = direct_logit_attribution(model, IDS, target=TARGET, foil=FOIL, neurons=3)
    assert not result.failed, result.failed
    with torch.no_grad():
        logits = module(torch.tensor([IDS]), use_cache=False).logits[0, -1].double()
    cap = model.weights.logit_softcap
    logits = logits if cap is None else torch.atanh(logits / cap) * cap
    effects = result.data["component"]
    exact = 1e-5 * float(abs(effects).sum()) if cap is None else 1e-3
    assert float(effects.sum()) == pytest.approx(float(logits[TARGET] - logits[FOIL]), abs=exact)
    assert float(abs(effects).max()) > 100 * exact, "there is something to sum"


@pytest.mark.parametrize("family", KINDS)
def test_parts_and_heads_are_what_the_logit_loses_without_them(family):
    model, result = tiny(family), attributed(family)
    run = model.run(IDS, capture=[at.embed, at.attn_out[:], at.mlp_out[:], at.head_out[:]])
    effects = result.data["component"]
    embedded = [name for name in ("embed", "token_embed", "pos_embed") if name in effects.component]
    assert float(effects.sel(component=embedded).sum()) == pytest.approx(lost(model, run[at.embed @ -1]), abs=EXACT)
    for layer in range(model.n_layers):
        for name, site in (("attn", at.attn_out[layer]), ("mlp", at.mlp_out[layer])):
            assert float(effects.sel(component=f"{name} {layer}")) == pytest.approx(
                lost(model, run[site @ -1]), abs=EXACT
            )
        for head in range(model.n_heads):
            expected = lost(model, run[at.head_out[layer, head] @ -1])
            assert float(result.data["head"].sel(layer=layer, head=head)) == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "mixtral"])
def test_a_source_token_has_the_effect_of_its_attention_and_value(family):
    model, result = tiny(family), attributed(family)
    layer, head, source = 1, 2, 4
    clean = model.run(IDS, capture=at.head_out[layer, head] @ -1)
    blind = model.run(
        IDS, capture=at.head_out[layer, head] @ -1, edits=[edit.zero(at.pattern[layer, head] @ (-1, source))]
    )
    write = clean[at.head_out[layer, head] @ -1] - blind[at.head_out[layer, head] @ -1]
    found = float(result.data["source"].sel(layer=layer, head=head)[source])
    assert found == pytest.approx(lost(model, write), abs=EXACT)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "olmo2"])
def test_the_strongest_neurons_are_the_strongest_of_all(family):
    model, result = tiny(family), attributed(family)
    run = model.run(IDS, capture=[at.neurons[:], at.mlp_out[:]])
    every = {}
    for layer in range(model.n_layers):
        out, bias = model.weights.neuron_out(layer), model.weights.neuron_out_bias(layer)
        active = run[at.neurons[layer] @ -1][0]
        raw = active @ out + bias
        post = model.weights.mlp_post(layer)
        for neuron in range(len(active)):
            alone = active[neuron] * out[neuron]
            if post is not None:  # the norm's own denominator, held
                alone = alone * post.gamma / post.scale(raw)
            every[layer, neuron] = lost(model, alone[None])
    strongest = sorted(every, key=lambda at: -abs(every[at]))[:5]
    table = result.tables["neurons"]
    assert list(zip(table["layer"], table["neuron"], strict=True)) == strongest
    assert table["effect"].tolist() == pytest.approx([every[one] for one in strongest], abs=EXACT)


def test_experts_add_up_to_their_mixture():
    result = attributed("mixtral")
    mlps = [float(result.data["component"].sel(component=f"mlp {layer}")) for layer in range(tiny("mixtral").n_layers)]
    assert result.data["expert"].sum("expert").values == pytest.approx(mlps, abs=EXACT)
    assert (result.data["expert"] == 0).any(), "some experts did not run"


@pytest.mark.parametrize("family", ["mixtral", "gpt_oss", "granitemoe", "qwen2_moe", "deepseek_v3", "llama4_text"])
def test_neurons_of_experts_are_what_the_logit_loses_without_them(family):
    """One neuron of an expert set to 0 at the last token; what its expert then writes less is taken off by hand."""
    model = iw.load(families.module_of(family))
    result = direct_logit_attribution(model, IDS, target=TARGET, foil=FOIL, neurons=6, sources=False)
    assert not result.failed, result.failed
    table = result.tables["expert_neurons"]
    assert len(table["effect"]) == 6
    last = at.resid_post[model.n_layers - 1] @ -1
    held = [edit.freeze(at.norm_scale["final"], model.run(IDS, capture=at.norm_scale["final"]))]
    for layer, expert, neuron, effect in zip(*(table[name] for name in table.columns), strict=True):
        where, place = at.mlp_out[int(layer)], at.shared_neurons[int(layer)]
        if expert != "shared":
            place = at.expert_neurons[int(layer), int(expert)]
        run = model.run(IDS, capture=[where, place])
        values = run[place].clone()
        values[:, -1, ..., int(neuron)] = 0
        less = model.run(IDS, capture=where, edits=[edit.set(place, values)])[where] - run[where]
        before, after = (
            model.run(IDS, edits=[*held, *more]).logits[0, -1] for more in ([], [edit.add(last, less[:, -1])])
        )
        lost = float((before - after)[TARGET] - (before - after)[FOIL])
        assert effect == pytest.approx(lost, abs=2e-5 * max(1.0, float(before.abs().max())))
    if family in ("qwen2_moe", "deepseek_v3", "llama4_text"):
        everywhere = direct_logit_attribution(model, IDS, target=TARGET, foil=FOIL, neurons=10_000, sources=False)
        assert "shared" in list(everywhere.tables["expert_neurons"]["expert"])


@pytest.mark.parametrize("family", KINDS)
def test_a_difference_is_the_difference(family):
    both = attributed(family)
    target, foil = attributed(family, foil=None), attributed(family, target=FOIL, foil=None)
    for name in ("component", "head", "source", "accumulated"):
        assert both.data[name].values == pytest.approx(target.data[name].values - foil.data[name].values, abs=EXACT)


def test_against_a_distribution():
    model = tiny("llama")
    logits = model.run(IDS).logits[0, -1]
    for foil, expected in (
        ("average", logits[TARGET] - logits.mean()),
        ("prediction", logits[TARGET] - (logits.softmax(-1) * logits).sum()),
        ({3: 0.25, 5: 0.75}, logits[TARGET] - 0.25 * logits[3] - 0.75 * logits[5]),
        ({3, 5}, logits[TARGET] - (logits[3] + logits[5]) / 2),
    ):
        result = attributed("llama", foil=foil)
        assert float(result.data["value"]) == pytest.approx(float(expected), abs=EXACT)
        assert float(result.data["component"].sum()) == pytest.approx(float(expected), abs=EXACT)


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_a_target_of_several_tokens_is_attributed_where_each_is_predicted(family):
    model = tiny(family)
    result = attributed(family, target=iw.whole([7, 8, 9]), foil=None, neurons=0)
    logits = model.run([*IDS, 7, 8]).logits[0]
    expected = logits[-3, 7] + logits[-2, 8] + logits[-1, 9]
    assert not result.failed, result.failed
    assert float(result.data["value"]) == pytest.approx(float(expected), abs=EXACT)
    each = [attributed(family, [*IDS, *[7, 8][:n]], target=7 + n, foil=None).data["head"].values for n in range(3)]
    assert result.data["head"].values == pytest.approx(sum(each), abs=EXACT)
    with pytest.raises(MetricError, match="one is asked for"):
        attributed(family, target=iw.whole([7, 8, 9]), foil=iw.whole([7, 8, 10]))


def test_without_a_target_it_is_the_most_likely_token():
    model = tiny("llama")
    result = attributed("llama", target=None, foil=None)
    assert float(result.data["value"]) == pytest.approx(float(model.run(IDS).logits[0, -1].max()), abs=1e-12)


def test_several_prompts_are_each_what_they_are_alone():
    rows = [*families.ids(3, 9).tolist(), families.ids(1, 6, seed=5)[0].tolist()]
    targets = [7, 8, 9, 10]
    together = attributed("gpt2", rows, target=targets, foil=None)
    for number, (row, target) in enumerate(zip(rows, targets, strict=True)):
        alone = attributed("gpt2", row, target=target, foil=None)
        for name in ("component", "head"):
            assert together.data[name].sel(example=number).values == pytest.approx(alone.data[name].values, abs=EXACT)
        found = together.data["source"].sel(example=number).values[..., : len(row)]
        assert found == pytest.approx(alone.data["source"].values, abs=EXACT)
    assert together.data["component_mean"].values == pytest.approx(together.data["component"].values.mean(0))
    assert (together.data["component_low"] <= together.data["component_high"]).all()


def test_another_position_is_the_prompt_cut_off_there():
    at_five, cut = attributed("llama", position=5), attributed("llama", IDS[:6])
    assert at_five.data["head"].values == pytest.approx(cut.data["head"].values, abs=EXACT)


def test_under_standing_edits_the_parts_still_sum():
    model = tiny("gemma2")
    d = torch.randn(model.d_model, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    steered = model.with_edits(edit.add(at.resid_post[1], d), edit.zero(at.head_out[0, 1]))
    result = direct_logit_attribution(steered, IDS, target=TARGET, foil=FOIL)
    assert not result.failed, result.failed
    assert float(abs(result.data["component"].sel(component="edits 1"))) > 1e-6
    assert float(result.data["head"].sel(layer=0, head=1)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("family", ["gpt2", "mixtral"])
def test_heads_neurons_and_experts_behind_an_edit_are_not_told(family):
    """What they write is not what reaches the stream."""
    edited = tiny(family).with_edits(edit.scale(at.attn_out[1], 2.0), edit.zero(at.mlp_out[0]))
    result = direct_logit_attribution(edited, IDS, target=TARGET, foil=FOIL)
    assert not result.failed, result.failed
    assert result.data["head"]["layer"].values.tolist() == result.data["source"]["layer"].values.tolist() == [0, 2]
    if family == "mixtral":
        assert result.data["expert"]["layer"].values.tolist() == [1, 2]
    else:
        assert 0 not in result.tables["neurons"]["layer"]
    silenced = tiny("gpt2").with_edits(edit.zero(at.attn_out[:]), edit.zero(at.mlp_out[:]))
    nothing = direct_logit_attribution(silenced, IDS, target=TARGET, foil=FOIL)
    assert not nothing.failed and "head" not in nothing.data and "neurons" not in nothing.tables


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma"])
def test_in_the_handbuilt_models_the_heads_that_write_are_found(name):
    built = getattr(handbuilt, name)(dtype=torch.float64)
    model = iw.load(built.model, tokenizer=built.tokenizer())
    ids = built.sample()[0].tolist()
    cut, target = ids[:-1], ids[-1]
    heads = direct_logit_attribution(model, cut, target=target, neurons=0).data["head"]
    induction, suppression = float(heads.sel(layer=1, head=0)), float(heads.sel(layer=2, head=0))
    silent = heads.stack(unit=("layer", "head")).drop_sel(unit=[(1, 0), (2, 0), (2, 1)])
    assert induction > 10 and suppression < -10
    assert float(abs(silent).max()) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("family", ["jamba", "qwen3_next", "falcon_h1", "gpt_oss", "deepseek_v3", "bloom", "granite"])
def test_other_families_sum_too(family):
    dtype = torch.float64 if family in families.DOUBLE else torch.float32
    model = iw.load(families.module_of(family, dtype=dtype))
    result = direct_logit_attribution(model, IDS, target=TARGET, foil=FOIL)
    assert not result.failed, result.failed


def test_what_cannot_be_attributed_is_refused():
    with pytest.raises(MetricError, match="prompt 0 has the same target and foil"):
        attributed("llama", foil=TARGET)
    with pytest.raises(MetricError, match="2 targets for 3 prompts"):
        attributed("llama", families.ids(3, 9).tolist(), target=[1, 2])
    for nothing in (set(), {}):
        with pytest.raises(MetricError, match="is empty: name at least one token"):
            attributed("llama", target=nothing)
    with pytest.raises(SiteError, match="position='last' is no number"):
        attributed("llama", position="last")
    with pytest.raises(SiteError, match="position 9 does not exist"):
        attributed("llama", position=9)
    with pytest.raises(SiteError, match="neurons=-1"):
        attributed("llama", neurons=-1)
    with pytest.raises(AnatomyError, match="no sum over components"):
        model = iw.load(families.module_of("minimax", dtype=torch.float32))
        direct_logit_attribution(model, IDS, target=TARGET)


def test_half_precision_sums_within_its_rounding():
    model = iw.load(families.build("llama", dtype=torch.bfloat16))
    result = direct_logit_attribution(model, IDS, target=TARGET, foil=FOIL)
    assert not result.failed, result.failed
    assert np.isfinite(result.data["component"].values).all()
