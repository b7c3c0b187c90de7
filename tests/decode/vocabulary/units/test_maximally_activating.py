"""What a unit is highest on is what looking at every activation says."""

import numpy as np
import pytest
import torch
import word_models
from word_models import KINDS, corpus, random_ids, tiny

import innerworks as iw
from innerworks import at
from innerworks.data.corpus.passes import PassStopped
from innerworks.decode.vocabulary.units.maximally_activating import maximally_activating
from innerworks.decode.vocabulary.units.views import unit_views
from innerworks.errors import FileError, InnerworksError, NonFiniteError, OptionError, PromptError, SiteError

WIDTH, TOKENS = 11, 500
OPTIONS = {"top": 6, "lowest": 3, "window": 3, "draws": 2, "at_once": 40, "sample": 120, "seed": 4}


def directions(model):
    torch.manual_seed(0)
    stream = iw.direction("somewhere", torch.randn(model.d_model, dtype=torch.float64))
    plane = iw.subspace("plane", torch.randn(3, model.d_model, dtype=torch.float64))
    head = iw.direction("of a head", torch.randn(model.d_head, dtype=torch.float64))
    return stream, plane, head


def asked(model):
    """Units of every kind, with what they are of the whole site: a function of its values."""
    stream, plane, head = directions(model)
    found = {
        at.z[1, 0]: (at.z[1], lambda v: v[:, :, 0].norm(dim=-1)),
        at.z[1, 1].via(head): (at.z[1], lambda v: v[:, :, 1] @ head.read[0]),
        at.head_out[0, 1]: (at.head_out[0], lambda v: v[:, :, 1].norm(dim=-1)),
        at.head_out[0, 0].via(stream): (at.head_out[0], lambda v: v[:, :, 0] @ stream.read[0]),
        at.resid_post[1].via(plane, 2): (at.resid_post[1], lambda v: v @ plane.read[2]),
        at.resid_post[0]: (at.resid_post[0], lambda v: v.norm(dim=-1)),
        at.norm_scale["attn", 0]: (at.norm_scale["attn", 0], lambda v: v),
    }
    kinds = ("router",) if "neurons" in model.anatomy.missing else ("neurons", "neuron_pre")
    for kind in kinds:
        for layer, unit in ((1, 5), (0, 2), (1, 1)):
            whole = getattr(at, kind)[layer]
            found[getattr(at, kind)[layer, unit % 2 if kind == "router" else unit]] = (
                whole,
                lambda v, u=unit: v[:, :, u % 2 if v.shape[-1] < 8 else u],
            )
    return {site: found[site] for site in found if site.name not in model.anatomy.missing}


def every_activation(model, contexts, whole, of):
    rows = [model.run(contexts.tensor(batch), capture=whole, logits=None)[whole] for batch in contexts.batches(40)]
    return of(torch.cat(rows)).numpy()


def window_of(values, row, position, size):
    columns = range(position - size, position + size + 1)
    return np.array([values[row, c] if 0 <= c < values.shape[1] else np.nan for c in columns])


def highest_by_hand(values, ids, top, window, skip):
    """Each context's highest token, one for what reads the same, by looking at all of them."""
    best: dict[tuple[int, ...], tuple[float, int, int]] = {}
    for row in range(len(values)):
        position = skip + int(values[row, skip:].argmax())
        key = tuple(ids[row, max(0, position - window) : position + 1])
        found = (values[row, position], row, position)
        if key not in best or found[0] > best[key][0]:
            best[key] = found
    return sorted(best.values(), key=lambda one: (-one[0], one[1]))[:top]


@pytest.mark.parametrize("family", KINDS)
def test_every_unit_is_as_looking_at_every_activation_says(family):
    model = tiny(family)
    text = corpus(random_ids(TOKENS), WIDTH)
    contexts, units = text.contexts(model), asked(model)
    result = maximally_activating(model, text, list(units), **OPTIONS)
    assert result.data["max"].unit.values.tolist() == [str(site) for site in units]
    for number, (site, (whole, of)) in enumerate(units.items()):
        values = every_activation(model, contexts, whole, of)
        close = {"rtol": 1e-9, "atol": 1e-9, "err_msg": str(site)}
        found = {name: array.values[number] for name, array in result.data.items()}
        for name, sign in (("highest", 1), ("lowest", -1)):
            expected = highest_by_hand(sign * values, contexts.ids, OPTIONS["top" if sign > 0 else "lowest"], 3, 1)
            np.testing.assert_allclose(found[name], [sign * value for value, _, _ in expected], **close)
            assert found[f"{name}_context"].tolist() == [row for _, row, _ in expected], site
            assert found[f"{name}_position"].tolist() == [position for _, _, position in expected], site
            for rank, (_, row, position) in enumerate(expected):
                np.testing.assert_allclose(found[f"{name}_window"][rank], window_of(values, row, position, 3), **close)
                ids = np.nan_to_num(window_of(contexts.ids.astype(float), row, position, 3), nan=-1)
                assert found[f"{name}_ids"][rank].tolist() == ids.tolist()
        counted = values[:, 1:]
        for name, expected in {
            "mean": counted.mean(),
            "deviation": counted.std(),
            "min": counted.min(),
            "max": counted.max(),
            "active": (counted > 0).mean(),
        }.items():
            np.testing.assert_allclose(found[name], expected, **close)
        width = float(found["bin_width"])
        bins = result.data["tokens_in_bin"].bin.values
        by_hand = [((counted >= b * width) & (counted < (b + 1) * width)).sum() for b in bins]
        assert found["tokens_in_bin"].tolist() == by_hand and sum(by_hand) == counted.size
        assert 32 * width <= np.abs(counted).max() < 64 * width
        check_quantiles(found, values, contexts, result.data["sample"]["quantile"].values)


def check_quantiles(found, values, contexts, quantiles):
    rows = np.sort(np.random.default_rng(4).choice(len(contexts), 11, replace=False))  # 11 contexts of 11 tokens: 120
    drawn = np.sort(values[rows, 1:].ravel())
    for line, quantile in enumerate(quantiles):
        rank = round(quantile * (len(drawn) - 1))
        np.testing.assert_allclose(found["quantile_value"][line], drawn[rank], rtol=1e-9, atol=1e-9)
        for draw in range(2):
            row, position = found["sample_context"][line, draw], found["sample_position"][line, draw]
            assert row in rows and position >= 1
            value = values[row, position]
            near = drawn[max(0, rank - 1 - draw) : rank + 2 + draw]
            assert near[0] - 1e-9 <= value <= near[-1] + 1e-9
            np.testing.assert_allclose(found["sample"][line, draw], value, rtol=1e-9, atol=1e-9)
            around = window_of(values, row, position, 3)
            np.testing.assert_allclose(found["sample_window"][line, draw], around, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", ["mamba", "jamba", "bloom", "gpt_oss", "qwen3_next"])
def test_architectures_of_other_kinds_have_units_too(family):
    model, text = tiny(family, torch.float32), corpus(random_ids(160), 8)
    layer = model.layers_with("mixer_out")[0] if model.layers_with("mixer_out") else 0
    sites = [at.mixer_out[layer] if model.layers_with("mixer_out") else at.attn_out[0], at.resid_post[-1]]
    result = maximally_activating(model, text, sites, window=2)
    for number, site in enumerate(sites):
        values = every_activation(model, text.contexts(model), site, lambda v: v.norm(dim=-1))[:, 1:]
        assert result.data["max"].values[number] == pytest.approx(values.max(), rel=1e-4), site


def test_a_corpus_smaller_than_the_sample_gives_its_exact_quantiles():
    model, text = tiny("llama"), corpus(random_ids(200), 8)
    result = maximally_activating(model, text, at.neurons[0, 3], quantiles=(0.0, 0.5, 1.0), window=2)
    values = every_activation(model, text.contexts(model), at.neurons[0], lambda v: v[:, :, 3])[:, 1:]
    expected = [values.min(), np.sort(values.ravel())[round(0.5 * (values.size - 1))], values.max()]
    np.testing.assert_allclose(result.data["quantile_value"].values[0], expected, rtol=1e-12)
    assert result.data["highest"].values[0, 0] == result.data["max"].values[0] == result.data["sample"].values[0, 2, 0]


@pytest.mark.parametrize("kind", ["neurons", "z", "resid_post"])
def test_units_named_together_are_those_named_one_by_one(kind):
    model, text = tiny("llama"), corpus(random_ids(200), 8)
    plane = directions(model)[1]
    site = {"neurons": at.neurons[:, [2, 5]], "z": at.z[1], "resid_post": at.resid_post[0].via(plane)}[kind]
    together = maximally_activating(model, text, site, window=2)
    labels = together.data["max"].unit.values.tolist()
    single = [maximally_activating(model, text, at(one, bases={"plane": plane}), window=2) for one in labels]
    assert len(labels) == {"neurons": 2 * model.n_layers, "z": model.n_heads, "resid_post": 3}[kind]
    for name in ("highest", "highest_window", "quantile_value", "tokens_in_bin"):
        values = np.concatenate([one.data[name].values for one in single])
        np.testing.assert_allclose(together.data[name].values, values, rtol=1e-12, atol=1e-12)


def test_the_neurons_of_an_expert_are_units():
    model, text = tiny("mixtral"), corpus(random_ids(200), 8)
    result = maximally_activating(model, text, at.expert_neurons[1, 0], window=2)
    values = every_activation(model, text.contexts(model), at.expert_neurons[1], lambda v: v[:, :, 0])[:, 1:]
    assert result.data["max"].unit.values[3] == "expert_neurons.1.0 neuron 3"
    np.testing.assert_allclose(result.data["max"].values, values.max((0, 1)), rtol=1e-9)


def test_a_planted_neuron_is_found_on_its_bigram():
    import innerworks.lab.handbuilt.gpt2_weights as handbuilt

    built = handbuilt.gpt2(dtype=torch.float64)
    first, second = 5, 9
    stream, mlp = built.stream, built.model.transformer.h[1].mlp
    with torch.no_grad():
        mlp.c_fc.weight[:, 3] = (stream.write("prev")[first] + stream.write("tok")[second]).double()
        mlp.c_fc.weight[:, 4] = stream.write("tok")[second].double()
    model = iw.load(built.model, tokenizer=word_models.words(built.model.config.vocab_size))
    ids = random_ids(600, size=12, seed=2)
    text = corpus(ids, 10)
    contexts = text.contexts(model)
    result = maximally_activating(model, text, at.neurons[1, [3, 4]], window=2, top=8)
    rows, columns = np.nonzero((contexts.ids[:, 1:] == second) & (contexts.ids[:, :-1] == first))
    assert len(rows) > 2, "the text has the bigram"
    ids, highest = result.data["highest_ids"].values, result.data["highest"].values
    found = ids[0, :, 1:3].tolist()
    there = len({tuple(contexts.ids[r, max(0, c - 1) : c + 2]) for r, c in zip(rows, columns, strict=True)})
    expected = min(8, len(set(rows.tolist())), there)
    assert found[:expected] == [[first, second]] * expected
    others = [value for value, pair in zip(highest[0], found, strict=True) if pair != [first, second]]
    assert all(value < highest[0, expected - 1] * 0.8 for value in others)
    assert {one for one in ids[1, :, 2].tolist()} == {second}


def test_contexts_that_read_the_same_are_kept_once():
    model = tiny("llama", torch.float32)
    ids = random_ids(32, seed=1) * 6 + random_ids(64, seed=2)
    result = maximally_activating(model, corpus(ids, 8), at.neurons[0, :4], window=7, top=12)
    for number in range(4):
        seen = [tuple(one) for one in result.data["highest_ids"].values[number, :, :8].tolist() if max(one) >= 0]
        assert len(seen) == len(set(seen))
        rows = result.data["highest_context"].values[number]
        assert np.isnan(result.data["highest"].values[number][rows < 0]).all()
        assert (rows >= 0).sum() == 12, "4 contexts come six times, and 8 once"


def test_the_model_stops_behind_the_deepest_unit():
    model, ran = tiny("llama"), []
    handle = model.anatomy.blocks[1].register_forward_hook(lambda *_: ran.append(1))
    try:
        maximally_activating(model, corpus(random_ids(100), 8), at.neurons[0, 1])
        assert not ran
        result = maximally_activating(model, corpus(random_ids(100), 8), at.neurons[1, 1], at_once=16)
        assert result.provenance.cost.forwards == 7, "six of two contexts, and one to see what the site is like"
    finally:
        handle.remove()


def test_a_unit_that_never_fires_says_so():
    import families

    module = families.build("gpt2", activation_function="relu", dtype=torch.float64)
    with torch.no_grad():
        module.transformer.h[0].mlp.c_fc.weight[:, 7] = 0
        module.transformer.h[0].mlp.c_fc.bias[7] = -1
    model = iw.load(module, tokenizer=word_models.words(module.config.vocab_size))
    result = maximally_activating(model, corpus(random_ids(100), 8), at.neurons[0, [6, 7]])
    check = next(one for one in result.checks if one.name == "units that are never active")
    assert (check.measured, check.verdict, check.note) == (1, "fail", "never above 0 on this text: neurons.0.7")
    assert result.data["active"].values[1] == 0 and result.data["max"].values[1] == 0
    views = unit_views(result, "neurons.0.7")
    assert views["histogram"].arrays["y"].max() == np.log10(1 + 12 * 7)
    fine = maximally_activating(model, corpus(random_ids(100), 8), at.neurons[0, 6])
    assert not fine.failed


def test_standing_edits_are_seen():
    model, text = tiny("llama"), corpus(random_ids(100), 8)
    edited = model.with_edits(iw.edit.zero(at.neurons[0, 1]))
    assert maximally_activating(edited, text, at.neurons[0, [1, 2]]).data["max"].values[0] == 0
    deeper = [maximally_activating(one, text, at.neurons[1, 1]).data["max"].item() for one in (model, edited)]
    assert deeper[0] != deeper[1]


def test_an_activation_that_is_no_number_is_an_error():
    import families

    module = families.build("llama", dtype=torch.float64)
    with torch.no_grad():
        module.model.layers[0].mlp.up_proj.weight[1, 0] = torch.nan
    model = iw.load(module, tokenizer=word_models.words(module.config.vocab_size))
    with pytest.raises(NonFiniteError, match="mlp"):
        maximally_activating(model, corpus(random_ids(100), 8), at.neurons[0, 1])


def test_units_are_written_as_text():
    technique = maximally_activating.technique
    options = {one.name: one for one in technique.options}
    given = options["units"].parse("neurons.0.1, z.1.0, resid_post.:")
    assert list(given) == [at.neurons[0, 1], at.z[1, 0], at.resid_post[:]]
    assert options["quantiles"].parse("0.5, 0.99") == (0.5, 0.99)
    result = maximally_activating(tiny("llama"), corpus(random_ids(100), 8), given)
    assert result.provenance.options["units"] == ["neurons.0.1", "z.1.0", "resid_post.:"]
    assert len(result.data["max"]) == 5


def test_a_module_of_any_kind_is_a_place():
    model, text = tiny("llama"), corpus(random_ids(100), 8)
    site = at.module("model.layers.1.mlp.act_fn").output
    one, same = (maximally_activating(model, text, asked) for asked in (site, at.gate[1]))
    values = every_activation(model, text.contexts(model), site, lambda v: v.norm(dim=-1))[:, 1:]
    assert one.data["max"].item() == pytest.approx(values.max()) and len(same.data["max"]) > 5


def test_half_precision_is_kept_in_float32():
    model = tiny("llama", torch.bfloat16)
    result = maximally_activating(model, corpus(random_ids(100), 8), [at.neurons[0, 1], at.z[0, 1]])
    values = every_activation(model, corpus(random_ids(100), 8).contexts(model), at.neurons[0], lambda v: v.float())
    assert result.data["highest"].dtype == np.float32
    assert result.data["max"].values[0] == pytest.approx(values[:, 1:, 1].max(), rel=0.05)


def test_a_result_saves_and_reopens_with_its_views(tmp_path):
    model, text = tiny("gpt2"), corpus(random_ids(200), 8)
    result = maximally_activating(model, text, [at.neurons[0, 1], at.z[1, 0]], window=2, lowest=2)
    result.save(tmp_path / "units")
    opened = iw.open(tmp_path / "units")
    assert opened.data.keys() == result.data.keys() and opened.provenance.prompt == text.written()
    for name, array in result.data.items():
        assert array.equals(opened.data[name]) and array.dtype == opened.data[name].dtype, name
    for unit in ("neurons.0.1", "z.1.0"):
        for name, view in unit_views(result, unit).items():
            assert view.to_json() == unit_views(opened, unit)[name].to_json()
    strip = unit_views(opened, at.neurons[0, 1])["highest"]
    first = result.data["highest_ids"].values[0, 0]
    assert strip.arrays["tokens"].tolist()[: (first >= 0).sum()] == [f"w{one}" for one in first if one >= 0]
    windows = unit_views(opened, "neurons.0.1")["windows"].arrays
    assert windows["activation"][0] == result.data["max"].values[0] and "[w" in windows["text"][0]
    assert f"[w{first[2]}]" in windows["text"][0] and windows["token"][0] == f"w{first[2]}"
    assert "Units" in result.text() or result.tables["units"]["unit"] == ["neurons.0.1", "z.1.0"]
    with pytest.raises(InnerworksError, match=r"no unit 'z.0.0' in this result; it has neurons.0.1, z.1.0"):
        unit_views(result, "z.0.0")
    with pytest.raises(InnerworksError, match="no result of maximally_activating"):
        unit_views(iw.Result(), "z.0.0")


def test_files_and_patterns_are_a_corpus(tmp_path):
    model = tiny("gpt2")
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(word_models.text(random_ids(60, seed=number)))
    pattern = f"{tmp_path}/*.txt, context=8, limit=120"
    given = [pattern, iw.Corpus(f"{tmp_path}/*.txt", context=8, limit=120)]
    first, second = (maximally_activating(model, one, at.neurons[0, 1]) for one in given)
    assert first.data["highest"].equals(second.data["highest"])
    assert first.provenance.prompt == pattern == second.provenance.prompt
    assert iw.Corpus.parse(pattern) == given[1] and iw.Corpus.parse("a.txt, field=body").field == "body"
    with pytest.raises(InnerworksError, match="context=many: give a whole number"):
        iw.Corpus.parse("a.txt, context=many")
    assert maximally_activating.technique.eats == "Corpus"


def test_ctrl_c_keeps_what_there_is(tmp_path):
    model, text = tiny("llama"), corpus(random_ids(300), 8)

    def stop_after(count):
        def tell(done, total):
            if done >= count:
                raise KeyboardInterrupt

        return tell

    units = [at.neurons[1, 2], at.z[0, 1]]
    options = {"window": 2, "at_once": 24, "out": tmp_path / "kept"}
    with pytest.raises(PassStopped, match="stopped after 12 of 37 contexts.*the same call goes on") as stopped:
        maximally_activating(model, text, units, progress=stop_after(12), **options)
    partial, some = stopped.value.partial, corpus(random_ids(300), 8, limit=96)
    expected = maximally_activating(model, some, units, window=2, at_once=24)
    for name in ("highest", "highest_window", "mean", "tokens_in_bin"):
        assert np.array_equal(partial.data[name].values, expected.data[name].values, equal_nan=True), name
    assert partial.provenance.technique == "maximally_activating" and partial.views
    whole = maximally_activating(model, text, units, window=2, at_once=24)
    resumed = maximally_activating(model, text, units, **options)
    with pytest.raises(PassStopped) as none_drawn:
        maximally_activating(model, text, units, sample=8, seed=1, at_once=8, window=2, progress=stop_after(1))
    assert np.isnan(none_drawn.value.partial.data["quantile_value"].values).all()
    assert all(array.equals(resumed.data[name]) for name, array in whole.data.items())
    with pytest.raises(KeyboardInterrupt) as early:
        maximally_activating(model, text, units, progress=stop_after(0), window=2)
    assert "give out= a folder" in str(early.value)
    with pytest.raises(InnerworksError, match="give out="):
        maximally_activating(model, text, units, resume=stopped.value)


@pytest.mark.parametrize(
    ("units", "match"),
    [
        ([], "name units as sites"),
        (3, "name units as sites"),
        ([at.neurons[0, 1], 7], "7 is not a site"),
        (at.pattern[0, 1], "a number for every pair of tokens"),
        (at.logits, "no unit of it"),
        (at.neurons[0, 1] @ -1, "leave out @"),
        ([at.neurons[0, 1], at.neurons[0]], r"neurons.0.1 is named twice"),
        (at.neurons[0, 10_000], "10000"),
        (at.router[0, 1], "llama has no router"),
        (at.neurons[0, 1].via(iw.direction("d", torch.ones(40))), "leave out which"),
        (at.resid_post[0].via(iw.direction("d", torch.ones(7))), "'d' is for vectors of 7 numbers, and here they have"),
        (at.module("lm_head").output @ 2, "leave out @"),
    ],
)
def test_what_is_no_unit_is_refused(units, match):
    with pytest.raises(SiteError, match=match):
        maximally_activating(tiny("llama"), corpus(random_ids(100), 8), units)


def test_two_bases_of_one_name_are_refused():
    model = tiny("llama")
    one, other = (iw.direction("same", torch.randn(model.d_model)) for _ in range(2))
    with pytest.raises(SiteError, match=r"resid_post.0\|same is named twice.*each basis in its own way"):
        maximally_activating(
            model, corpus(random_ids(100), 8), [at.resid_post[0].via(one), at.resid_post[0].via(other)]
        )


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"top": 0}, "top=0"),
        ({"window": -1}, "window=-1"),
        ({"draws": 0}, "draws=0"),
        ({"skip": 8}, "nothing is left of contexts of 8 tokens"),
        ({"quantiles": (0.5, 1.5)}, r"quantiles=\[0.5, 1.5\]"),
        ({"quantiles": ()}, r"quantiles=\[\]"),
        ({"quantiles": (0.5, 0.5)}, "name each once"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, match):
    with pytest.raises(OptionError, match=match):
        maximally_activating(tiny("llama"), corpus(random_ids(100), 8), at.neurons[0, 1], **options)


def test_what_is_no_corpus_is_refused(tmp_path):
    model = tiny("llama")
    for given, error, match in (
        (corpus(random_ids(7), 8), PromptError, "7 tokens, which is less than one context of 8"),
        (17, PromptError, "this goes through a corpus: give iw.Corpus"),
        (["a text", 3], PromptError, "not list"),
        (f"{tmp_path}/none-*.txt, context=8", FileError, "there is no text at"),
    ):
        with pytest.raises(error, match=match):
            maximally_activating(model, given, at.neurons[0, 1])
