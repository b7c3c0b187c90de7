"""Logit spectroscopy: projectors that add up, bands taken out by hand, and a dark signal that was planted."""

import copy

import families
import numpy as np
import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at
from innerworks.decode.vocabulary.spectroscopy.bands import bands_of
from innerworks.decode.vocabulary.spectroscopy.logit_spectroscopy import logit_spectroscopy
from innerworks.errors import OptionError, SiteError

NORMS = 1e-6
"""Most families' norms divide in float32."""
IDS = [5, 9, 3, 17, 2, 11]


def by_hand(model, stream, ids):
    logits = model.weights.logits(stream).detach()[:-1].double().log_softmax(-1)
    return -float(logits.gather(1, torch.tensor(ids[1:])[:, None]).mean())


@pytest.mark.parametrize("table", ["unembed", "embed"])
@pytest.mark.parametrize("family", KINDS)
def test_bands_are_projectors_that_add_up_to_the_identity(family, table):
    model = tiny(family)
    cut = bands_of(model, table, 5)
    dense = model.weights.readout().weight if table == "unembed" else model.weights.embed.T
    u, s, _ = torch.linalg.svd(dense.detach().double(), full_matrices=False)
    assert cut.values[: len(s)] == pytest.approx(s.numpy(), abs=1e-6)
    assert cut.off() < 1e-10 and len(cut) == 5
    total = torch.zeros(model.d_model, model.d_model, dtype=torch.float64)
    for band in range(5):
        projector = cut.rows(band).T @ cut.rows(band)
        assert torch.allclose(projector @ projector, projector)
        others = cut.rest(band).T @ cut.rest(band)
        assert (projector @ others).abs().max() < 1e-10
        total += projector
    assert torch.allclose(total, torch.eye(model.d_model, dtype=torch.float64))
    first = u[:, : cut.edges[1]] @ u[:, : cut.edges[1]].T
    if s[cut.edges[1] - 1] - s[cut.edges[1]] > 1e-3:
        assert torch.allclose(first, cut.rows(0).T @ cut.rows(0), atol=1e-6)


@pytest.mark.parametrize("family", KINDS)
def test_what_bands_are_worth_is_what_hands_find_at_the_last_layer(family):
    model = tiny(family)
    result = logit_spectroscopy(model, IDS, bands=4)
    cut = bands_of(model, "unembed", 4)
    stream = model.run([IDS], capture=[at.resid_post[-1]], logits=None)[at.resid_post[-1]][0].detach()
    clean = by_hand(model, stream, IDS)
    assert result.data["clean"].item() == pytest.approx(clean, abs=NORMS)
    for band in range(4):
        part = stream @ cut.rows(band).T @ cut.rows(band)
        for way, kept in (("suppress", stream - part), ("keep", part)):
            found = result.data["effect"].sel(treatment=way).isel(band=band).item()
            assert found == pytest.approx(by_hand(model, kept, IDS) - clean, abs=10 * NORMS)


def test_of_two_bands_the_one_is_what_the_other_leaves():
    effect = logit_spectroscopy(tiny("llama"), IDS, bands=2, site=at.resid_post[1]).data["effect"]
    suppress, keep = (effect.sel(treatment=way).values for way in ("suppress", "keep"))
    assert suppress == pytest.approx(keep[::-1], abs=NORMS)


@pytest.mark.parametrize("family", KINDS)
def test_energies_attention_and_their_correlation_are_those_of_a_run(family):
    model = tiny(family)
    data = logit_spectroscopy(model, IDS, bands=3, dark=0.25).data
    u, _, _ = torch.linalg.svd(model.weights.readout().weight.detach(), full_matrices=True)
    sites = [at.resid_pre[1], at.pattern[1]]
    run = model.run([IDS], capture=sites, logits=None)
    stream, pattern = run[sites[0]][0], run[sites[1]][0]
    count = round(0.25 * model.d_model)
    dark = (stream @ u[:, -count:]).square().sum(1) / stream.square().sum(1)
    assert data["dark"].sel(layer=1).values == pytest.approx(dark.numpy(), abs=1e-5)
    paid = [float(pattern[:, key + 1 :, key].mean()) for key in range(len(IDS) - 1)]
    assert data["received"].sel(layer=1).values[:-1] == pytest.approx(paid, abs=NORMS)
    assert np.isnan(data["received"].sel(layer=1).values[-1])
    expected = np.corrcoef(dark.numpy()[:-1], paid)[0, 1]
    assert data["correlation"].sel(layer=1).item() == pytest.approx(expected, abs=1e-4)
    assert data["energy"].sum("band").values == pytest.approx(1)


def test_a_planted_dark_signal_is_seen_where_it_is():
    """One direction that the unembedding does not read, which token 5 is full of."""
    module = copy.deepcopy(families.module_of("llama", dtype=torch.float64))
    with torch.no_grad():
        module.get_output_embeddings().weight[:, 3] = 0
        module.get_input_embeddings().weight[:, 3] = 0
        module.get_input_embeddings().weight[5, 3] = 1000
        for layer in module.model.layers:  # nobody else writes there
            layer.self_attn.o_proj.weight[3] = 0
            layer.mlp.down_proj.weight[3] = 0
    model = iw.load(module)
    result = logit_spectroscopy(model, IDS, bands=32, dark=0.01)
    dark = result.data["dark"].values
    assert (dark[:, 0] > 0.9).all() and dark[:, 1:].max() < 1e-9
    assert result.data["singular"].values[-1] == pytest.approx(0, abs=1e-5)
    effect = result.data["effect"].sel(treatment="suppress").values
    one = logit_spectroscopy(model, IDS[1:], bands=32).data["effect"].sel(treatment="suppress").values
    assert one[-1] == pytest.approx(0, abs=NORMS), "without token 5 there is nothing in it"
    assert abs(effect[-1]) > 1e-3, "with it, the final norm's denominator changes"


def test_spared_tokens_are_left_as_they_are():
    model = tiny("gpt2")
    named = logit_spectroscopy(model, IDS, bands=2, site=at.resid_post[0] @ (1, 2, 3, 4, 5)).data["effect"].values
    spared = logit_spectroscopy(model, IDS, bands=2, site=at.resid_post[0], spare=1).data["effect"].values
    every = logit_spectroscopy(model, IDS, bands=2, site=at.resid_post[0]).data["effect"].values
    assert spared == pytest.approx(named) and abs(spared - every).max() > 1e-6


def test_several_prompts_have_means_and_other_metrics_are_measured():
    model = tiny("llama")
    several = logit_spectroscopy(model, [IDS, IDS[::-1]], bands=2, metric=iw.logit(7))
    assert several.data["effect"].sizes == {"example": 2, "treatment": 2, "band": 2}
    alone = logit_spectroscopy(model, IDS[::-1], bands=2, metric=iw.logit(7))
    assert several.data["effect"].isel(example=1).values == pytest.approx(alone.data["effect"].values, abs=NORMS)
    assert several.data["effect_mean"].values == pytest.approx(several.data["effect"].mean("example").values)
    assert "dark" in several.views and set(several.views) >= {"bands", "correlation"}


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"bands": 1}, SiteError, "bands=1"),
        ({"bands": 1000}, SiteError, "bands=1000"),
        ({"site": at.z[0, 1]}, SiteError, "bands are of the stream"),
        ({"site": at.resid_post[99]}, SiteError, "99"),
        ({"dark": 0.0}, SiteError, "dark=0.0"),
        ({"spare": 6}, SiteError, "spare=6"),
        ({"spare": 1, "site": at.resid_post[0] @ -1}, SiteError, "leave out spare"),
        ({"table": "keys"}, OptionError, "unembed"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        logit_spectroscopy(tiny("llama"), IDS, **options)


def test_prompts_of_one_token_are_refused_and_short_ones_have_no_correlation():
    with pytest.raises(iw.InnerworksError, match="next token"):
        logit_spectroscopy(tiny("llama"), [5], bands=2)
    assert np.isnan(logit_spectroscopy(tiny("llama"), [5, 6, 7], bands=2).data["correlation"].values).all()


def test_it_is_shown_and_saved(tmp_path):
    result = logit_spectroscopy(tiny("gpt2"), IDS, bands=3)
    result.html(tmp_path / "page.html")
    result.save(tmp_path / "kept")
    assert iw.open(tmp_path / "kept").data["dark"].equals(result.data["dark"])
