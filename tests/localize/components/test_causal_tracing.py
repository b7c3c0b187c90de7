"""Causal tracing is held against hooks written by hand on plain modules, under the same noise."""

from contextlib import ExitStack

import families
import numpy as np
import pytest
import torch
from tiny_models import TARGET, tiny

import innerworks as iw
from innerworks import at
from innerworks.errors import EditError, MetricError, OptionError, PromptError, SiteError
from innerworks.lab import handbuilt
from innerworks.localize.components.interventions.windows import windows
from innerworks.localize.components.tracing.causal_tracing import causal_tracing
from innerworks.localize.components.tracing.token_places import PLACES
from innerworks.localize.components.tracing.traced_prompt import Corruption, TracedPrompt

EXACT = 1e-6
"""Most families' norms and softmax divide in float32, also in a float64 model; probabilities are at most 1."""
IDS = families.ids(1, 7)[0].tolist()
SUBJECT = [2, 3]
SAMPLES = 3


def traced(family, prompt=None, **options):
    model = tiny(family) if isinstance(family, str) else family
    options = {"subject": SUBJECT, "target": TARGET, "samples": SAMPLES, "metric": "log_prob"} | options
    return causal_tracing(model, IDS if prompt is None else prompt, **options)


def drawn_noise(model, ids=IDS, seed=0):
    """The noise that the technique uses, [sample, position, d]."""
    one = TracedPrompt(model, model.prompt(ids), tuple(SUBJECT), "resid_post", {}, None, Corruption(3.0, SAMPLES, seed))
    noisy = one.corrupted.run(one.samples, capture=at.embed, logits=None)[at.embed]
    return noisy - model.run([ids], capture=at.embed, logits=None)[at.embed]


# -- plain modules --------------------------------------------------------------------------------------------------


def parts(module):
    """A plain model's blocks, and each one's attention and MLP."""
    blocks = module.transformer.h if hasattr(module, "transformer") else module.model.layers
    return blocks, [getattr(block, "attn", getattr(block, "self_attn", None)) for block in blocks]


def of_kind(module, kind, layer):
    blocks, attentions = parts(module)
    return {"resid_post": blocks[layer], "attn_out": attentions[layer], "mlp_out": blocks[layer].mlp}[kind]


def first(output):
    return output[0] if isinstance(output, tuple) else output


def by_hand(module, rows, noise=None, puts=()):
    """Log-probability of the target at the end, and what every part gave; `puts` are (module, position, value)."""
    blocks, _ = parts(module)
    seen = {}
    with ExitStack() as stack, torch.no_grad():

        def hook(target, function, pre=False):
            register = target.register_forward_pre_hook if pre else target.register_forward_hook
            stack.callback(register(function).remove)

        if noise is not None:
            hook(blocks[0], lambda _, args: (args[0] + noise, *args[1:]), pre=True)

        def putting(position, value):
            def put(_, args, output):
                changed = first(output).clone()
                changed[:, position] = value
                return (changed, *output[1:]) if isinstance(output, tuple) else changed

            return put

        for target, position, value in puts:
            hook(target, putting(position, value))
        for kind in ("resid_post", "attn_out", "mlp_out"):
            for layer in range(len(blocks)):

                def see(_, args, output, key=(kind, layer)):
                    seen[key] = first(output).clone()

                hook(of_kind(module, kind, layer), see)
        logits = module(torch.tensor(rows), use_cache=False).logits[:, -1].double()
    return logits.log_softmax(-1)[:, TARGET], seen


@pytest.mark.parametrize("sever", [None, "mlp_out", "attn_out"])
@pytest.mark.parametrize(("kind", "window"), [("resid_post", 1), ("mlp_out", 1), ("attn_out", 3), ("mlp_out", 2)])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_every_number_is_that_of_hooks_written_by_hand(family, kind, window, sever):
    model, module = tiny(family), families.module_of(family, dtype=torch.float64)
    noise = drawn_noise(model)
    clean, clean_seen = by_hand(module, [IDS])
    corrupt, corrupt_seen = by_hand(module, [IDS] * SAMPLES, noise)
    result = traced(family, kind=kind, window=window, sever=sever)
    assert float(result.data["clean"]) == pytest.approx(float(clean), abs=EXACT)
    assert float(result.data["corrupt"]) == pytest.approx(float(corrupt.mean()), abs=EXACT)
    for layer in range(model.n_layers):
        around = [one for one in range(layer - window // 2, layer + (window + 1) // 2) if 0 <= one < model.n_layers]
        for position in range(len(IDS)):
            puts = []
            if sever is not None:
                after = around[0] + (kind == "resid_post")
                free = around if sever == kind else []
                late = [one for one in range(after, model.n_layers) if one not in free]
                puts += [(of_kind(module, sever, one), position, corrupt_seen[sever, one][:, position]) for one in late]
            puts += [(of_kind(module, kind, one), position, clean_seen[kind, one][0, position]) for one in around]
            restored, _ = by_hand(module, [IDS] * SAMPLES, noise, puts)
            here = {name: float(result.data[name].sel(layer=layer)[position]) for name in ("metric", "metric_spread")}
            assert here["metric"] == pytest.approx(float(restored.mean()), abs=EXACT), (layer, position)
            assert here["metric_spread"] == pytest.approx(float(restored.std()), abs=EXACT), (layer, position)


# -- identities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "mixtral", "bloom", "granite"])
def test_what_was_corrupted_put_back_is_the_clean_run(family):
    result = traced(family, kind="resid_pre", subject=[2])
    clean = float(result.data["clean"])
    assert abs(clean - float(result.data["corrupt"])) > 1e-3
    assert float(result.data["metric"].sel(layer=0)[2]) == pytest.approx(clean, abs=EXACT)
    assert float(result.data["score"].sel(layer=0)[2]) == pytest.approx(1, abs=1e-3)
    late = traced(family, subject=[2])
    assert float(late.data["metric"][-1, -1]) == pytest.approx(clean, abs=EXACT)
    assert late.data["metric"][-1, 1:-1].values == pytest.approx(float(late.data["corrupt"]), abs=EXACT)
    assert not [check for check in late.failed if "answer" not in check.name]


def test_in_front_of_the_subject_there_is_nothing_to_restore():
    result = traced("llama")
    assert (result.data["effect"][:, :2] == 0).all() and (result.data["effect"][:, 2:] != 0).any()


@pytest.mark.parametrize("kind", ["resid_post", "mlp_out"])
def test_severing_what_is_not_there_changes_nothing(kind):
    whole, severed = traced("llama", kind=kind, window=1), traced("llama", kind=kind, window=1, sever="mlp_out")
    assert severed.data["metric"][-1].values == pytest.approx(whole.data["metric"][-1].values, abs=1e-12)
    assert abs(severed.data["metric"][0].values - whole.data["metric"][0].values).max() > 1e-3
    module = families.build("gpt2", dtype=torch.float64)
    for block in module.transformer.h:  # an MLP that writes the same for everything has no reaction to cut off
        torch.nn.init.zeros_(block.mlp.c_proj.weight)
    model = iw.load(module)
    whole, severed = traced(model), traced(model, sever="mlp_out")
    assert severed.data["metric"].values == pytest.approx(whole.data["metric"].values, abs=1e-12)


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma"])
def test_the_previous_token_head_is_found_where_it_writes(name):
    """Noise on a token is seen by the induction head one position on, in what the head of layer 0 wrote there."""
    built = getattr(handbuilt, name)(dtype=torch.float64)
    model = iw.load(built.model, tokenizer=built.tokenizer())
    ids = built.sample()[0].tolist()
    cut, target = ids[:-1], ids[-1]
    subject = cut.index(cut[-1])
    assert cut[subject + 1] == target
    options = {"subject": [subject], "target": target, "samples": 4, "noise": 8.0}
    for kind in ("attn_out", "resid_post"):
        result = causal_tracing(model, cut, kind=kind, window=1, **options)
        score = result.data["score"]
        assert float(result.data["clean"]) > 0.99 and float(result.data["corrupt"]) < 0.5
        assert float(score.sel(layer=0)[subject + 1]) == pytest.approx(1, abs=0.01)
        assert abs(score.sel(layer=0).values[[subject, *range(subject + 2, len(cut))]]).max() < 0.2


# -- noise ----------------------------------------------------------------------------------------------------------


def test_noise_is_on_the_subject_alone_and_has_its_size():
    model = tiny("gemma2")
    noise = drawn_noise(model)
    others = [position for position in range(len(IDS)) if position not in SUBJECT]
    assert (noise[:, others] == 0).all()
    expected = 3 * float(model.run([IDS], capture=at.embed)[at.embed][0, SUBJECT].std())
    assert float(traced("gemma2").data["noise_std"]) == pytest.approx(expected, rel=1e-6)
    assert float(noise[:, SUBJECT].std()) == pytest.approx(expected, rel=0.15)
    draws = noise[:, SUBJECT].reshape(-1, noise.shape[-1])
    assert all((a != b).all() for i, a in enumerate(draws) for b in draws[:i])


def test_draws_follow_from_the_seed_and_the_prompt():
    rows = [*families.ids(3, 7).tolist(), families.ids(1, 9, seed=5)[0].tolist()]
    together = traced("gpt2", rows)
    for number, row in enumerate(rows):
        alone = traced("gpt2", row)
        found = together.data["metric"].sel(example=number).values[:, : len(row)]
        assert found == pytest.approx(alone.data["metric"].values, abs=EXACT)
        assert together.data["place"].sel(example=number).values == pytest.approx(
            alone.data["place"].values, abs=EXACT, nan_ok=True
        )
    assert together.data["place_mean"].sizes == {"layer": tiny("gpt2").n_layers, "place": len(PLACES)}
    other = traced("gpt2", rows[0], seed=1)
    assert abs(other.data["metric"].values - together.data["metric"].sel(example=0).values[:, :7]).max() > 1e-3
    model = tiny("gpt2")
    assert (drawn_noise(model, rows[0])[:, SUBJECT] != drawn_noise(model, rows[1])[:, SUBJECT]).all()


def test_one_sample_has_no_spread():
    result = traced("llama", samples=1)
    assert np.isnan(result.data["metric_spread"].values).all() and np.isfinite(result.data["metric"].values).all()


# -- places ---------------------------------------------------------------------------------------------------------


def test_effects_by_place_are_means_over_their_tokens():
    prompt = iw.Prompt.from_ids(IDS).with_span("subject", [1, 2, 3])
    result = traced("llama", prompt, subject="subject")
    effect, place = result.data["effect"].values, result.data["place"]
    expected = {
        "before the subject": [0],
        "first of the subject": [1],
        "middle of the subject": [2],
        "last of the subject": [3],
        "first after the subject": [4],
        "further on": [5],
        "last token": [6],
    }
    for name, members in expected.items():
        assert place.sel(place=name).values == pytest.approx(effect[:, members].mean(1), abs=1e-12)
    short = traced("llama", subject=[6]).data["place"]
    assert np.isfinite(short.sel(place="last of the subject").values).all()
    assert np.isnan(short.sel(place=["first of the subject", "last token"]).values).all()


def test_windows_are_cut_off_at_the_ends():
    assert windows(range(5), 1) == {layer: (layer,) for layer in range(5)}
    assert windows(range(5), 3) == {0: (0, 1), 1: (0, 1, 2), 2: (1, 2, 3), 3: (2, 3, 4), 4: (3, 4)}
    assert windows(range(4), 2) == {0: (0,), 1: (0, 1), 2: (1, 2), 3: (2, 3)}
    assert windows(range(30), 10)[12] == tuple(range(7, 17))
    assert windows([1, 4, 5], 3) == {1: (1,), 4: (4, 5), 5: (4, 5)}


# -- words ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def words():
    built = handbuilt.gpt2(dtype=torch.float64)
    return iw.load(built.model, tokenizer=built.tokenizer())


def test_a_subject_is_a_text_or_a_role(words):
    text = "t3 t7 t5 t3"
    named = words.prompt(text, spans={"who": "t7"})
    options = {"samples": 2, "target": "t7", "metric": "logit"}
    by_text = causal_tracing(words, text, subject="t7", **options)
    by_role = causal_tracing(words, named, subject="who", **options)
    by_place = causal_tracing(words, text, subject=[2], **options)
    for other in (by_role, by_place):
        assert other.data["metric"].values.tolist() == by_text.data["metric"].values.tolist()


def test_without_a_target_it_is_the_most_likely_token():
    likely = int(tiny("llama").run(IDS).logits[0, -1].argmax())
    found, expected = traced("llama", target=None), traced("llama", target=likely)
    assert found.data["metric"].values.tolist() == expected.data["metric"].values.tolist()


def test_a_metric_of_ones_own():
    named = traced("llama", metric="logit")
    given = traced("llama", metric=iw.logit(TARGET))
    assert named.data["metric"].values.tolist() == given.data["metric"].values.tolist()
    rows = families.ids(3, 7).tolist()
    each = traced("llama", rows, metric=iw.logit([5, 6, 7]))
    for number, target in enumerate([5, 6, 7]):
        alone = traced("llama", rows[number], metric=iw.logit(target))
        assert each.data["metric"].sel(example=number).values == pytest.approx(alone.data["metric"].values, abs=EXACT)


def test_progress_counts_every_variant():
    seen = []
    traced("llama", families.ids(2, 7).tolist(), progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1] == 2 * tiny("llama").n_layers * 5


def test_what_cannot_be_traced_is_refused(words):
    with pytest.raises(EditError, match="noise=0: without noise nothing is corrupted"):
        traced("llama", noise=0)
    with pytest.raises(EditError, match="noise=nan"):
        traced("llama", noise=float("nan"))
    with pytest.raises(EditError, match="samples=0"):
        traced("llama", samples=0)
    with pytest.raises(SiteError, match="window=0"):
        traced("llama", window=0)
    with pytest.raises(OptionError, match="kind='z': use 'resid_pre'"):
        traced("llama", kind="z")
    with pytest.raises(OptionError, match="sever='resid_post': use 'mlp_out', 'attn_out' or None"):
        traced("llama", sever="resid_post")
    with pytest.raises(MetricError, match="metric='nll'"):
        traced("llama", metric="nll")
    with pytest.raises(MetricError, match="metric=None takes a task's own"):
        traced("llama", metric=None)
    with pytest.raises(MetricError, match="there is nothing to restore"):
        traced("llama", metric=iw.logit(TARGET, position=1))
    with pytest.raises(PromptError, match="ids without text"):
        traced("llama", subject="subject")
    with pytest.raises(PromptError, match=r"subject='t9': the prompt 't3 t7' has no such role, nor that text"):
        causal_tracing(words, "t3 t7", subject="t9")
    with pytest.raises(PromptError, match="'t3 t7 t3' has that text 2 times"):
        causal_tracing(words, "t3 t7 t3", subject="t3")
    with pytest.raises(PromptError, match="Position 7 is not in the prompt"):
        traced("llama", subject=[7])


def test_a_task_brings_its_answers_and_unequal_subjects_become_one_segment(words):
    rows = [
        ("t3 t7 t5 t3", None, 7, 5, {"subject": "t7"}),
        ("t3 t8 t9 t5 t3", None, 8, 5, {"subject": "t8 t9"}),
    ]
    task = iw.tasks.pairs(rows)
    result = causal_tracing(words, task, samples=2, metric="logit")
    for number, (text, _, answer, foil, spans) in enumerate(rows):
        subject = spans["subject"]
        alone = causal_tracing(words, text, subject=subject, samples=2, metric="logit", target=answer)
        assert float(result.data["clean"][number]) == pytest.approx(float(alone.data["clean"]), abs=EXACT)
        assert result.data["place"][number].values == pytest.approx(alone.data["place"].values, abs=EXACT, nan_ok=True)
        own = causal_tracing(words, text, subject=subject, samples=2, metric=iw.logit_diff(answer, foil))
        brought = causal_tracing(words, task, samples=2, metric=None)
        assert float(brought.data["clean"][number]) == pytest.approx(float(own.data["clean"]), abs=EXACT)
    prob = causal_tracing(words, task, samples=2).data["clean"]
    assert prob.values == pytest.approx([float(words.measure(row[0], iw.prob(row[2]))) for row in rows], abs=EXACT)
    assert result.data["effect_mean"]["position"].values.tolist() == ["start", "subject", "after subject", "end"]
    assert set(result.views) == {"trace", "places"}
