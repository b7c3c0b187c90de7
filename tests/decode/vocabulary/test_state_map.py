"""Maps between states: a planted rotation is found, a patchscope through it is the patchscope without it."""

from dataclasses import replace

import families
import numpy as np
import pytest
import torch
from test_tuned_lens import spoken

import innerworks as iw
from innerworks import at
from innerworks.errors import InnerworksError, OptionError, SiteError

OPTIONS = {"ridge": 0.0, "progress": False}


def turned(dtype=torch.float64):
    """A model, its copy whose whole stream is rotated (and reads and writes accordingly), and the rotation."""
    tokenizer = spoken()[0].tokenizer
    own, copy = (families.build("llama", dtype=dtype, vocab_size=len(tokenizer), seed=5) for _ in range(2))
    copy.load_state_dict(own.state_dict())
    d = own.config.hidden_size
    rotation = torch.linalg.qr(torch.randn(d, d, dtype=dtype, generator=torch.Generator().manual_seed(9)))[0]
    for module in (own, copy):  # a norm's weight of each coordinate would not go with a rotation
        for name, parameter in module.named_parameters():
            if "norm" in name:
                parameter.data.fill_(1.0)
    reads = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "embed_tokens", "lm_head")
    for name, parameter in copy.named_parameters():
        if any(part in name for part in reads):
            parameter.data = parameter.data @ rotation
        elif "o_proj" in name or "down_proj" in name:
            parameter.data = rotation.T @ parameter.data
    return iw.load(own, tokenizer=tokenizer), iw.load(copy, tokenizer=tokenizer), rotation


def corpus():
    return iw.Corpus.of(spoken()[1], context=10)


def test_a_planted_rotation_is_found_and_a_patchscope_goes_through_it():
    own, copy, rotation = turned()
    lens = iw.fit_state_map(own, corpus(), site=at.resid_post[:], target=at.resid_post[:], target_model=copy, **OPTIONS)
    assert lens.kind == "state-map" and lens["matrix"].shape == (3, 32, 32)
    for layer in range(3):
        assert torch.allclose(torch.as_tensor(lens["matrix"][layer]), rotation, atol=1e-5)
        assert torch.as_tensor(lens["bias"][layer]).abs().max() < 1e-5
    assert (torch.as_tensor(lens["r2"]) > 1 - 1e-9).all() and (torch.as_tensor(lens["r2_each"]) > 1 - 1e-8).all()
    options = {"target_prompt": "t3 t9 t7", "placeholder": "t9", "target": 7}
    prompt = spoken()[1][0]
    plain = iw.patchscope(own, prompt, at.resid_post[:], **options)
    through = iw.patchscope(own, prompt, at.resid_post[:], **options, target_model=copy, mapping=lens)
    assert through.data["log_prob"].values == pytest.approx(plain.data["log_prob"].values, abs=1e-5)
    assert (through.data["rank"] == plain.data["rank"]).all()
    wrong = iw.patchscope(own, prompt, at.resid_post[:], **options, target_model=copy)
    assert abs(wrong.data["log_prob"] - plain.data["log_prob"]).max() > 0.1, "without the map they are other states"


def test_r2_is_of_text_that_was_left_out():
    model = spoken()[0]
    found = iw.fit_state_map(model, corpus(), site=at.resid_post[[0, 1]], target=at.resid_post[2], progress=False)
    left_out = corpus().contexts(model).split(0.1)[1]
    run = model.run(left_out.tensor(range(len(left_out))), capture=at.resid_post[:], logits=None)
    y = run[at.resid_post[2]][:, 1:].flatten(0, 1).double().numpy()
    for number, layer in enumerate((0, 1)):
        x = run[at.resid_post[layer]][:, 1:].flatten(0, 1).double().numpy()
        left = y - x @ found["matrix"][number].numpy() - found["bias"][number].numpy()
        whole = y - y.mean(0)
        assert float(found["r2"][number]) == pytest.approx(1 - (left**2).sum() / (whole**2).sum(), abs=1e-5)
        each = 1 - (left**2).sum(0) / (whole**2).sum(0)
        assert found["r2_each"][number].numpy() == pytest.approx(each, abs=1e-5)
    assert 0 < float(found["r2"][0]) < float(found["r2"][1]) < 1


def test_a_map_within_a_model_is_a_lens():
    model, texts = spoken()
    found = iw.fit_state_map(model, corpus(), site=at.resid_post[[0, 1]], target=at.resid_post[2], progress=False)
    read = iw.logit_lens(model, texts[0], lens=found, target=7)
    assert read.title.startswith("State map") and read.data["kl"]["place"].values.tolist() == [
        "resid_post.0",
        "resid_post.1",
    ]
    state = model.run(texts[0], capture=at.resid_post[1])[at.resid_post[1]][0]
    with torch.no_grad():
        expected = model.weights.logits(state @ found["matrix"][1] + found["bias"][1])[:, 7]
    assert read.data["logit"].sel(place="resid_post.1").values == pytest.approx(expected.numpy(), abs=1e-5)
    quality = iw.lens_quality(model, corpus(), lens=found, progress=False)
    assert quality.data["kl"].shape == (2, 2)
    kl = quality.data["kl"]
    assert (kl.sel(lens="state map") < kl.sel(lens="logit lens")).all()


def test_a_stopped_fit_goes_on_bit_for_bit(tmp_path, monkeypatch):
    from innerworks.decode.vocabulary.translators import state_sums

    monkeypatch.setattr(state_sums, "_TOKENS_AT_ONCE", 100)
    model, options = spoken()[0], {"site": at.resid_post[:2], "target": at.resid_post[2]}
    whole = iw.fit_state_map(model, corpus(), **options, progress=False)

    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="stopped after 4 of"):
        iw.fit_state_map(model, corpus(), **options, out=tmp_path / "map", progress=stop)
    again = iw.fit_state_map(model, corpus(), **options, out=tmp_path / "map", progress=False)
    for name in ("matrix", "bias", "r2", "r2_each"):
        assert torch.equal(again[name], whole[name]), name
    opened = iw.open(tmp_path / "map")
    prompt = spoken()[1][1]
    one, two = (
        iw.patchscope(model, prompt, at.resid_post[1], target_prompt="t3 t9", placeholder="t9", mapping=each)
        for each in (whole, opened)
    )
    assert np.array_equal(one.data["top_prob"].values, two.data["top_prob"].values)


def test_models_of_different_width_are_joined():
    model, tokenizer = spoken()[0], spoken()[0].tokenizer
    wide = iw.load(families.build("gpt2", vocab_size=len(tokenizer), n_embd=48, seed=4), tokenizer=tokenizer)
    options = {"target_model": wide, "progress": False}
    found = iw.fit_state_map(model, corpus(), site=at.resid_post[1], target=at.resid_post[0], **options)
    assert found["matrix"].shape == (1, 32, wide.d_model)
    asked = {"target_prompt": "t3 t9", "placeholder": "t9", "target_model": wide, "target_layer": 0}
    read = iw.patchscope(model, spoken()[1][0], at.resid_post[1], mapping=found, **asked)
    assert np.isfinite(read.data["top_prob"].values).all()
    with pytest.raises(InnerworksError, match=r"leads to resid_post\.0 of .*: a lens reads one that leads to a single"):
        iw.logit_lens(model, spoken()[1][0], lens=found)


def test_what_does_not_fit_is_refused():
    model, texts = spoken()
    tokenizer = model.tokenizer
    other = iw.load(families.build("llama", vocab_size=len(tokenizer), seed=6), tokenizer=tokenizer)
    larger = iw.load(families.build("llama", vocab_size=90, seed=6), tokenizer=tokenizer)
    usual = {"site": at.resid_post[1], "target": at.resid_post[2], "progress": False}
    for options, match in (
        ({"target_model": larger}, "has another tokenizer or vocabulary than"),
        ({"target_model": iw.load(families.build("llama", vocab_size=50))}, "has another tokenizer or vocabulary"),
        ({"site": at.resid_post[:], "target": at.resid_post[:2]}, "names 3 layers and target=.* 2"),
        ({"site": at.z[1]}, "a map is between states of the stream's width"),
        ({"site": at.resid_post[1] @ -1}, "at all positions"),
        ({"target": at.resid_post}, "is in every layer"),
        ({"site": at.resid_post[7]}, "7"),
        ({"ridge": -1.0}, "ridge=-1"),
        ({"tokens": 0}, "tokens=0"),
    ):
        with pytest.raises(InnerworksError, match=match):
            iw.fit_state_map(model, corpus(), **{**usual, **options})
    found = iw.fit_state_map(model, corpus(), **usual)
    asked = {"target_prompt": "t3 t9", "placeholder": "t9"}
    with pytest.raises(OptionError, match="was fitted on the model"):
        iw.patchscope(other, texts[0], at.resid_post[1], mapping=found, **asked)
    with pytest.raises(OptionError, match="leads to states of the model .*, and the model that reads them is"):
        iw.patchscope(model, texts[0], at.resid_post[1], mapping=found, target_model=other, **asked)
    with pytest.raises(OptionError, match="has no map for layer 0; it has 1"):
        iw.patchscope(model, texts[0], at.resid_post[0], mapping=found, **asked)
    with pytest.raises(OptionError, match="is of resid_post, and these states are of resid_pre"):
        iw.patchscope(model, texts[0], at.resid_pre[1], mapping=found, **asked)
    several = iw.fit_state_map(model, corpus(), site=at.resid_post[:2], target=at.resid_post[1:], progress=False)
    with pytest.raises(InnerworksError, match="a lens reads one that leads to a single layer's stream"):
        iw.logit_lens(model, texts[0], lens=several)
    with pytest.raises(SiteError, match="this lens was not fitted for it"):
        iw.logit_lens(model, texts[0], at.resid_post[0], lens=found)
    assert iw.logit_lens(model, texts[0], lens=replace(found, model=""))
