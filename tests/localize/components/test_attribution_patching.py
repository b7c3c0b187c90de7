"""Estimates are the gradient's own where the function is a line, exact through attention, and complete along a path."""

import families
import numpy as np
import pytest
import torch
import xarray
from tiny_models import FOIL, KINDS, TARGET, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import InnerworksError, MetricError, OptionError, SiteError
from innerworks.localize.components.approximation.agreement import rank_correlation
from innerworks.localize.components.approximation.attribution_patching import attribution_patching
from innerworks.localize.components.approximation.views import with_views
from innerworks.model.sites import Site

EXACT = 1e-6
"""Most families' norms divide in float32, also in a float64 model; scores here are about 1."""
IDS = families.ids(2, 9).tolist()
METRIC = iw.logit_diff(TARGET, FOIL)
METHODS = ("plain", "star", "integrated")
DIRECTIONS = ("noise", "denoise")


def pair(model, rows=IDS):
    return (model.prompt(rows[0]), model.prompt(rows[1]))


def estimated(model, sites=None, **options):
    options = {"metric": METRIC, "progress": False, "exact": 0, "rows": IDS} | options
    rows = options.pop("rows")
    return attribution_patching(model, pair(model, rows), sites=at.z[:] if sites is None else sites, **options)


def ends(model, direction, rows=IDS):
    """(base, other) prompts."""
    return rows if direction == "noise" else rows[::-1]


def patched(model, edits, direction, rows=IDS):
    """The score of a run with these edits."""
    base, other = ends(model, direction, rows)
    start, goal, found = (
        float(model.measure(ids, METRIC, edits=e)) for ids, e in ((base, ()), (other, ()), (base, edits))
    )
    return (found - start) / (goal - start)


# -- the plain gradient ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("family, output", [("gpt2", "attn.c_proj"), ("llama", "self_attn.o_proj")])
def test_plain_scores_are_those_of_hooks_on_the_plain_modules(family, output, direction):
    model = tiny(family)
    kept = {}

    def hook(layer):
        def keep(_, args):
            kept[layer] = args[0].detach().requires_grad_() if not args[0].requires_grad else args[0]
            if args[0].requires_grad:
                kept[layer].retain_grad()
            return (kept[layer],)

        return keep

    def run(ids):
        blocks = model.anatomy.blocks
        hooks = [b.get_submodule(output).register_forward_pre_hook(hook(i)) for i, b in enumerate(blocks)]
        try:
            logits = model.module(torch.tensor([ids])).logits[0, -1]
        finally:
            for one in hooks:
                one.remove()
        return logits[TARGET] - logits[FOIL]

    base, other = ends(model, direction)
    goal = float(run(other).detach())
    there = {layer: value.detach() for layer, value in kept.items()}
    value = run(base)
    gradients = torch.autograd.grad(value, list(kept.values()))
    score = estimated(model, direction=direction).data["score"]
    for layer, gradient in enumerate(gradients):
        change = (there[layer] - kept[layer].detach()) * gradient
        by_head = change.reshape(1, len(base), model.n_heads, -1).sum((0, 1, 3)) / (goal - float(value.detach()))
        assert score.sel(layer=layer).values == pytest.approx(by_head.numpy(), abs=EXACT)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "mixtral"])
def test_where_the_function_is_a_line_plain_is_exact(family):
    """The last heads write to the stream, and the norm and the MLP behind them are held."""
    held = last_heads_read_linearly(tiny(family))
    last = held.n_layers - 1
    result = estimated(held, at.z[last], each=("layer", "head", "position"), exact=1000)
    table = result.tables["exact"]
    assert len(table["exact"]) == held.n_heads * len(IDS[0])
    assert table["estimate"].tolist() == pytest.approx(table["exact"].tolist(), abs=EXACT)
    assert table["exact"].max() > 0.05


def last_heads_read_linearly(model):
    last = model.n_layers - 1
    clean = model.run(IDS[0], capture=[at.norm_scale["final"], at.mlp_out[last]])
    return model.with_edits(edit.freeze(at.norm_scale["final"], clean), edit.freeze(at.mlp_out[last], clean))


PLACES = [at.embed, at.resid_pre[:], at.resid_post[:], at.attn_in[:], at.attn_out[:], at.mlp_in[:], at.mlp_out[:]]
PLACES += [at.z[:], at.head_out[:], at.q[:], at.k[:], at.v[:], at.norm_scale["attn"][:], at.final_norm]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", KINDS)
def test_for_small_changes_every_estimate_is_exact(family, method):
    step = 1e-3 if family == "gemma2" else 1e-4  # its norms' float32 denominators would change by their rounding
    module = families.build(family, dtype=torch.float64)
    embedding = module.get_input_embeddings().weight
    rows = [[*IDS[0][:4], 20, *IDS[0][5:]], [*IDS[0][:4], 21, *IDS[0][5:]]]
    with torch.no_grad():
        away = torch.randn(embedding.shape[1], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        embedding[21] = embedding[20] + step * away
    model = iw.load(module)
    extra = [at.neurons[:]] if model.layers_with("neurons") else [at.expert_out[:]]
    norm_over_heads = family == "olmo2" and method == "star"
    for site in [*PLACES, *extra]:
        if site.name in model.anatomy.missing:
            continue
        if norm_over_heads and site.name in ("q", "k"):
            site = Site(f"{site.name}_rot")[:]
        result = estimated(model, site, method=method, rows=rows, exact=24, steps=2)
        table = result.tables["exact"]
        largest = abs(table["exact"]).max()
        assert largest > 1e-3, site
        assert abs(table["estimate"] - table["exact"]).max() < 0.02 * largest, site


# -- attention, exactly ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "mixtral", "gpt_oss"])
def test_queries_and_keys_are_exact_where_only_attention_bends(family, direction):
    held = last_heads_read_linearly(tiny(family))
    last = held.n_layers - 1
    for each in (None, ("layer", "head", "position")):
        for kind in ("q", "k"):
            options = {"each": each, "exact": 1000, "direction": direction}
            star = estimated(held, Site(kind, last), method="star", **options).tables["exact"]
            plain = estimated(held, Site(kind, last), **options).tables["exact"]
            assert star["estimate"].tolist() == pytest.approx(star["exact"].tolist(), abs=EXACT * 10), (kind, each)
            assert abs(plain["estimate"] - plain["exact"]).max() > 1e-3, (kind, each)


@pytest.mark.parametrize("family", [*KINDS, "gpt_oss"])
def test_a_key_changes_the_pattern_as_when_it_is_set(family):
    """Soft caps, masks, post-norms, sinks and all: the estimate is the changed pattern times the gradient."""
    model, layer = tiny(family), 0
    keys = at.k_rot if family == "olmo2" else at.k  # its norm is over all heads
    clean, corrupt = (model.run(ids, capture=[keys[layer], at.pattern[layer]]) for ids in IDS)
    gradient = model.gradients(IDS[0], METRIC, at.pattern[layer])[at.pattern[layer]]
    score = estimated(model, keys[layer], method="star", each=("layer", "kv_head", "position")).data["score"]
    way = float(model.measure(IDS[1], METRIC) - model.measure(IDS[0], METRIC))
    for head in range(score.sizes["kv_head"]):
        for position in (0, 3, 8):
            site = keys[layer, head] @ position
            changed = model.run(IDS[0], capture=at.pattern[layer], edits=[edit.set(site, corrupt[site])])
            change = changed[at.pattern[layer]] - clean[at.pattern[layer]]
            expected = float((change * gradient).sum()) / way
            assert float(score.sel(layer=layer, kv_head=head)[position]) == pytest.approx(expected, abs=1e-5)


def test_a_saturated_softmax_hides_queries_from_the_plain_gradient_only():
    module = families.build("llama", dtype=torch.float64)
    with torch.no_grad():
        module.model.layers[2].self_attn.q_proj.weight.mul_(200)  # each query looks at one key
    held = last_heads_read_linearly(iw.load(module))
    pattern = held.run(IDS[0], capture=at.pattern[2])[at.pattern[2]][0, :, -1]
    assert (pattern.max(-1).values > 0.999).all()
    plain = estimated(held, at.q[2], exact=100).tables["exact"]
    star = estimated(held, at.q[2], exact=100, method="star").tables["exact"]
    largest = abs(plain["exact"]).argmax()
    assert abs(plain["exact"][largest]) > 0.1
    assert abs(plain["estimate"]).max() < 0.01 * abs(plain["exact"][largest])
    assert star["estimate"].tolist() == pytest.approx(star["exact"].tolist(), abs=1e-5)


# -- blocks held ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "gpt_neox"])
@pytest.mark.parametrize("site", [at.z[:], at.resid_pre[:], at.resid_post[:], at.mlp_out[:], at.q_rot[:]])
def test_sizes_are_means_over_runs_with_one_block_cut_out(family, site):
    model = tiny(family)
    if site.name in model.anatomy.missing:
        pytest.skip("no such place")
    result = estimated(model, site, method="star")
    inside = site.name in ("z", "mlp_out", "q_rot")
    clean, corrupt = (model.run(ids, capture=site) for ids in IDS)
    way = float(model.measure(IDS[1], METRIC) - model.measure(IDS[0], METRIC))
    for layer in range(model.n_layers):
        place = Site(site.name, layer)
        terms = []
        for block in range(model.n_layers):
            cut = cut_out(block)
            if block == layer and inside:
                continue  # nothing of the place is left
            if site.name == "q_rot":
                edits = [edit.set(place, corrupt[place])]
                pattern = at.pattern[layer]
                change = (
                    model.run(IDS[0], capture=pattern, edits=edits)[pattern]
                    - model.run(IDS[0], capture=pattern)[pattern]
                )
                gradient = model.gradients(IDS[0], METRIC, pattern, edits=cut)[pattern]
                terms.append((change * gradient).sum((0, 2, 3)).abs() / abs(way))
            else:
                gradient = model.gradients(IDS[0], METRIC, place, edits=cut)[place]
                change = (corrupt[place] - clean[place]) * gradient
                summed = change.sum((0, 1, 3)) if site.name == "z" else change.sum((0, 2))
                terms.append(summed.abs() / abs(way))
        assert len(terms) == model.n_layers - inside
        expected = torch.stack(terms).mean(0)
        assert result.data["size"].sel(layer=layer).values == pytest.approx(expected.numpy(), abs=EXACT, rel=1e-5)


def cut_out(block):
    """The block's writes, taken out of the graph."""
    return [edit.call(kind[block], lambda x: x.detach()) for kind in (at.attn_out, at.mlp_out)]


def test_a_place_whose_effects_cancel_has_a_size():
    """What block 2 adds takes away, in the gradient, all that comes to it: no score, but a size."""
    model, there = tiny("llama"), {}

    def seen(values):
        there["stream"] = values
        return values

    def taken_away(values):
        return values.detach() - there["stream"] + there["stream"].detach()

    edits = [
        edit.call(at.resid_pre[2], seen),
        edit.call(at.attn_out[2], lambda values: values.detach()),
        edit.call(at.mlp_out[2], taken_away),
    ]
    data = estimated(model.with_edits(*edits), at.resid_post[1], method="star", each=("layer", "position")).data
    assert abs(data["score"]).max() < 1e-12
    whole = model.gradients(IDS[0], METRIC, at.resid_post[1], edits=cut_out(2))[at.resid_post[1]]
    clean, corrupt = (model.run(ids, capture=at.resid_post[1])[at.resid_post[1]] for ids in IDS)
    way = float(model.measure(IDS[1], METRIC) - model.measure(IDS[0], METRIC))
    expected = ((corrupt - clean) * whole).sum(-1)[0].abs() / abs(way) / model.n_layers  # one block of all
    assert data["size"].values[0] == pytest.approx(expected.numpy(), abs=1e-9)
    assert data["size"].max() > 1e-3


# -- along paths ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("family", KINDS)
def test_along_the_embeddings_the_whole_way_is_accounted_for(family, direction):
    """With the router's choice held: a token that goes to another expert is a jump, which no gradient sees."""
    model = tiny(family)
    if family == "mixtral":
        sent = model.run(IDS[0], capture=[at.router_index[:], at.router_weights[:]])
        model = model.with_edits(*edit.freeze_routing(sent, weights="live"))
    score = estimated(model, at.embed, method="integrated", direction=direction, steps=1000).data["score"]
    assert float(score.sum()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "olmo2"])
def test_a_layers_estimates_add_up_to_its_joint_effect(family):
    model = tiny(family)
    score = estimated(model, at.z[:], method="integrated", steps=100).data["score"]
    other = model.run(IDS[1], capture=at.z[:])
    for layer in range(model.n_layers):
        joint = patched(model, [edit.set(at.z[layer], other[at.z[layer]])], "noise")
        assert float(score.sel(layer=layer).sum()) == pytest.approx(joint, abs=1e-3)


# -- what is patched, and how it is counted -------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_exact_values_are_those_of_single_runs(direction):
    model = tiny("gemma2")
    result = estimated(
        model, [at.z[:], at.resid_mid[:]], exact=10, direction=direction, each=("layer", "head", "position")
    )
    run = model.run(ends(model, direction)[1], capture=[at.z[:], at.resid_mid[:]])
    table = result.tables["exact"]
    assert len(table["exact"]) == 10
    for row in range(10):
        kind, layer, head, position = (table[name][row] for name in ("site", "layer", "head", "position"))
        site = (at.z[layer, int(head)] if kind == "z" else at.resid_mid[layer]) @ int(position)
        assert table["exact"][row] == pytest.approx(patched(model, [edit.set(site, run[site])], direction), abs=1e-9)
        index = {"layer": layer} | ({"head": int(head)} if kind == "z" else {})
        score = float(result.data[f"score_{kind}"].sel(index)[int(position)])
        assert table["estimate"][row] == pytest.approx(score, abs=1e-12)


def test_some_heads_and_positions_are_part_of_all():
    model = tiny("llama")
    every = estimated(model, at.z[:], each=("layer", "head", "position")).data["score"]
    some = estimated(model, at.z[1:, [0, 3]] @ [2, -1]).data["score"]
    expected = every.sel(layer=[1, 2], head=[0, 3]).isel(position=[2, 8]).sum("position")
    assert some.values == pytest.approx(expected.values, abs=1e-12)
    assert some["head"].values.tolist() == [0, 3]


def test_the_metric_that_an_estimate_predicts_and_its_score_say_the_same():
    for direction, start in (("noise", "clean"), ("denoise", "corrupt")):
        data = estimated(tiny("llama"), direction=direction).data
        goal = {"clean": "corrupt", "corrupt": "clean"}[start]
        way = data[goal] - data[start]
        assert data["metric"].values == pytest.approx((data[start] + data["score"] * way).values, abs=1e-9)


def test_a_rotation_has_its_places_effects():
    model = tiny("gpt2")
    d = model.d_model
    turn = torch.linalg.qr(torch.randn(d, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    turned = iw.rotation("turned", turn)
    plain = estimated(model, at.resid_post[:]).data["score"]
    found = estimated(model, at.resid_post[:].via(turned), each=("layer", "position", "feature"), exact=6)
    assert found.data["score"].sum("feature").values == pytest.approx(plain.values, abs=EXACT)
    assert max(found.tables["exact"]["feature"]) > 5


def test_prompts_aligned_by_role_move_values_between_their_roles():
    model = tiny("llama")
    clean = model.prompt([5, 6, 7, 8, 9, 10], spans={"who": [1, 2], "end": [5]})
    corrupt = model.prompt([5, 16, 8, 19, 10], spans={"who": [1], "end": [4]})
    aligned = iw.Pair(clean, corrupt, align="role")
    to_base = {c: (k, c) for c, k in aligned.map}
    runs = {"noise": model.run(corrupt, capture=at.z[:]), "denoise": model.run(clean, capture=at.z[:])}
    for direction, base in (("noise", clean), ("denoise", corrupt)):
        options = {"metric": METRIC, "direction": direction, "each": ("layer", "head", "position"), "exact": 1000}
        result = attribution_patching(model, aligned, sites=at.z[:], progress=False, **options)
        score = result.data["score"]
        unaligned = [p for p in range(6) if p not in to_base]
        assert unaligned and score.isel(position=unaligned).isnull().all()
        goal = float(model.measure(corrupt if direction == "noise" else clean, METRIC))
        start = float(model.measure(base, METRIC))
        table = result.tables["exact"]
        for row in range(0, len(table["exact"]), 7):
            layer, head, position = (table[name][row] for name in ("layer", "head", "position"))
            there, here = to_base[position] if direction == "noise" else to_base[position][::-1]
            value = runs[direction][at.z[layer, head] @ there]
            changed = float(model.measure(base, METRIC, edits=[edit.set(at.z[layer, head] @ here, value)]))
            assert table["exact"][row] == pytest.approx((changed - start) / (goal - start), abs=1e-8)


def test_what_is_too_large_for_a_picture_is_listed_and_what_is_not_patched_stays_empty():
    model = tiny("gpt2")
    wide = iw.Result(
        data={"score": xarray.DataArray(np.linspace(-3, 2, 600).reshape(2, 300), dims=("layer", "neuron"))}
    )
    listed = with_views(wide).views["score"]
    assert listed.kind == "table"
    by_position = estimated(model, at.z[:], each=("layer", "head", "position"))
    assert by_position.views["score"].kind == "heatmap"
    clean = model.prompt([5, 6, 7, 8, 9, 10], spans={"who": [1, 2], "end": [5]})
    corrupt = model.prompt([5, 16, 8, 19, 10], spans={"who": [1], "end": [4]})
    aligned = iw.Pair(clean, corrupt, align="role")
    result = attribution_patching(model, aligned, at.resid_post[:], metric=METRIC, exact=0)
    missing = result.data["score"].isnull().values
    drawn = np.isnan(np.asarray(result.views["score"].arrays["values"], dtype=float))
    assert missing.any() and (drawn == missing).all()


def test_groups_of_examples_may_have_other_kinds_of_place_among_the_exact_ones():
    model = tiny("llama")
    rows = [*families.ids(2, 9, seed=8).tolist(), *families.ids(2, 6, seed=9).tolist()]
    pairs = [(model.prompt(a), model.prompt(b)) for a, b in zip(rows[::2], rows[1::2], strict=True)]
    result = attribution_patching(model, pairs, sites=[at.q[:], at.k[:]], metric=METRIC, exact=1)
    table = result.tables["exact"]
    assert set(table["example"]) == {0, 1} and {"head", "kv_head"} <= set(table.columns)


def test_paths_under_standing_edits_are_the_edited_models_own():
    """A path begins at its own block, and an edit before it must have been at work nevertheless."""
    model = tiny("llama")
    edited = model.with_edits(
        edit.add(at.resid_post[0], torch.ones(model.d_model, dtype=torch.float64)), edit.zero(at.z[1, 0])
    )
    start, goal = (float(edited.measure(ids, METRIC)) for ids in IDS)
    last = at.resid_post[model.n_layers - 1] @ -1
    found = estimated(edited, last, method="integrated", steps=40).data["score"]
    assert float(found.sum()) == pytest.approx(1, abs=1e-3) and abs(goal - start) > 0.01


def test_several_pairs_are_each_what_they_are_alone():
    model = tiny("gpt2")
    rows = [*families.ids(4, 9, seed=8).tolist(), *families.ids(2, 6, seed=9).tolist()]
    pairs = [(model.prompt(a), model.prompt(b)) for a, b in zip(rows[::2], rows[1::2], strict=True)]
    options = {"metric": METRIC, "method": "star", "progress": False, "exact": 8}
    together = attribution_patching(model, pairs, sites=[at.q[:], at.k[:]], **options)
    for number, one in enumerate(pairs):
        alone = attribution_patching(model, one, sites=[at.q[:], at.k[:]], **options)
        for name in ("score_q", "size_k", "metric_q"):
            assert together.data[name].sel(example=number).values == pytest.approx(alone.data[name].values, abs=EXACT)
    assert set(together.tables["exact"]["example"]) == {0, 1, 2}
    gaps = together.data["gap"].values
    ratio = np.tensordot(gaps, together.data["score_q"].values, 1) / gaps.sum()
    assert together.data["score_q_mean"].values == pytest.approx(ratio)
    assert {"score_q", "agreement"} <= set(together.views)


@pytest.mark.parametrize("family", ["gpt2", "llama", "mixtral"])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_patched_exactly_says_how_well_estimates_agree(family, method):
    result = estimated(tiny(family), method=method, exact=12)
    table = result.tables["exact"]
    named = {check.name: check.measured for check in result.checks}
    correlation = rank_correlation(table["estimate"], table["exact"])
    assert named["rank correlation with exact patching"] == pytest.approx(correlation)
    error = np.abs(table["estimate"] - table["exact"]).mean()
    assert named["mean absolute error against exact patching"] == pytest.approx(error)
    size = result.data["size" if method == "star" else "score"]
    strongest = abs(size).stack(unit=("layer", "head")).sortby("unit")
    top = strongest.isel(unit=np.argsort(-strongest.values)[:6])["unit"].values.tolist()
    assert set(top) <= set(zip(table["layer"], table["head"], strict=True))


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, 40).astype(float), rng.integers(0, 9, 40).astype(float)
    assert rank_correlation(one, one**3) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)
    ranks = [np.array([(v < x).sum() + ((v == x).sum() - 1) / 2 for x in v]) for v in (one, other)]
    assert rank_correlation(one, other) == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert np.isnan(rank_correlation(np.ones(4), one[:4]))


def test_the_cost_is_counted():
    model = tiny("gpt2")
    spent = {}
    for name, options in {
        "plain": {},
        "star": {"method": "star"},
        "star q k": {"method": "star", "sites": [at.q[:], at.k[:]]},
        "integrated": {"method": "integrated", "steps": 4},
    }.items():
        cost = estimated(model, **options).provenance.cost
        spent[name] = (cost.forwards, cost.backwards)
    blocks = model.n_layers
    assert spent["plain"] == (3, 1)
    assert spent["star"] == (3, 2 + blocks - 1)
    assert spent["star q k"] == (5, 2 + blocks - 1)
    assert spent["integrated"] == (2 + blocks, blocks)


def test_experts_are_patched_by_number_and_not_by_slot():
    model = tiny("mixtral")
    result = estimated(model, at.expert_out[:], exact=8)
    assert result.data["score"].dims == ("layer", "expert")
    with pytest.raises(SiteError, match="laid out by slot"):
        estimated(model, at.routed_out[:])


def test_what_cannot_be_estimated_is_refused():
    model = tiny("llama")
    for site in (at.pattern[:], at.scores[1], at.module("model.norm")):
        with pytest.raises(SiteError, match="have a position for each token"):
            estimated(model, site)
    with pytest.raises(SiteError, match="no 'neuron' here; choose from"):
        estimated(model, at.z[:], each=("layer", "neuron"))
    with pytest.raises(SiteError, match="one layer at a time"):
        estimated(model, at.z[:], each=("head",))
    with pytest.raises(SiteError, match="z is named twice"):
        estimated(model, [at.z[0], at.z[1]])
    with pytest.raises(SiteError, match="name a place"):
        estimated(model, [])
    with pytest.raises(SiteError, match="position 9 does not exist"):
        estimated(model, at.z[:] @ 9)
    with pytest.raises(InnerworksError, match="exact=-1"):
        estimated(model, exact=-1)
    with pytest.raises(OptionError, match="method='fast'"):
        estimated(model, method="fast")
    with pytest.raises(MetricError, match="say what to measure"):
        estimated(model, metric=None)
    with pytest.raises(MetricError, match="no gradient"):
        estimated(model, metric=iw.rank(TARGET))
    with pytest.raises(MetricError, match="same .* after both prompts"):
        estimated(model, metric=iw.custom(lambda logits: logits[:, 0] * 0))
    with pytest.raises(SiteError, match="norm over all heads of olmo2.*at.k_rot"):
        estimated(tiny("olmo2"), at.k[:], method="star")
    with pytest.raises(SiteError, match="router_index"):
        estimated(tiny("mixtral"), at.router_index[:])
    with pytest.raises(InnerworksError, match="cannot be held while the stream passes"):
        estimated(iw.load(families.module_of("minimax")), at.z[[1, 3]], method="star", exact=0)


# -- a real model ---------------------------------------------------------------------------------------------------

PAIR = (
    "When Mary and John went to the store, John gave a drink to",
    "When Mary and John went to the store, Mary gave a drink to",
)


@pytest.fixture(scope="module")
def smollm2():
    return iw.load("smollm2-135m-instruct-q4")


def real(model, **options):
    options = {"metric": iw.logit_diff(" Mary", " John"), "exact": 0, "progress": False} | options
    return attribution_patching(model, PAIR, **options)


def agreement(score, table, unit):
    """Rank correlation, mean absolute error and the exact scores, over all variants."""
    exact = np.zeros(score.shape)
    exact[table["layer"], table[unit]] = table["exact"]
    return rank_correlation(score.values.ravel(), exact.ravel()), float(abs(score.values - exact).mean()), exact


@pytest.mark.weights
def test_on_a_real_model_plain_flips_two_heads_that_the_path_finds(smollm2):
    plain = real(smollm2, sites=at.z[:], exact=270)
    correlation, _, exact = agreement(plain.data["score"], plain.tables["exact"], "head")
    assert correlation > 0.94
    ten = [set(np.argsort(-abs(values).ravel())[:10]) for values in (plain.data["score"].values, exact)]
    assert len(ten[0] & ten[1]) == 9
    path = real(smollm2, sites=at.z[[17, 20]], method="integrated", steps=5).data["score"]
    for layer, head in ((17, 4), (20, 0)):
        assert exact[layer, head] > 0.08
        assert float(plain.data["score"].sel(layer=layer, head=head)) < -0.01
        assert float(path.sel(layer=layer, head=head)) == pytest.approx(exact[layer, head], rel=0.2)


@pytest.mark.weights
def test_on_a_real_model_keys_need_the_softmax_made_anew(smollm2):
    options = {"sites": at.k[:], "direction": "denoise"}
    star = real(smollm2, method="star", exact=90, **options)
    _, error, exact = agreement(star.data["score"], star.tables["exact"], "kv_head")
    plain = real(smollm2, **options).data["score"]
    assert error * 8 < agreement(plain, star.tables["exact"], "kv_head")[1]
    assert abs(float(plain.sel(layer=24, kv_head=1))) < abs(exact[24, 1]) / 3
    assert float(star.data["score"].sel(layer=24, kv_head=1)) == pytest.approx(exact[24, 1], rel=0.05)


@pytest.mark.weights
def test_a_task_brings_its_metric_and_pairs_of_several_lengths(smollm2):
    task = iw.tasks.ioi(n=4, seed=0, corruption="swap")
    result = attribution_patching(smollm2, task, sites=at.z[20:], exact=6, progress=False)
    assert result.data["score"].sizes == {"example": 4, "layer": 10, "head": 9}
    assert set(result.tables["exact"]["example"]) == {0, 1, 2, 3}
