"""Ablations are what one run with one edit gives, and the direct and later parts of an effect add up to it."""

import families
import numpy as np
import pytest
import torch
from tiny_models import FOIL, KINDS, TARGET, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import AnatomyError, EditError, MetricError, OptionError, SiteError
from innerworks.localize.components.ablation.ablation import ablation
from innerworks.localize.components.direct.direct_logit_attribution import direct_logit_attribution
from innerworks.localize.components.interventions.replacements import concrete

EXACT = 1e-6
"""Most families' norms divide in float32, also in a float64 model; effects here are about 1."""
ROWS = families.ids(3, 9).tolist()
UNEQUAL = [*ROWS, *families.ids(2, 6, seed=5).tolist()]
METRIC = iw.logit_diff(TARGET, FOIL)


def by_hand(model, rows, made, metric=METRIC):
    """The change of the metric in each row, one at a time, without a sweep."""
    return [float(model.measure(row, metric, edits=made(n)) - model.measure(row, metric)) for n, row in enumerate(rows)]


def task_mean(model, site):
    values = [model.run(row, capture=[site])[site][0] for row in UNEQUAL]
    return torch.cat(values).mean(0)


@pytest.mark.parametrize("family", KINDS)
def test_effects_are_those_of_single_edits(family):
    model = tiny(family)
    kinds = [at.z[1], at.mlp_out[:], at.attn_out[:], at.q[0], at.k[1], at.v[0]]
    kinds += [at.expert_out[1]] if family == "mixtral" else [at.neurons[0, :5]]
    zeroed = ablation(model, UNEQUAL, [*kinds, at.pattern[1]], replace="zero", metric=METRIC, behind=0)
    averaged = ablation(model, UNEQUAL, kinds, metric=METRIC, behind=0)
    for result, made in (
        (zeroed, edit.zero),
        (averaged, lambda site: edit.set(site, task_mean(model, site))),
    ):
        for text in result.data["effect"]["component"].values[::3]:
            expected = by_hand(model, UNEQUAL, lambda row: [made(at(text))])
            found = result.data["effect"].sel(component=text).values
            assert found == pytest.approx(expected, abs=EXACT), text
            assert result.data["effect_mean"].sel(component=text) == pytest.approx(np.mean(expected), abs=EXACT)


def test_zeroing_a_head_of_gpt2_is_zeroing_it_by_hand():
    model = tiny("gpt2")
    result = ablation(model, ROWS[0], at.z[:], replace="zero", metric=METRIC, behind=0)
    width = model.d_head

    def difference():
        with torch.no_grad():
            logits = model.module(torch.tensor([ROWS[0]])).logits[0, -1]
        return float(logits[TARGET] - logits[FOIL])

    clean = difference()
    for layer, head in ((0, 1), (1, 2), (2, 3)):

        def without(module, args, head=head):
            mixed = args[0].clone()
            mixed[..., head * width : (head + 1) * width] = 0
            return (mixed,)

        handle = model.module.transformer.h[layer].attn.c_proj.register_forward_pre_hook(without)
        changed = difference() - clean
        handle.remove()
        assert float(result.data["effect"].sel(component=f"z.{layer}.{head}")) == pytest.approx(changed, abs=EXACT)


@pytest.mark.parametrize("family", KINDS)
def test_zeroing_loses_directly_what_direct_attribution_gives(family):
    model = tiny(family)
    attributed = direct_logit_attribution(model, ROWS, target=TARGET, foil=FOIL, sources=False, neurons=0)
    sites = [at.z[:], at.head_out[:], at.attn_out[:], at.mlp_out[:]]
    direct = ablation(model, ROWS, sites, replace="zero", metric=METRIC, behind=0).data["direct"]
    for layer in range(model.n_layers):
        for name in ("attn", "mlp"):
            expected = -attributed.data["component"].sel(component=f"{name} {layer}").values
            assert direct.sel(component=f"{name}_out.{layer}").values == pytest.approx(expected, abs=EXACT)
        for head in range(model.n_heads):
            expected = -attributed.data["head"].sel(layer=layer, head=head).values
            for kind in ("z", "head_out"):
                assert direct.sel(component=f"{kind}.{layer}.{head}").values == pytest.approx(expected, abs=EXACT)


def frozen_change(model, row, write):
    """What the difference of logits gains by a write at the last position, the final norm dividing as before."""
    clean = model.run(row, capture=[at.norm_scale["final"]])
    edits = [edit.add(at.resid_post[model.n_layers - 1] @ -1, write), edit.freeze(at.norm_scale["final"], clean)]
    return float(model.measure(row, METRIC, edits=edits) - model.measure(row, METRIC))


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "mixtral"])
def test_the_direct_effect_is_that_of_the_change_of_the_write(family):
    model = tiny(family)
    written = {at.z[1, 2]: at.head_out[1, 2], at.mlp_out[0]: at.mlp_out[0]}
    written[at.neurons[1, 3] if family != "mixtral" else at.expert_out[1, 2]] = at.mlp_out[1]
    result = ablation(model, ROWS, list(written), over="position", metric=METRIC, behind=0)
    for site, write in written.items():
        mean = model.run(ROWS, capture=[site])[site].mean(0)
        for number, row in enumerate(ROWS):
            runs = [model.run(row, capture=[write], edits=edits) for edits in ([], [edit.set(site, mean)])]
            before, after = (run[write @ -1] for run in runs)
            found = float(result.data["direct"].sel(component=str(site))[number])
            assert found == pytest.approx(frozen_change(model, row, after - before), abs=EXACT)


@pytest.mark.parametrize("family", KINDS)
def test_what_changes_behind_a_component_adds_up_to_its_effect(family):
    model = tiny(family)
    result = ablation(model, UNEQUAL, at.z[:], metric=METRIC, behind=2)
    assert not result.failed, result.failed
    behind = result.data["downstream"]
    assert behind.sizes["ablated"] == 2
    largest = result.data["direct_mean"].to_series().abs().sort_values().index[-2:]
    assert set(behind["ablated"].values) == set(largest)
    biases = model.weights.attn_post(0) is not None  # a post-norm divides the output projection's bias too
    for ablated in behind["ablated"].values:
        own = behind.sel(ablated=ablated)
        effect = result.data["effect"].sel(component=ablated).values
        if model.weights.logit_softcap is None:
            assert own.sum("component").values == pytest.approx(effect, abs=EXACT)
        _, layer, head = ablated.split(".")
        before = [
            name for name in own["component"].values if name.startswith("head") and int(name.split()[1][0]) < int(layer)
        ]
        assert float(abs(own.sel(component=before)).max()) < EXACT if before else True
        if not biases:
            direct = result.data["direct"].sel(component=ablated).values
            assert own.sel(component=f"head {layer}.{head}").values == pytest.approx(direct, abs=EXACT)
        listed = result.tables["downstream"].to_dataframe()
        assert f"head {layer}.{head}" not in set(listed[listed.ablated == ablated].component)


def test_the_share_of_self_repair_is_of_means_and_only_where_it_can_be_told():
    first = ablation(tiny("llama"), UNEQUAL, at.z[:], metric=METRIC, behind=0)
    smallest = float(np.median(abs(first.data["direct_mean"].values)))
    result = ablation(tiny("llama"), UNEQUAL, at.z[:], metric=METRIC, behind=0, smallest=smallest)
    effect, direct = result.data["effect_mean"].values, result.data["direct_mean"].values
    share = result.data["self_repair"].values
    large = abs(direct) >= smallest
    assert 0 < large.sum() < len(large)
    assert share[large] == pytest.approx(1 - effect[large] / direct[large])
    assert np.isnan(share[~large]).all()
    assert result.data["repair"].values == pytest.approx(result.data["effect"].values - result.data["direct"].values)


def test_the_last_writer_is_repaired_by_the_norm_alone():
    model = tiny("gpt_neox")  # parallel blocks: nothing comes behind the last attention
    last = model.n_layers - 1
    result = ablation(model, ROWS, at.z[last], replace="zero", metric=METRIC, behind=1)
    behind = result.data["downstream"].isel(ablated=0)
    rest = behind.drop_sel(
        component=["final norm", f"head {last}.{result.data['downstream']['ablated'].values[0][-1]}"]
    )
    assert float(abs(rest).max()) < EXACT
    repair = result.data["repair"].sel(component=str(behind["ablated"].values))
    assert behind.sel(component="final norm").values == pytest.approx(repair.values, abs=EXACT)


@pytest.mark.parametrize("replace", ["resample", "noise"])
def test_several_seeds_give_a_spread(replace):
    model = tiny("llama")
    options = dict(replace=replace, metric=METRIC, behind=1)
    together = ablation(model, ROWS, at.z[1], seeds=3, **options)
    alone = [ablation(model, ROWS, at.z[1], seeds=[seed], **options).data for seed in range(3)]
    effects, direct = (np.stack([data[name].values for data in alone]) for name in ("effect", "direct"))
    assert together.data["effect"].values == pytest.approx(effects.mean(0), abs=EXACT)
    assert together.data["direct"].values == pytest.approx(direct.mean(0), abs=EXACT)
    assert together.data["metric_spread"].values == pytest.approx(effects.std(0, ddof=1), abs=EXACT)
    assert float(together.data["metric_spread"].max()) > 0.01
    assert not together.failed and "metric_spread" not in alone[0]


def test_a_prompt_alone_is_what_it_is_among_others():
    model = tiny("gpt2")
    together = ablation(model, UNEQUAL, at.z[:], reference=UNEQUAL, metric=METRIC)
    alone = ablation(model, UNEQUAL[4], at.z[:], reference=UNEQUAL, metric=METRIC)
    for name in ("effect", "direct", "repair"):
        assert alone.data[name].values == pytest.approx(together.data[name].sel(example=4).values, abs=EXACT)
    targets = [7, 8, 9, 10, 11]
    each = ablation(model, UNEQUAL, at.z[1], metric=iw.logit(targets), behind=0)
    for number, target in enumerate(targets):
        same = ablation(model, UNEQUAL, at.z[1], metric=iw.logit(target), behind=0)
        assert each.data["effect"].sel(example=number).values == pytest.approx(
            same.data["effect"].sel(example=number).values, abs=EXACT
        )


def test_by_default_every_head_and_mlp_and_another_position():
    model = tiny("llama")
    result = ablation(model, ROWS, metric=iw.logit_diff(TARGET, FOIL, position=5), behind=1)
    assert list(result.data["effect"]["component"].values) == [
        str(s) for s in concrete(model, [at.z[:], at.mlp_out[:]])
    ]
    assert set(result.views) >= {"z", "mlp_out", "components", "downstream", "z repaired"}
    cut = ablation(model, [row[:6] for row in ROWS], over="position", metric=METRIC, behind=0)
    by_position = ablation(model, ROWS, over="position", metric=iw.logit_diff(TARGET, FOIL, position=5), behind=0)
    for name in ("effect", "direct"):
        assert by_position.data[name].values == pytest.approx(cut.data[name].values, abs=EXACT)


def test_under_standing_edits_too():
    model = tiny("gpt2").with_edits(edit.zero(at.z[0, 1]), edit.scale(at.mlp_out[1], 0.5))
    result = ablation(model, ROWS, at.z[1], replace="zero", metric=METRIC, behind=2)
    assert not result.failed, result.failed
    with pytest.raises(EditError, match="both replace the values"):
        ablation(model, ROWS, at.z[0, 1], replace="zero", metric=METRIC)
    expected = by_hand(model, ROWS, lambda row: [edit.zero(at.z[1, 2])])
    assert result.data["effect"].sel(component="z.1.2").values == pytest.approx(expected, abs=EXACT)


def test_what_stands_behind_an_edit_has_an_effect_and_no_direct_one():
    model = tiny("gpt2").with_edits(edit.scale(at.attn_out[1], 0.5))
    sites = [at.z[1:], at.head_out[1, 0], at.mlp_out[1]]
    result = ablation(model, ROWS, sites, replace="zero", metric=METRIC, behind=1)
    assert not result.failed, result.failed
    untold = result.data["direct"].isnull().all("example")
    names = untold["component"].values[untold.values].tolist()
    assert names == [*(f"z.1.{head}" for head in range(model.n_heads)), "head_out.1.0"]
    expected = by_hand(model, ROWS, lambda row: [edit.zero(at.z[1, 2])])
    assert result.data["effect"].sel(component="z.1.2").values == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("metric", [iw.prob(TARGET), iw.nll(), iw.custom(lambda logits: logits.norm(dim=-1))])
def test_other_metrics_have_effects_and_say_why_no_direct_ones(metric):
    result = ablation(tiny("llama"), ROWS, at.z[1], metric=metric)
    assert "direct" not in result.data and "self_repair" not in result.data
    assert any("no difference of logits" in check.note for check in result.checks)


def test_what_writes_nothing_itself_has_no_direct_effect():
    result = ablation(tiny("llama"), ROWS, [at.q[1], at.z[1]], replace="zero", metric=METRIC, behind=8)
    kinds = np.array([str(one)[0] for one in result.data["direct"]["component"].values])
    assert (
        result.data["direct"].values[:, kinds == "q"].size
        and np.isnan(result.data["direct"].values[:, kinds == "q"]).all()
    )
    assert np.isfinite(result.data["direct"].values[:, kinds == "z"]).all()
    assert result.data["downstream"].sizes["ablated"] == 4


@pytest.mark.parametrize("family", ["jamba", "falcon_h1", "qwen3_next", "bloom", "deepseek_v3"])
def test_other_families_add_up_too(family):
    dtype = torch.float64 if family in families.DOUBLE else torch.float32
    result = ablation(iw.load(families.module_of(family, dtype=dtype)), ROWS, metric=METRIC, behind=2)
    assert not result.failed, result.failed


def test_where_the_stream_is_no_sum_there_are_effects_only():
    model = iw.load(families.module_of("minimax", dtype=torch.float32))
    result = ablation(model, ROWS, at.mlp_out[0], metric=METRIC)
    assert "direct" not in result.data and any("direct effects: none" in check.note for check in result.checks)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"metric": None}, MetricError, "say what to measure"),
        ({"behind": -1}, SiteError, "behind=-1"),
        ({"smallest": 0.0}, MetricError, "smallest=0.0"),
        ({"replace": "median"}, OptionError, "replace='median': use 'zero'"),
        ({"over": "rows"}, OptionError, "over='rows'"),
        ({"sites": at.z[9]}, SiteError, "layer 9"),
        ({"sites": at.gate[:]}, (SiteError, AnatomyError), "no gate"),
        ({"sites": at.z[0] @ 20}, SiteError, "position 20"),
        ({"sites": at.z[0] @ "subject"}, iw.InnerworksError, "no span or role 'subject'"),
    ],
)
def test_bad_input_is_said(options, error, message):
    with pytest.raises(error, match=message):
        ablation(tiny("gpt2"), ROWS, **{"sites": at.z[0], "metric": METRIC} | options)


def test_results_are_saved_drawn_and_their_progress_told(tmp_path):
    told = []
    result = ablation(tiny("gpt2"), UNEQUAL, metric=METRIC, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (30, 30) and [done for done, _ in told] == sorted(done for done, _ in told)
    result.save(tmp_path / "saved")
    again = iw.open(tmp_path / "saved")
    for name in ("effect", "downstream", "self_repair"):
        np.testing.assert_array_equal(again.data[name].values, result.data[name].values)
        assert again.data[name].dims == result.data[name].dims
    assert "final norm" in result.html(tmp_path / "page.html").read_text() and "z.1.2" in result.text()
