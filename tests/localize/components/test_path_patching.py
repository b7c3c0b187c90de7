"""A path's effect is what two passes give in which everything else is frozen by hand, one edit after the other."""

import families
import pytest
import torch
from tiny_models import FOIL, KINDS, TARGET, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import AnatomyError, EditError, MetricError, OptionError, PairError, PromptError, SiteError
from innerworks.lab import handbuilt
from innerworks.localize.components.paths.path_patching import path_patching

EXACT = 1e-6
"""Most families' norms divide in float32, also in a float64 model; effects here are about 1."""
CLEAN, CORRUPT = (row.tolist() for row in families.ids(2, 8))
METRIC = iw.logit_diff(TARGET, FOIL)
SEQUENTIAL = tuple(kind for kind in KINDS if kind != "gpt_neox")


def patched(family, pair=(CLEAN, CORRUPT), **options):
    model = tiny(family)
    pairs = [model.pair(*one) for one in pair] if isinstance(pair, list) else model.pair(*pair)
    return path_patching(model, pairs, **{"metric": METRIC, "progress": False, **options})


def by_hand(model, sender, receivers=(), *, base=CLEAN, donor=CORRUPT, live=False):
    """The metric after two passes: all heads but the sender frozen, and the MLPs too unless they are live."""
    here = model.run(base, capture=[at.z[:], at.mlp_out[:]])
    there = model.run(donor, capture=[sender])
    edits = [edit.set(sender, there[sender])]
    for layer in range(model.n_layers):
        inside = sender.name in ("z", "head_out", "attn_out") and sender.layer == layer
        if sender.name == "z" and inside:
            others = [head for head in range(model.n_heads) if head != sender.unit]
            edits.append(edit.freeze(at.z[layer, others], here))
        elif not inside:
            edits.append(edit.freeze(at.z[layer], here))
        if not live and not (sender.name == "mlp_out" and sender.layer == layer):
            edits.append(edit.freeze(at.mlp_out[layer], here))
    if not receivers:
        return float(model.measure(base, METRIC, edits=edits))
    first = model.run(base, edits=edits, capture=receivers)
    return float(model.measure(base, METRIC, edits=[edit.set(site, first[site]) for site in receivers]))


def every_sender(model, layers):
    heads = [at.z[layer, head] for layer in layers for head in range(model.n_heads)]
    return [*heads, *(at.mlp_out[layer] for layer in layers), at.embed]


def found(result, sender, name="metric"):
    group = {"z": "head", "head_out": "head", "attn_out": "attn", "mlp_out": "mlp", "embed": "embed"}[sender.name]
    array = result.data[name] if name in result.data else result.data[f"{name}_{group}"]
    place = {"layer": sender.layer, "head": sender.unit}
    return float(array.sel({dim: place[dim] for dim in array.dims}))


# -- against two passes by hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mlps", ["frozen", "live"])
@pytest.mark.parametrize("family", KINDS)
def test_paths_to_the_logits(family, mlps):
    model = tiny(family)
    result = patched(family, senders=[at.z[:], at.mlp_out[:], at.embed], mlps=mlps)
    assert not result.failed, result.failed
    seen = set()
    for sender in every_sender(model, range(model.n_layers)):
        expected = by_hand(model, sender, live=mlps == "live")
        assert found(result, sender) == pytest.approx(expected, abs=EXACT), sender
        seen.add(round(expected, 6))
    assert len(seen) > model.n_layers * model.n_heads, "senders have effects of their own"


@pytest.mark.parametrize("mlps", ["frozen", "live"])
@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("name", ["q", "k", "v", "attn_in", "two layers"])
def test_paths_to_what_attention_reads(family, mlps, name):
    model = tiny(family)
    last = model.n_layers - 1
    receivers = {
        "q": [at.q[last, 1]],
        "k": [at.k[last, model.n_kv_heads - 1]],
        "v": [at.v[last]],
        "attn_in": [at.attn_in[last]],
        "two layers": [at.q[1, 0], at.k[last, 0]],
    }[name]
    result = patched(family, senders=[at.z[:], at.mlp_out[:], at.embed], receivers=receivers, mlps=mlps)
    assert result.data["metric_head"].layer.values.tolist() == list(range(last))
    for sender in every_sender(model, range(last)):
        expected = by_hand(model, sender, receivers, live=mlps == "live")
        assert found(result, sender) == pytest.approx(expected, abs=EXACT), sender


@pytest.mark.parametrize("mlps", ["frozen", "live"])
@pytest.mark.parametrize("family", KINDS)
def test_paths_to_what_an_mlp_reads(family, mlps):
    model = tiny(family)
    last = model.n_layers - 1
    result = patched(family, senders=[at.z[:], at.mlp_out[:]], receivers=at.mlp_in[last], mlps=mlps)
    own = last + (0 if family == "gpt_neox" else 1)  # attention of the same block is read, but in a parallel one
    assert result.data["metric_head"].layer.values.tolist() == list(range(own))
    assert result.data["metric_mlp"].layer.values.tolist() == list(range(last))
    for sender in (at.z[own - 1, 1], at.z[0, 0], at.mlp_out[0]):
        expected = by_hand(model, sender, [at.mlp_in[last]], live=mlps == "live")
        assert found(result, sender) == pytest.approx(expected, abs=EXACT), sender


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("mlps", ["frozen", "live"])
def test_attention_and_what_heads_write(family, mlps):
    model = tiny(family)
    for receivers in ([], [at.q[2, 0]]):
        options = {"receivers": receivers or "logits", "mlps": mlps}
        attention = patched(family, senders=at.attn_out[:2], **options)
        written = patched(family, senders=at.head_out[:2], **options)
        for layer in range(2):
            expected = by_hand(model, at.attn_out[layer], receivers, live=mlps == "live")
            assert found(attention, at.attn_out[layer]) == pytest.approx(expected, abs=EXACT)
            expected = by_hand(model, at.head_out[layer, 3], receivers, live=mlps == "live")
            assert found(written, at.head_out[layer, 3]) == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("mlps", ["frozen", "live"])
@pytest.mark.parametrize("family", ["mixtral", "qwen2_moe"])
def test_experts_send_their_part_of_what_the_mlp_writes(family, mlps):
    """One expert's write is exchanged at the place where all of them are added up, behind everything it read."""
    model = iw.load(families.module_of(family))
    senders = [at.expert_out[0]] + ([at.shared_out[0]] if model.layers_with("shared_out") else [])
    pair = model.pair(CLEAN, CORRUPT)
    result = path_patching(model, pair, senders=senders, mlps=mlps, metric=METRIC, progress=False)
    assert not result.failed, result.failed
    here, there = (model.run(ids, capture=[at.z[:], at.mlp_out[:], *senders]) for ids in (CLEAN, CORRUPT))
    places = [at.expert_out[0, expert] for expert in range(model.anatomy.n_experts)] + senders[1:]
    values = []
    for place in places:
        change = there[place] - here[place]
        edits = [edit.freeze(at.z[layer], here) for layer in range(model.n_layers)]
        if mlps == "frozen":
            edits += [edit.freeze(at.mlp_out[layer], here) for layer in range(1, model.n_layers)]
        edits.append(edit.set(at.mlp_out[0], here[at.mlp_out[0]] + change))
        expected = float(model.measure(CLEAN, METRIC, edits=edits))
        group = "shared" if place.name == "shared_out" else "expert"
        array = result.data["metric" if len(senders) == 1 else f"metric_{group}"]
        found = array.sel(layer=0, expert=place.unit) if group == "expert" else array.sel(layer=0)
        assert float(found) == pytest.approx(expected, abs=1e-4), place
        values.append(round(expected, 4))
    assert len(set(values)) > 2, "experts have effects of their own"


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
def test_the_other_direction_runs_the_other_prompt(family):
    model = tiny(family)
    clean, corrupt = (float(model.measure(ids, METRIC)) for ids in (CLEAN, CORRUPT))
    noised = patched(family, receivers=at.q[2, 1])
    restored = patched(family, receivers=at.q[2, 1], direction="denoise")
    there = by_hand(model, at.z[0, 1], [at.q[2, 1]])
    back = by_hand(model, at.z[0, 1], [at.q[2, 1]], base=CORRUPT, donor=CLEAN)
    assert found(noised, at.z[0, 1], "score") == pytest.approx((clean - there) / (clean - corrupt), abs=EXACT)
    assert found(restored, at.z[0, 1], "score") == pytest.approx((back - corrupt) / (clean - corrupt), abs=EXACT)
    assert float(noised.data["clean"]) == pytest.approx(clean) and float(noised.data["corrupt"]) == corrupt


@pytest.mark.parametrize("family", ["gpt2", "llama", "olmo2"])
def test_senders_and_receivers_at_positions(family):
    model = tiny(family)
    for receivers in ([], [at.k[2, 1]], [at.v[2, 0] @ 5]):
        result = patched(family, senders=at.z[:2] @ [2, 5], receivers=receivers or "logits")
        for layer, head in ((0, 1), (1, 3)):
            expected = by_hand(model, at.z[layer, head] @ [2, 5], receivers)
            assert found(result, at.z[layer, head]) == pytest.approx(expected, abs=EXACT)


def test_logits_at_another_position_and_metrics_over_all():
    model = tiny("llama")
    middle = patched("llama", metric=iw.logit_diff(TARGET, FOIL, position=4))
    cut = patched("llama", (CLEAN[:5], CORRUPT[:5]))
    assert middle.data["metric"].values == pytest.approx(cut.data["metric"].values, abs=EXACT)
    result = patched("llama", metric=iw.nll())
    final = at.resid_post[model.n_layers - 1]
    clean, corrupt = (model.run(ids, capture=[final, at.head_out[0, 1]]) for ids in (CLEAN, CORRUPT))
    change = corrupt[at.head_out[0, 1]] - clean[at.head_out[0, 1]]
    expected = model.measure(CLEAN, iw.nll(), edits=[edit.add(final, change)])
    assert found(result, at.z[0, 1]) == pytest.approx(float(expected), abs=EXACT)


def test_several_pairs_are_each_what_they_are_alone():
    rows = families.ids(6, 8, seed=9).tolist()
    pairs = [(rows[0], rows[1]), (rows[2], rows[3]), (rows[4][:6], rows[5][:6])]
    for options in ({}, {"receivers": at.q[2]}, {"receivers": at.q[2], "mlps": "live"}):
        together = patched("gpt2", pairs, **options)
        for number, pair in enumerate(pairs):
            alone = patched("gpt2", pair, **options)
            assert together.data["score"].sel(example=number).values == pytest.approx(
                alone.data["score"].values, rel=1e-6, abs=EXACT
            )
        assert together.data["score_mean"].dims == ("layer", "head")


def test_pairs_aligned_by_role_move_writes_between_counterparts():
    model = tiny("gpt2")
    clean = model.prompt(CLEAN, spans={"name": [2, 3], "end": 7})
    corrupt = model.prompt([*CORRUPT[:1], *CORRUPT], spans={"name": [3, 4], "end": 8})
    pair = model.pair(clean, corrupt, align="role")
    result = path_patching(model, pair, senders=at.z[:] @ "name", receivers=at.k[2], metric=METRIC, progress=False)
    clean_run = model.run(clean, capture=[at.z[:], at.resid_pre[2], at.head_out[:]])
    corrupt_run = model.run(corrupt, capture=[at.head_out[:]])
    stream = clean_run[at.resid_pre[2]].clone()
    stream[:, [2, 3]] += corrupt_run[at.head_out[1, 2]][:, [3, 4]] - clean_run[at.head_out[1, 2]][:, [2, 3]]
    keys = model.run(clean, capture=at.k[2], start=(2, stream), logits=None)[at.k[2]]
    expected = float(model.measure(clean, METRIC, edits=[edit.set(at.k[2], keys)]))
    assert found(result, at.z[1, 2]) == pytest.approx(expected, abs=EXACT)
    with pytest.raises(SiteError, match="aligned by role"):
        path_patching(model, pair, senders=at.z[:] @ 2, metric=METRIC)
    with pytest.raises(SiteError, match="aligned by role"):
        path_patching(model, pair, receivers=at.k[2] @ 2, metric=METRIC)


# -- what must hold without any reference -----------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "mixtral"])
def test_all_that_is_written_is_the_whole_change(family):
    result = patched(family, senders=[at.embed, at.z[:], at.mlp_out[:]])
    [check] = [one for one in result.checks if one.name == "changed writes sum to the changed stream"]
    assert check.verdict == "pass" and check.measured < EXACT


@pytest.mark.parametrize("family", [kind for kind in KINDS if kind != "gemma2"])
def test_with_the_norm_held_direct_effects_add_up_to_the_whole(family):
    """Under a frozen final norm the reading is linear, but for a soft cap, so the paths of all parts add up."""
    model = tiny(family)
    held = model.with_edits(edit.freeze(at.norm_scale["final"], model.run(CLEAN, capture=at.norm_scale["final"])))
    senders = [at.embed, at.attn_out[:], at.mlp_out[:]]
    result = path_patching(held, model.pair(CLEAN, CORRUPT), senders=senders, metric=METRIC, progress=False)
    scores = [result.data[f"score_{group}"].sum() for group in ("embed", "attn", "mlp")]
    assert float(sum(scores)) == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma"])
def test_in_the_handbuilt_models_the_path_goes_through_the_keys(name):
    built = getattr(handbuilt, name)(dtype=torch.float64)
    model = iw.load(built.model, tokenizer=built.tokenizer())
    clean, corrupt = (built.sample(seed)[0].tolist() for seed in (0, 1))
    ids, other, metric = clean[:-1], corrupt[:-1], iw.logit(clean[-1])
    full = model.measure(ids, metric, edits=[edit.set(at.z[0, 0], model.run(other, capture=at.z[0, 0]))])
    plain = float(model.measure(ids, metric))
    assert abs(plain - float(full)) > 5
    for site, expected in ((at.k[1, 0], float(full)), (at.q[1, 0], plain), (at.v[1, 0], plain)):
        result = path_patching(
            model, model.pair(ids, other), senders=at.z[0], receivers=site, metric=metric, progress=False
        )
        assert float(result.data["metric"].sel(layer=0, head=0)) == pytest.approx(expected, abs=EXACT)
        assert float(result.data["metric"].sel(layer=0, head=1)) == pytest.approx(plain, abs=EXACT)


def test_a_prompt_that_shares_its_beginning_is_not_touched_there():
    pair = (CLEAN, [*CLEAN[:5], *CORRUPT[5:]])
    result = patched("gpt2", pair, senders=at.z[:] @ [0, 1, 2, 3, 4], receivers=at.k[2])
    assert result.data["metric"].values == pytest.approx(float(result.data["clean"]), abs=1e-12)


@pytest.mark.parametrize("family", ["jamba", "falcon_h1", "qwen3_next", "gpt_oss", "deepseek_v3", "granite", "bloom"])
def test_other_families(family):
    dtype = torch.float64 if family in families.DOUBLE else torch.float32
    model = iw.load(families.module_of(family, dtype=dtype))
    layers = model.layers_with("head_out")
    result = path_patching(model, model.pair(CLEAN, CORRUPT), metric=METRIC, progress=False)
    last = at.resid_post[model.n_layers - 1]
    clean, corrupt = (model.run(ids, capture=[at.head_out[layers]]) for ids in (CLEAN, CORRUPT))
    tolerance = EXACT if dtype == torch.float64 else 2e-4
    for layer in layers:
        site = at.head_out[layer, 1] @ -1
        change = corrupt[site] - clean[site]
        expected = float(model.measure(CLEAN, METRIC, edits=[edit.add(last @ -1, change)]))
        assert float(result.data["metric"].sel(layer=layer, head=1)) == pytest.approx(expected, abs=tolerance)


def test_standing_edits_inside_parts_and_steering_stay():
    model = tiny("llama")
    vector = torch.randn(model.d_model, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    edited = model.with_edits(
        edit.scale(at.z[0, 1], 0.0), edit.add(at.resid_post[0], vector), edit.scale(at.neurons[1], 0.5)
    )
    for receivers in ([], [at.q[2, 1]]):
        for mlps in ("frozen", "live"):
            options = {"receivers": receivers or "logits", "mlps": mlps, "metric": METRIC, "progress": False}
            result = path_patching(edited, model.pair(CLEAN, CORRUPT), senders=at.z[:2], **options)
            expected = by_hand(edited, at.z[0, 2], receivers, live=mlps == "live")
            assert found(result, at.z[0, 2]) == pytest.approx(expected, abs=EXACT)
            assert found(result, at.z[0, 1]) == pytest.approx(float(result.data["clean"]), abs=1e-12)


def test_what_users_see():
    result = patched("llama", senders=[at.z[:], at.mlp_out[:]], receivers=at.k[2, 1])
    assert result.title == "Paths into k.2.1 (heads 2 to 3)"
    assert set(result.views) == {"senders", "heads", "mlp"}
    scores = list(result.tables["senders"]["score"])
    assert scores == sorted(scores, key=lambda score: -abs(score))
    assert "score" in patched("llama").data and "score_head" in result.data
    some = patched("llama", senders=[at.z[0, 1], at.z[1, 3]]).data["score"]
    assert some.isnull().values.tolist() == [[False, True], [True, False]]
    assert patched("llama", receivers=at.q[2]).provenance.cost.forwards < 10


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"metric": None}, MetricError, "say what to measure"),
        ({"mlps": "thawed"}, OptionError, "mlps='thawed': use 'frozen' or 'live'"),
        ({"direction": "up"}, OptionError, "direction='up'"),
        ({"senders": at.resid_post[:]}, SiteError, "is no sender"),
        ({"senders": []}, SiteError, r"senders=\[\]"),
        ({"senders": [at.z[0, 1], at.head_out[0, 1]]}, SiteError, "named twice among the senders"),
        ({"senders": at.z[:] @ "subject"}, PromptError, "no span or role 'subject'"),
        ({"senders": at.z[9]}, SiteError, "layer 9 does not exist"),
        ({"senders": at.z[0, 7]}, SiteError, "head 7 does not exist"),
        ({"receivers": at.z[2]}, SiteError, "is no receiver"),
        ({"receivers": 3}, SiteError, "receivers=3"),
        ({"receivers": [at.q[2, 0], at.q[2, 0]]}, SiteError, "a receiver is named twice"),
        ({"senders": at.z[2], "receivers": at.q[2, 0]}, SiteError, "no path leads from z.2.0 to q.2.0"),
        ({"senders": at.mlp_out[2], "receivers": at.mlp_in[2]}, SiteError, "no path leads"),
        ({"metric": iw.logit_diff(3, 3)}, MetricError, "same"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        patched("gpt2", **options)


def test_models_and_prompts_that_have_no_paths():
    with pytest.raises(SiteError, match="both halves of a parallel block read the same"):
        patched("gpt_neox", senders=at.z[1], receivers=at.mlp_in[1])
    pair = tiny("gpt2").pair(CLEAN, CORRUPT)
    for family, error, match in (("minimax", AnatomyError, "no sum over components"), ("zamba2", SiteError, "zamba2")):
        with pytest.raises(error, match=match):
            path_patching(iw.load(families.module_of(family)), pair, metric=METRIC)
    with pytest.raises(PairError, match="do not align by position"):
        patched("gpt2", (CLEAN, CORRUPT[:-1]))
    with pytest.raises(EditError, match="stands between senders and receivers"):
        path_patching(tiny("gpt2").with_edits(edit.zero(at.attn_out[1])), pair, metric=METRIC)


def test_what_is_shown_of_several_pairs_is_the_score_of_the_means():
    rows = families.ids(6, 8, seed=9).tolist()
    pairs = [(rows[0], rows[1]), (rows[2], rows[3]), (rows[4], rows[5])]
    for direction, began, ends in (("noise", "clean", "corrupt"), ("denoise", "corrupt", "clean")):
        result = patched("gpt2", pairs, direction=direction)
        start, end = (result.data[name].mean() for name in (began, ends))
        expected = (result.data["metric"].mean("example") - start) / (end - start)
        assert result.data["score_mean"].values == pytest.approx(expected.values, abs=1e-12)
        assert result.views["heads"].arrays["values"] == pytest.approx(expected.values, abs=1e-12)
        [total] = [check for check in result.checks if check.name == "sum of the scores"]
        assert total.measured == pytest.approx(float(expected.sum()), rel=1e-6)
