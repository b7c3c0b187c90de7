"""What is guessed about architectures without a record is checked on the model itself, or refused with a way out."""

from dataclasses import replace

import pytest
import torch
import transformers
from families import build, ids

import innerworks as iw
from innerworks import at
from innerworks.errors import AnatomyError
from innerworks.model.anatomy import FAMILIES, Family, family_named
from innerworks.model.guess import guess
from innerworks.model.model import Model

SIZES = dict(
    vocab_size=83,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    pad_token_id=0,
)


def unknown(model_type, **changes):
    config = transformers.AutoConfig.for_model(model_type, **{**SIZES, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        with torch.no_grad():
            for parameter in module.parameters():
                noise = torch.randn_like(parameter) * 0.1
                parameter.copy_(parameter + noise if parameter.dim() == 1 else noise * 3)
    return module


GUESSED = {
    "qwen2": dict(parallel=False, norm="rms"),
    "mistral": dict(parallel=False, norm="rms"),
    "gemma": dict(parallel=False, norm="rms_plus_one"),
    "gemma3_text": dict(parallel=False, norm="rms_plus_one", attn_post="post_attention_layernorm"),
    "olmo3": dict(attn_norm=None, mlp_post="post_feedforward_layernorm"),
    "phi": dict(parallel=True, norm="layer", gate=None),
    "cohere": dict(parallel=True, norm="layer"),
    "starcoder2": dict(parallel=False, norm="layer", gate=None),
    "stablelm": dict(parallel=False, norm="layer"),
}


def guessed(module):
    """A model opened by the guess alone, also where its record is known."""
    anatomy, reason = guess(module)
    assert anatomy is not None, reason
    return Model(module, anatomy=anatomy)


def test_what_is_in_no_record_is_guessed_by_load(caplog):
    assert "glm" not in FAMILIES
    model = iw.load(unknown("glm"))
    assert model.family.guessed and "guessed record" in repr(model)
    said = caplog.text
    assert "no record of 'glm' and guessed one: 2 " in said and "model.layers" in said and "norms" in said


def test_without_weights_nothing_can_be_guessed():
    shape = transformers.AutoConfig.for_model("glm", **SIZES)
    with pytest.raises(AnatomyError, match=r"checked on the model's own numbers, .* no weights\. Load it with weights"):
        iw.load(shape)
    model = iw.load(shape, family=iw.load(unknown("glm")).family)
    assert model.estimate([1, 2, 3]).flops > 0


@pytest.mark.each_family
@pytest.mark.parametrize("model_type", GUESSED)
def test_a_guess_says_what_it_found_and_holds(model_type):
    module = unknown(model_type)
    model = guessed(module)
    assert model.family.guessed
    found = {name: getattr(model.family, name) for name in GUESSED[model_type]}
    assert found == GUESSED[model_type]
    x = ids()
    run = model.run(x, capture=[at.embed, at.attn_out[:], at.mlp_out[:], at.resid_post[:]])
    plain = module(input_ids=x, attention_mask=torch.ones_like(x), position_ids=torch.arange(9)[None], use_cache=False)
    assert torch.equal(run.logits, plain.logits)
    total = run[at.embed] + run[at.attn_out[:]].sum(0) + run[at.mlp_out[:]].sum(0)
    assert torch.allclose(total, run[at.resid_post[1]], atol=1e-5 * float(total.abs().max()))


def test_a_scaled_embedding_and_scaled_logits_are_measured():
    model = guessed(unknown("cohere", logit_scale=0.25))
    assert model.family.logit_scale == pytest.approx(0.25, rel=1e-4)


def test_a_multiplier_on_all_contributions_is_measured():
    assert guessed(unknown("granitemoe", residual_multiplier=0.5)).anatomy.residual_scale == pytest.approx(
        0.5, rel=1e-4
    )


@pytest.mark.parametrize("model_type", ["gpt_neox_japanese", "rwkv"])
def test_what_cannot_be_recognised_is_refused_with_the_module_tree(model_type):
    changes = {}
    with pytest.raises(AnatomyError) as caught:
        iw.load(unknown(model_type, **changes))
    text = str(caught.value)
    assert model_type in text and "Its modules:" in text and "family=" in text and "Known: gpt2" in text
    assert "0…1" in text, "repeated blocks are shown once"


def test_a_record_can_be_passed_for_what_is_not_known():
    module = build("gpt2")
    record = replace(FAMILIES["gpt2"], model_type="mine")
    assert iw.load(module, family=record).family.model_type == "mine"


def test_a_wrong_record_names_the_module_that_is_not_there():
    with pytest.raises(AnatomyError, match=r"expects a module 'model\.layers'"):
        iw.load(build("gpt2"), family=Family(model_type="mine"))


@pytest.mark.parametrize(
    ("family", "setting"),
    [
        ("opt", {"do_layer_norm_before": False}),
        ("opt", {"word_embed_proj_dim": 16}),
        ("bloom", {"apply_residual_connection_post_layernorm": True}),
        ("gpt2", {"add_cross_attention": True}),
    ],
)
def test_settings_under_which_a_record_would_be_wrong_are_refused_by_name(family, setting):
    with pytest.raises(AnatomyError, match=next(iter(setting))):
        iw.load(build(family, **setting))


def test_only_the_records_know_architectures():
    """No `model_type` comparison anywhere but in the table of records."""
    import ast
    import pathlib

    package = pathlib.Path(iw.__file__).parent
    offenders = []
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and "model_type" in ast.dump(node):
                offenders.append(f"{path.relative_to(package)}:{node.lineno}")
    assert offenders == []


def test_the_table_is_keyed_by_its_own_names():
    assert all(family_named(name).model_type == name for name in FAMILIES)


def test_a_guess_does_not_claim_to_know_rotation():
    model = guessed(unknown("cohere"))
    with pytest.raises(AnatomyError, match="does not know how it rotates"):
        model.weights.qk(0, 0, offset=1)


def test_a_guessed_mixture_can_be_swept():
    model = guessed(unknown("granitemoe"))
    swept = model.sweep(ids(), {"z": [iw.edit.zero(at.z[0, 1])]}, iw.logit(5))
    assert torch.allclose(swept["z"], model.measure(ids(), iw.logit(5), edits=[iw.edit.zero(at.z[0, 1])]), atol=1e-4)
    experts = model.run(ids(), capture=[at.expert_out[0], at.mlp_out[0]])
    assert torch.allclose(experts[at.expert_out[0]].sum(2), experts[at.mlp_out[0]], atol=1e-4)
