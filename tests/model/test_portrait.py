"""A model's portrait says what the model itself says, with weights and without."""

from __future__ import annotations

import families
import pytest

import innerworks as iw
from innerworks.model.sites import KINDS


def told(result):
    columns = result.tables["sites"].columns
    return dict(
        zip(columns["place"], zip(columns["there"], columns["what it is, or why not"], strict=True), strict=True)
    )


@pytest.mark.parametrize("name", [*families.FIRST, *families.FIRST_HYBRIDS])
def test_every_place_is_there_or_has_its_reason(name):
    model = iw.load(families.module_of(name))
    found = told(model.portrait())
    assert set(found) == set(KINDS) - {"module"}
    shows = model.anatomy.config._attn_implementation in ("eager", "sdpa")
    for kind, (there, why) in found.items():
        if kind in model.anatomy.missing:
            assert (there, why) == ("no", model.anatomy.missing[kind])
        elif KINDS[kind].layered:
            layers = model.layers_with(kind)
            every = "yes" if len(layers) == model.n_layers else f"layers {', '.join(map(str, layers))}"
            assert there == every and layers
        else:
            assert there == "yes" and shows


@pytest.mark.parametrize("name", ["llama", "mixtral", "gpt2"])
def test_sizes_are_the_module_s_own(name):
    module = families.module_of(name)
    facts = iw.load(module).portrait().views["model"].state["fields"]
    parameters = {id(one): one.numel() for one in module.parameters()}
    assert facts["parameters"] == sum(parameters.values())
    assert facts["layers"] == module.config.num_hidden_layers and facts["heads"] == module.config.num_attention_heads
    assert facts["weights"].endswith("MiB") and facts["tokenizer"] == "none: ids only"
    assert ("experts" in facts) == (name == "mixtral")


def test_without_weights_it_is_the_same_but_for_them(tmp_path):
    module = families.module_of("llama")
    module.save_pretrained(tmp_path / "tiny")
    with_weights, without = iw.load(str(tmp_path / "tiny")), iw.load(str(tmp_path / "tiny"), weights=False)
    whole, bare = with_weights.portrait(), without.portrait()
    assert told(whole) == told(bare)
    ours, theirs = (one.views["model"].state["fields"] for one in (whole, bare))
    changed = {name for name in ours if ours[name] != theirs[name]}
    assert changed == {"weights", "device"} and theirs["weights"].endswith("not loaded")


def test_a_backend_that_forms_no_patterns_is_said():
    model = iw.load(families.module_of("llama"))
    held = model.anatomy.config._attn_implementation
    model.anatomy.config._attn_implementation_internal = "flex_attention"
    try:
        there, why = told(model.portrait())["pattern"]
    finally:
        model.anatomy.config._attn_implementation_internal = held
    assert there == "no" and "never forms them" in why
    with pytest.raises(iw.errors.BackendError, match="never forms scores or patterns"):
        model.anatomy.config._attn_implementation_internal = "flex_attention"
        try:
            model.run([1, 2, 3], capture=[iw.at.pattern[0]])
        finally:
            model.anatomy.config._attn_implementation_internal = held


def test_what_is_refused_is_told_by_its_setting():
    refused = iw.load(families.module_of("opt")).portrait().tables["refused"]
    assert "do_layer_norm_before=False" in refused["why"][refused["what"].index("settings")]


def test_it_is_shown_in_every_way(tmp_path):
    result = iw.load(families.module_of("jamba")).portrait()
    assert "mixer_out" in str(result.text(100)) or "places" in str(result.text(100))
    assert "mixer_out" in result.html(tmp_path / "p.html").read_text()
    result.save(tmp_path / "kept")
    assert iw.open(tmp_path / "kept").tables["sites"].columns == result.tables["sites"].columns
