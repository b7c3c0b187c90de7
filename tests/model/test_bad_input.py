"""What is refused, and that the sentence says what to do about it."""

from __future__ import annotations

import pytest
import torch
from families import build, ids, module_of

from innerworks.errors import (
    BackendError,
    EditError,
    MetricError,
    NonFiniteError,
    PromptError,
    SiteError,
)
from innerworks.model import edits as edit
from innerworks.model import metrics
from innerworks.model.anatomy import FAMILIES, Anatomy
from innerworks.model.model import Model
from innerworks.model.sites import at
from innerworks.model.tokens import Prompt


def opened(module):
    return Model(module, anatomy=Anatomy(module, FAMILIES[module.config.model_type]))


@pytest.fixture(scope="module")
def model():
    return opened(module_of("llama"))


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ([], "the prompt is empty"),
        ([[5, 6], []], "the prompt is empty"),
        (torch.zeros(0, dtype=torch.long), "prompt is empty"),
        ([5, 83], "id 83 at position 1 .* vocabulary of 83. Was the prompt made with this model's tokenizer"),
        ([5, -1], "ids start at 0"),
        ([5, 2.5], "position 1 is 2.5, not a whole number"),
        ([7] * 65, "65 tokens and the model's context is 64. Shorten it by 1"),
        ("text", "no tokenizer"),
        (torch.zeros(1, 2, 3, dtype=torch.long), "give one row .n. or several .rows, n."),
        (None, "NoneType is not a prompt: give text, token ids, a Prompt, or a list"),
        (7, "int is not a prompt"),
    ],
)
def test_prompts(model, prompt, told):
    with pytest.raises(PromptError, match=rf"(?i){told}"):
        model.run(prompt)


@pytest.mark.parametrize(
    ("request_", "error", "told"),
    [
        (dict(capture=[at.z[5]]), SiteError, "layer 5 does not exist: there are 3, numbered 0 to 2"),
        (dict(capture=[at.z[-4]]), SiteError, "layer -4 does not exist: there are 3"),
        (dict(capture=[at.z[1, 4]]), SiteError, "head 4 does not exist: there are 4"),
        (dict(capture=[at.k[1, 2]]), SiteError, "kv_head 2 does not exist: there are 2"),
        (dict(capture=[at.z[5:7]]), SiteError, "layer 5:7 selects nothing: there are 3"),
        (dict(capture=[at.neurons[1, 48]]), SiteError, "neuron 48 does not exist: there are 48"),
        (dict(capture=[at.z]), SiteError, r"at.z is in every layer: write at.z\[5\], or at.z\[:\] for all"),
        (dict(capture=[at.z[1] @ 9]), SiteError, "position 9 does not exist: there are 9, numbered 0 to 8"),
        (dict(capture=[at.z[1] @ -10]), SiteError, "position -10 does not exist"),
        (dict(capture=[at.pattern[1] @ (2, 12)]), SiteError, "position 12 does not exist"),
        (dict(capture=[at.z[1] @ slice(9, None)]), SiteError, "position 9: selects nothing"),
        (dict(capture=[at.z[1] @ "subject"]), PromptError, "no span or role 'subject'.*prompt.with_span"),
        (
            dict(capture=[at.pos_embed]),
            SiteError,
            "llama has no pos_embed: it has no learned position.*It has: token_embed",
        ),
        (dict(capture=[at.router[0]]), SiteError, "not a mixture of experts"),
        (dict(capture=["resid_pots.3"]), SiteError, "there is no site called 'resid_pots'"),
        (dict(capture=[3]), SiteError, "3 is not a site: capture takes sites such as"),
        (
            dict(capture=[at.module("model.layer.3").output]),
            SiteError,
            r"no module 'model\.layer\.3'. Did you mean 'model\.layers",
        ),
        (dict(capture=[at.module("model").output]), SiteError, "not a tensor: name a module inside it"),
        (dict(logits=None), SiteError, "nothing was asked for: give capture=.*or logits="),
        (dict(logits="none"), SiteError, "logits='none': use 'all', 'last', None, a position, or a list"),
        (dict(logits=9), SiteError, "position 9 does not exist"),
        (dict(start=(3, torch.zeros(2, 9, 32))), SiteError, "start at block 3: there are 3, numbered from 0"),
        (dict(start=(1, torch.zeros(2, 8, 32))), SiteError, r"start needs a stream of shape \(2, 9, 32\)"),
    ],
)
def test_runs(model, request_, error, told):
    with pytest.raises(error, match=told):
        model.run(ids(2), **request_)


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        (
            lambda: [edit.set(at.z[1], torch.zeros(3, 9, 4, 8))],
            r"values of shape \(3, 9, 4, 8\), which do not broadcast.*\(2, 9, 4, 8\)",
        ),
        (lambda: [edit.add(at.resid_post[1] @ -1, torch.zeros(31))], "do not broadcast to what the site selects"),
        (lambda: [edit.scale(at.z[1], torch.zeros(5))], "do not broadcast"),
        (lambda: [edit.project_out(at.z[1], torch.ones(32))], "directions of length 32 at a site of 8 features"),
        (lambda: [edit.swap(at.z[1], torch.ones(32), torch.zeros(8))], "directions of length 32 at a site of 8"),
        (lambda: [edit.project_out(at.z[1], torch.ones(2, 8))], "drop those that are zero or follow from the others"),
        (lambda: [edit.project_out(at.z[1], torch.zeros(8))], "drop those that are zero"),
        (lambda: [edit.call(at.z[1], lambda z: z[:1])], r"was given \(2, 9, 4, 8\) and returned"),
        (lambda: [edit.call(at.z[1], lambda z: None)], "and returned None"),
        (
            lambda: [edit.zero(at.z[1]), edit.set(at.z[1, 2], torch.zeros(8))],
            "both replace the values at z.1.*drop one, or give",
        ),
        (lambda: [edit.zero(at.z[1] @ 2), edit.zero(at.z[1] @ [1, 2])], "both replace"),
        (lambda: [edit.zero(at.z[:]), edit.mean(at.z[2], torch.zeros(2, 9, 4, 8))], "both replace"),
        (lambda: [edit.scale(at.router_index[1], 2.0)], "expert numbers can only be set"),
        (lambda: [edit.set(at.router_index[1], 4)], "experts are whole numbers from 0 to 3"),
        (lambda: [edit.set(at.router_index[1], -1)], "experts are whole numbers from 0 to 3"),
        (lambda: [edit.set(at.router_index[1], 1.5)], "experts are whole numbers from 0 to 3"),
        (lambda: [at.z[1]], "is not an edit: use edit.zero, edit.set"),
        (lambda: [edit.knockout(at.z[1], query=-1, key=0)], r"knockout takes heads as at.pattern\[layer, head\]"),
        (lambda: [edit.knockout(at.pattern[1], query=-1)], "knockout of every key .* name key positions"),
        (
            lambda: [edit.knockout(at.pattern[1], key=0)],
            r"leaves the query at position 0 \(head 0\) no key.*query=slice\(1, None\)",
        ),
        (lambda: [edit.knockout(at.pattern[1, 2], query=3, key=[0, 1, 2, 3])], "leaves the query at position 3"),
        (lambda: [edit.resample(at.z[:], torch.zeros(1))], "do not broadcast"),
    ],
)
def test_edits(edits, told):
    mixture = opened(module_of("mixtral"))
    with pytest.raises((EditError, SiteError), match=told):
        mixture.run(ids(2), edits=edits())


def test_edits_that_do_not_conflict():
    model = opened(module_of("llama"))
    edits = [edit.zero(at.z[1, 0]), edit.zero(at.z[1, 1]), edit.zero(at.z[1, 2] @ 3), edit.zero(at.z[1, 2] @ 4)]
    edits += [edit.zero(at.resid_post[1] @ 3), edit.add(at.resid_post[1], torch.ones(32))]
    assert model.run(ids(2), edits=edits).logits.isfinite().all()
    sinks = opened(module_of("gpt_oss"))
    pattern = sinks.run(ids(2), edits=[edit.knockout(at.pattern[1], key=0)], capture=[at.pattern[1]])[at.pattern[1]]
    assert (pattern[..., 0] == 0).all() and torch.allclose(pattern[..., 0, :].sum(-1), torch.zeros(()))


def test_what_was_not_captured(model):
    run = model.run(ids(2), capture=[at.resid_post[1] @ -1, at.z[1, 2]], logits=None)
    for site, told in (
        (at.mlp_out[0], r"mlp_out.0 was not captured. This run holds: .*resid_post.1@-1.* Add it to capture"),
        (at.resid_post[1], "resid_post.1 was not captured"),
        (at.resid_post[1] @ 0, "resid_post.1@0 was not captured"),
        (at.z[1, 3], "z.1.3 was not captured"),
        (at.z[:, 2], "z.0.2 was not captured"),
    ):
        with pytest.raises(SiteError, match=told):
            run[site]
        assert site not in run
    with pytest.raises(SiteError, match=r"computed no logits: ask with logits='all', 'last', or positions"):
        _ = run.logits
    assert at.z[1, 2] in run and "z.1.2" in run and 5 not in run


def test_a_backend_that_forms_no_patterns():
    module = build("llama", "sdpa")
    model = opened(module)
    module.config._attn_implementation_internal = "flash_attention_2"
    for name in ("scores", "pattern"):
        with pytest.raises(
            BackendError, match=r"'flash_attention_2' never forms scores or patterns: load the model with"
        ):
            model.run(ids(2), capture=[f"{name}.1"])


def test_experts_in_a_kernel_that_shows_no_neurons():
    module = build("mixtral")
    module.config._experts_implementation = "deepgemm"
    with pytest.raises(BackendError, match=r"load the model with experts_implementation='grouped_mm'"):
        opened(module).run(ids(2), capture=[at.expert_neurons[1]])


def test_experts_in_float64():
    model = opened(build("mixtral").double())
    with pytest.raises(
        BackendError, match="does not run in float64: load the model with experts_implementation='batche"
    ):
        model.run(ids(2))
    model.module.set_experts_implementation("batched_mm")
    assert model.run(ids(2)).logits.dtype == torch.float64


@pytest.mark.parametrize("use_cache", [True, False])
def test_nan_in_what_is_written_is_found_at_its_position(use_cache):
    model = opened(build("llama"))
    endless = [edit.scale(at.mlp_out[1] @ slice(5, None), float("inf"))]
    asked = {"max_new_tokens": 8, "edits": endless, "stop_at_eos": False, "use_cache": use_cache}
    with pytest.raises(NonFiniteError, match=r"first appears at mlp_out.1@5 \(prompt 0\)") as found:
        model.generate([[7, 8, 9]], **asked)
    assert "look for an edit" in str(found.value) and "dtype='float32'" not in str(found.value)
    with pytest.raises(NonFiniteError, match=r"first appears at mlp_out.1@5 \(prompt 1\)"):
        model.generate([[7, 8, 9], [5, 6, 7, 8, 9]], **asked)
    at_the_end = edit.scale(at.mlp_out[1] @ -1, float("inf"))
    with pytest.raises(NonFiniteError, match=r"first appears at mlp_out.1@2 \(prompt 0\)"):
        model.generate([[7, 8, 9]], **{**asked, "edits": [at_the_end]})


def test_nan_of_float64_behind_padding_says_so():
    module = build("llama").double()
    ids, mask = torch.tensor([[5, 6, 7], [0, 8, 9]]), torch.tensor([[1, 1, 1], [0, 1, 1]])
    assert module(ids, attention_mask=mask).logits[1].isnan().any(), "transformers itself gives NaN here"
    model = opened(module)
    with pytest.raises(NonFiniteError, match=r"padded on the left gives NaN .* pad on the right, run the rows alone"):
        _ = model.run([[5, 6, 7], [8, 9]], padding="left").logits
    with pytest.raises(NonFiniteError, match="one prompt at a time"):
        model.generate([[5, 6, 7], [8, 9]], max_new_tokens=2)
    assert model.run([[5, 6, 7], [8, 9]], padding="right").logits[1, :2].isfinite().all()


def test_nan_says_where_it_comes_from_first():
    module = build("llama")
    model = opened(module)
    run = model.run(ids(2), edits=[edit.set(at.mlp_out[1,] @ 4, float("nan"))])
    with pytest.raises(NonFiniteError, match=r"first appears at mlp_out.1@4 \(prompt 0\).*look for an edit"):
        _ = run.logits
    overflow = [edit.scale(at.attn_out[2] @ -1, float("inf"))]
    with pytest.raises(NonFiniteError, match=r"attn_out.2@8"):
        model.measure(ids(2), metrics.logit(3), edits=overflow)
    with pytest.raises(NonFiniteError, match=r"attn_out.2@2 \(prompt 1\)"):
        model.measure(
            [[5, 6, 7, 8], [5, 6, 7]],
            metrics.logit(3),
            edits=[edit.call(at.attn_out[2] @ 2, _second_row_is_nan)],
            padding="left",
        )
    with pytest.raises(NonFiniteError, match=r"attn_out.2@8"):
        model.gradients(ids(2), metrics.logit(3), [at.embed], edits=overflow)
    with pytest.raises(NonFiniteError, match=r"attn_out.2@8"):
        _ = model.with_edits(*overflow).run(ids(2)).logits
    assert model.run(ids(2), edits=overflow, nan="allow").logits.isnan().any()
    with torch.no_grad():
        module.model.layers[1].self_attn.q_proj.weight[3, 5] = float("nan")
    with pytest.raises(NonFiniteError, match=r"model.layers.1.self_attn.q_proj.weight holds 1 NaN .* load it again"):
        _ = model.run(ids(2)).logits


def _second_row_is_nan(values):
    values[1] = float("nan")
    return values


def test_rows_that_select_different_numbers_of_positions(model):
    prompts = [Prompt.from_ids([5, 6, 7, 8]).with_span("subject", p) for p in ((1, 2), (1,))]
    with pytest.raises(SiteError, match=r"1 positions in one row and 2 in another: take one position of each .such as"):
        model.run(prompts, capture=[at.z[1] @ "subject"])
    with pytest.raises(SiteError, match=r"or run the rows one by one"):
        model.run([[5, 6, 7], [5, 6]], capture=[at.z[1] @ slice(1, None)])


def test_generation(model):
    for options, told in (
        (dict(max_new_tokens=0), "max_new_tokens=0: generate at least one token"),
        (dict(max_new_tokens=60), "would be 69 tokens, and the model's context is 64: .* at most 55 new tokens"),
        (dict(temperature=0.5), "only act with sample=True"),
    ):
        with pytest.raises(PromptError, match=told):
            model.generate(ids(1), **options)
    for pos in (15, slice(15, None)):
        with pytest.raises(SiteError, match=r"there are 13, numbered 0 to 12"):
            model.generate(ids(1), max_new_tokens=4, edits=[edit.zero(at.z[1] @ pos)])


def test_gradients(model):
    with pytest.raises(SiteError, match=r"every layer: write"):
        model.gradients(ids(2), metrics.logit(3), [at.z])
    with pytest.raises(MetricError, match=r"no gradient"):
        model.gradients(ids(2), metrics.accuracy(3), [at.z[1]])
    with pytest.raises(SiteError, match=r"nothing was asked for: name the sites"):
        model.gradients(ids(2), metrics.logit(3), [])
