"""A lens shows what the plain model's own norm and unembedding make of a state, and where it says what it says."""

import families
import numpy as np
import pytest
import torch

import innerworks as iw
from innerworks import at, edit
from innerworks.decode.vocabulary.lenses import distributions
from innerworks.decode.vocabulary.lenses.distributions import largest
from innerworks.decode.vocabulary.lenses.logit_lens import logit_lens
from innerworks.errors import MetricError, OptionError, SiteError
from innerworks.lab import handbuilt
from innerworks.localize.components.direct.direct_logit_attribution import direct_logit_attribution

KINDS = ("gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "mixtral")
IDS = families.ids(1, 7)[0].tolist()
EXACT = 1e-6
"""Most families' norms divide in float32, also in a float64 model."""


def tiny(family):
    return iw.load(families.module_of(family, dtype=torch.float64))


def read_by_hand(module, family, state):
    """Logits of one state, by the module's own parts and the family's config."""
    config = module.config
    inner = module.transformer if hasattr(module, "transformer") else getattr(module, "gpt_neox", None) or module.model
    norm = next(getattr(inner, name) for name in ("ln_f", "final_layer_norm", "norm") if hasattr(inner, name))
    logits = module.get_output_embeddings()(norm(state))
    cap = getattr(config, "final_logit_softcapping", None)
    return torch.tanh(logits / cap) * cap if cap else logits


@pytest.mark.parametrize("family", KINDS)
def test_every_number_is_that_of_the_plain_models_head(family):
    model = tiny(family)
    result = logit_lens(model, IDS, target=5, top=3)
    assert not result.failed, result.failed
    hidden = model.run(IDS, capture=[at.embed, at.resid_post[:]])
    with torch.no_grad():
        final = read_by_hand(model.module, family, hidden[at.resid_post[model.n_layers - 1]][0]).log_softmax(-1)
        for place in result.data["kl"]["place"].values:
            logits = read_by_hand(model.module, family, hidden[at(place)][0])
            here = logits.log_softmax(-1)
            expected = {
                "logit": logits[:, 5],
                "log_prob": here[:, 5],
                "rank": (logits >= logits[:, 5:6]).sum(-1) - 1,
                "entropy": -(here.exp() * here).sum(-1),
                "kl": (final.exp() * (final - here)).sum(-1),
                "kl_back": (here.exp() * (here - final)).sum(-1),
                "top_prob": here.exp().topk(3, -1).values,
            }
            for name, values in expected.items():
                found = result.data[name].sel(place=place).values
                assert found == pytest.approx(values.numpy(), abs=EXACT), (place, name)
            words = [[f"<{one}>" for one in row] for row in here.topk(3, -1).indices.tolist()]
            assert result.data["top_token"].sel(place=place).values.tolist() == words
    assert result.data["rank"]["layer"].values.tolist() == [-1, *range(model.n_layers)]


@pytest.mark.parametrize("family", KINDS)
def test_where_later_blocks_do_nothing_the_lens_is_the_prediction(family):
    model = tiny(family)
    silent = model.with_edits(*(edit.zero(site[1:]) for site in (at.attn_out, at.mlp_out)))
    found = logit_lens(silent, IDS).data
    assert found["kl"].sel(place=["resid_post.0", "resid_post.1", "resid_post.2"]).values == pytest.approx(0, abs=EXACT)
    assert (found["kl"].sel(place="embed") > 1e-4).any()
    assert (found["decided"] <= 0).all()


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma"])
def test_in_the_handbuilt_models_the_answer_appears_behind_induction(name):
    """The induction head stands in layer 1; what layer 2 takes off again does not change the order."""
    built = getattr(handbuilt, name)(dtype=torch.float64)
    model, ids = iw.load(built.model), built.sample()[0].tolist()
    found = logit_lens(model, ids, target="next").data
    repeated = slice(len(ids) // 2 + 1, len(ids) - 1)
    sure = np.exp(found["log_prob"])[:, repeated]
    assert sure.sel(place=["embed", "resid_post.0"]).values == pytest.approx(1 / model.n_vocab, abs=1e-3)
    assert (sure.sel(place=["resid_post.1", "resid_post.2"]) > 0.99).all()
    if name == "gpt2":  # elsewhere rounding breaks the ties before layer 1
        for which in ("first", "decided"):
            assert (found[which][repeated] == 1).all(), which
    assert found["rank"].isel(position=-1).isnull().all(), "behind the last token nothing comes"


def test_targets_are_what_the_user_says():
    model = tiny("llama")
    own = model.run(IDS).logits[0].argmax(-1).tolist()
    predicted = logit_lens(model, IDS).data["log_prob"]
    for position, token in enumerate(own):
        alone = logit_lens(model, IDS, target=token).data["log_prob"]
        assert predicted[:, position].values == pytest.approx(alone[:, position].values, abs=EXACT)
    following = logit_lens(model, IDS, target="next").data["rank"]
    for position, token in enumerate(IDS[1:]):
        alone = logit_lens(model, IDS, target=token).data["rank"]
        assert (following[:, position] == alone[:, position]).all()
    two, one, other = (logit_lens(model, IDS, target=one).data for one in ({5, 9}, 5, 9))
    assert (two["rank"] == np.minimum(one["rank"], other["rank"])).all()
    shares = np.exp(one["log_prob"]) + np.exp(other["log_prob"])
    assert np.exp(two["log_prob"].values) == pytest.approx(shares.values, abs=EXACT)
    whole = logit_lens(model, IDS, target=iw.whole([5, 9, 4])).data["log_prob"]
    longer = [*IDS, 5, 9]
    for position, token in zip((-3, -2, -1), (5, 9, 4), strict=True):
        alone = logit_lens(model, longer, target=token).data["log_prob"][:, position]
        assert whole[:, position].values == pytest.approx(alone.values, abs=EXACT)
    assert whole[:, :-3].isnull().all()
    rows = families.ids(2, 7).tolist()
    each = logit_lens(model, rows, target=[5, 9]).data["logit"]
    assert each[1].values == pytest.approx(logit_lens(model, rows[1], target=9).data["logit"].values, abs=EXACT)


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "mixtral"])
def test_what_parts_write_is_read_under_the_last_norm_as_direct_effects_are(family):
    model = tiny(family)
    sites = [at.attn_out[:], at.mlp_out[:], at.head_out[1]]
    read = logit_lens(model, IDS, [site @ -1 for site in sites], target=5, norm="final", top=0).data["logit"]
    direct = direct_logit_attribution(model, IDS, target=5, sources=False, neurons=0).data
    for layer in range(model.n_layers):
        for part in ("attn", "mlp"):
            expected = float(direct["component"].sel(component=f"{part} {layer}"))
            assert float(read.sel(place=f"{part}_out.{layer}")) == pytest.approx(expected, abs=EXACT)
    for head in range(model.n_heads):
        expected = float(direct["head"].sel(layer=1, head=head))
        assert float(read.sel(place=f"head_out.1.{head}")) == pytest.approx(expected, abs=EXACT)


def test_positions_that_are_named_are_read_alone():
    model = tiny("gpt2")
    every = logit_lens(model, IDS).data
    last, two = (logit_lens(model, IDS, at.resid_post[:] @ place).data for place in (-1, (3, 5)))
    assert last["kl"].dims == ("place",) and two["kl"].dims == ("place", "chosen")
    assert two["kl"]["chosen"].values.tolist() == [3, 5]
    kept = every["kl"].sel(place=last["kl"]["place"].values)
    assert last["kl"].values == pytest.approx(kept[:, -1].values, abs=EXACT)
    assert two["kl"].values == pytest.approx(kept[:, [3, 5]].values, abs=EXACT)
    assert float(last["decided"]) == float(every["decided"][-1])


@pytest.mark.parametrize("at_once, near", [(1, 1), (2, 7), (5, 3), (12, 1), (12, 4), (40, 3), (40, 11), (1000, 9)])
@pytest.mark.parametrize("options", [{}, {"target": 5}, {"norm": "final"}, {"target": 5, "spread": False}], ids=str)
def test_a_few_logits_at_a_time_give_the_same(monkeypatch, at_once, near, options):
    """In whatever pieces the distributions of four places are made, and go through the passes."""
    model, rows = tiny("llama"), families.ids(3, 9).tolist()
    whole = logit_lens(model, rows, **options).data
    monkeypatch.setattr(distributions, "_NUMBERS_AT_ONCE", at_once * model.n_vocab)
    monkeypatch.setattr(distributions, "_NUMBERS_NEAR", near * model.n_vocab)
    pieces = logit_lens(model, rows, **options)
    assert not pieces.failed, pieces.failed
    assert set(pieces.data) == set(whole)
    for name in set(whole) - {"top_token"}:
        assert pieces.data[name].values == pytest.approx(whole[name].values, abs=1e-10, nan_ok=True), name
    assert (pieces.data["top_token"] == whole["top_token"]).all()


def test_the_last_states_are_made_into_logits_once():
    """For what they say, for what others are compared with, and for the check: one row of each matrix product."""
    model = tiny("llama")
    made, head = [], model.module.get_output_embeddings()
    hook = head.register_forward_hook(lambda _, given, __: made.append(given[0].shape[:-1].numel()))
    logit_lens(model, IDS, at.resid_post[:] @ -1)
    hook.remove()
    assert made == [1, model.n_layers], "the model's own logits, and one product for all places"


@pytest.mark.parametrize("size, count", [(5000, 5), (5000, 1), (300, 7), (83, 10), (4096, 3)])
def test_the_largest_are_those_of_a_full_sort(size, count):
    values = torch.randn(20, size, generator=torch.Generator().manual_seed(size))
    values[3, : size // 2] = values[3].max() + 1  # many equal ones
    found, places = largest(values, count)
    assert torch.equal(found, values.topk(count).values)
    assert torch.equal(values.gather(1, places), found)
    assert all(len(set(row.tolist())) == count for row in places)


def test_prompts_of_unequal_length_meet_in_their_roles():
    model = tiny("llama")
    prompts = [
        iw.Prompt.from_ids(row.tolist()).with_span("subject", place).with_span("end", -1)
        for row, place in ((families.ids(1, 7)[0], [1, 2]), (families.ids(1, 9, seed=5)[0], [3]))
    ]
    result = logit_lens(model, prompts, target=5)
    alone = [logit_lens(model, prompt, target=5).data for prompt in prompts]
    ends = result.data["log_prob"].sel(position="end").values
    assert ends == pytest.approx(np.stack([one["log_prob"][:, -1].values for one in alone]), abs=EXACT)
    assert result.data["top_token"].shape[2] == 9 and result.data["top_token"].values[0, 0, 8, 0] == ""
    assert {"log_prob", "rank", "kl", "entropy"} <= set(result.views)


def test_what_users_see():
    result = logit_lens(tiny("gpt2"), IDS)
    assert result.views["words"].kind == "lens" and result.views["words"].arrays["rows"][-1] == "embed"
    assert result.views["words"].arrays["predictions"].shape == (4, 7)
    assert list(result.views["rank"].arrays["names"]) == ["at the last position", "mean over positions"]
    assert list(result.views["rank"].arrays["x"]) == ["embed", "0", "1", "2"], "numbers alone: names have no room"
    assert result.views["rank"].state["x_title"] == "resid_post"
    fixed = logit_lens(tiny("gpt2"), IDS, target=5)
    assert list(fixed.views["rank"].arrays["names"]) == ["at the last position"]
    few = logit_lens(tiny("gpt2"), IDS, top=0, spread=False).data
    assert set(few) == {"logit", "log_prob", "rank", "first", "decided"}


@pytest.mark.parametrize(
    "options, error, match",
    [
        ({"sites": at.z[:]}, SiteError, r"what a head adds to the stream is at.head_out"),
        ({"sites": at.neurons[0]}, SiteError, "does not depend on the prompt"),
        ({"sites": at.final_norm}, SiteError, "normed already"),
        ({"sites": at.resid_post}, SiteError, r"write at.resid_post\[:\]"),
        ({"sites": []}, SiteError, "name states of the stream"),
        ({"sites": at.resid_post[7]}, SiteError, "layer 7"),
        ({"sites": [at.resid_post[1], at.resid_post[:]]}, SiteError, "named twice"),
        ({"sites": [at.resid_post[1] @ -1, at.resid_post[0]]}, SiteError, "same positions"),
        ({"sites": at.resid_post[:] @ "subject"}, SiteError, "choose the role's tokens in the result"),
        ({"sites": at.resid_post[:] @ 9}, SiteError, "position 9"),
        ({"target": {5: 0.5}}, MetricError, "no weights"),
        ({"target": set()}, MetricError, "at least one token"),
        ({"target": [5, 6]}, MetricError, "2 targets for 1 prompts"),
        ({"top": -1}, SiteError, "top=-1"),
        ({"norm": "mine"}, OptionError, "norm='mine'"),
    ],
)
def test_what_cannot_be_read_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        logit_lens(tiny("gpt2"), IDS, **options)


def test_prompts_in_which_the_target_is_never_first_are_counted():
    model, rows = tiny("llama"), families.ids(6, 7).tolist()
    result = logit_lens(model, rows, at.resid_post[:] @ -1, target=5)
    never = int(result.data["first"].isnull().sum())
    assert never > 0
    named = {check.name: check for check in result.checks}
    check = named["prompts in which no place says the target first"]
    assert check.measured == never and "of 6" in check.note
    said = logit_lens(model, rows, at.resid_post[:] @ -1)
    assert "prompts in which no place says the target first" not in {check.name for check in said.checks}


def test_what_the_model_chooses_is_first_in_the_last_layer_also_where_others_tie():
    """In bfloat16 a few in a hundred predictions tie."""
    torch.manual_seed(0)
    logits = (torch.randn(400, 1, 3000) * 2).bfloat16()
    chosen = logits[:, 0].argmax(-1)
    assert (logits[:, 0] == logits[:, 0].amax(-1, keepdim=True)).sum() > 400, "some tie"
    found = distributions.statistics(logits, distributions.Wanted(targets=True), None, chosen[:, None])
    assert (found["rank"] == 0).all()
    order = torch.sort(logits[:, 0].float(), dim=-1, descending=True, stable=True).indices
    for place in (1, 7, 300):
        found = distributions.statistics(logits, distributions.Wanted(targets=True), None, order[:, [place]])
        assert (found["rank"] == place).all(), "as in a stable sort"
    module = families.module_of("gpt2", dtype=torch.bfloat16)
    model, rows = iw.load(module), families.ids(20, 9, seed=4).tolist()
    last = logit_lens(model, rows, at.resid_post[:]).data
    assert (last["rank"].isel(place=-1) == 0).all() and not last["decided"].isnull().any()


def test_where_there_are_no_numbers_there_is_no_rank():
    logits = torch.randn(3, 1, 83)
    logits[1] = torch.nan
    found = distributions.statistics(logits, distributions.Wanted(targets=True), None, torch.full((3, 1), 5))
    assert found["rank"].isnan().flatten().tolist() == [False, True, False]


@pytest.mark.parametrize(
    "sites",
    [
        [at.resid_post[2], at.resid_post[0], at.resid_post[1], at.embed],
        [at.resid_post[:], at.embed],
        [at.resid_pre[:], at.resid_post[2]],
    ],
    ids=str,
)
def test_where_the_answer_wins_does_not_depend_on_the_order_of_places(sites):
    model = tiny("llama")
    assert model.n_layers == 3
    usual, other = logit_lens(model, IDS).data, logit_lens(model, IDS, sites).data
    for name in ("first", "decided"):
        assert other[name].values.tolist() == usual[name].values.tolist(), name
    halves = logit_lens(model, IDS, [at.resid_mid[:], at.resid_post[:], at.embed]).data
    ranks = halves["rank"].sel(
        place=["embed", *(f"resid_{kind}.{layer}" for layer in range(3) for kind in ("mid", "post"))]
    )
    wins = (ranks == 0).values
    layers = np.array([-1, 0, 0, 1, 1, 2, 2], dtype=float)
    expected = [next(layers[place] for place in range(7) if wins[place:, column].all()) for column in range(len(IDS))]
    assert halves["decided"].values.tolist() == expected


def test_of_one_position_the_likeliest_words_of_each_place_are_shown():
    result = logit_lens(tiny("llama"), IDS, at.resid_post[:] @ -1, top=4)
    view = result.views["words"]
    assert view.arrays["rows"].tolist() == ["2", "1", "0"] and view.state["row_title"] == "resid_post"
    assert view.arrays["predictions"].tolist() == result.data["top_token"].values[::-1].tolist()
    assert view.arrays["values"].tolist() == result.data["top_prob"].values[::-1].tolist()
    assert "words" not in logit_lens(tiny("llama"), IDS, at.resid_post[:] @ -1, top=0).views
