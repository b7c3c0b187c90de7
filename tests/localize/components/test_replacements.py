"""What is put in the place of values is what a loop over the reference's prompts, one at a time, gives."""

import families
import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at
from innerworks.data.lifting import Prompts
from innerworks.data.lifting.everyone import Everyone
from innerworks.errors import EditError, SiteError
from innerworks.localize.components.interventions.replacements import concrete, replacements

LONG, SHORT = families.ids(4, 9).tolist(), families.ids(3, 6, seed=5).tolist()
EXACT = dict(rtol=0, atol=1e-10)
SOFTMAX = dict(rtol=0, atol=1e-7)
"""Where a family's softmax is in float32, also in a float64 model, so is what is written there; values are below 1."""


def prompts(model, rows, spans=None):
    return Prompts([model.prompt(row, spans=span) for row, span in zip(rows, spans or [None] * len(rows), strict=True)])


def served(model, everyone, own, groups=None):
    """Some of the prompts, as a technique is served them in a call with all."""
    whole = Everyone(tuple(everyone), (), tuple(groups or [""] * len(everyone)))
    return Prompts([everyone[number] for number in own], whole.serving(own))


def values(model, prompt, site):
    """What one prompt has there, alone: [position, …] or, where one position is named, […]."""
    return model.run([prompt], capture=[site])[site][0]


def after(model, rows, edit):
    return model.run(list(rows), capture=[edit.site], edits=[edit])[edit.site]


@pytest.mark.parametrize("family", KINDS)
def test_a_mean_over_the_task_is_of_all_tokens_of_all_prompts(family):
    model = tiny(family)
    everyone = prompts(model, LONG + SHORT)
    rows = served(model, everyone, (0, 2))
    kinds = [
        at.z,
        at.mlp_out,
        at.attn_out,
        at.q,
        at.k,
        at.v,
        *([at.expert_out] if family == "mixtral" else [at.neurons]),
    ]
    sites = [site for kind in kinds for site in concrete(model, kind[1])]
    found = replacements(model, rows, sites, "mean")
    for site in sites:
        expected = torch.cat([values(model, prompt, site) for prompt in everyone]).mean(0)
        (made,) = found[site]
        new = after(model, rows, made)
        torch.testing.assert_close(new, expected.expand_as(new), **EXACT)


def test_at_a_named_position_the_mean_is_of_that_position():
    model = tiny("llama")
    spans = [{"name": (1, 2)}, {"name": (4, 5)}, {"name": (0, 1)}, {"name": (3, 4)}]
    everyone = prompts(model, [*LONG[:2], *SHORT[:2]], spans)
    rows = served(model, everyone, (0, 1))
    last, role, first_of_role = at.z[1, 2] @ -1, at.mlp_out[1] @ "name", at.attn_out[0] @ "name"
    found = replacements(model, rows, [last, role], "mean")
    expected = torch.stack([values(model, prompt, last) for prompt in everyone]).mean(0)
    new = after(model, rows, found[last][0])
    torch.testing.assert_close(new, expected.expand_as(new), **EXACT)
    expected = torch.cat([values(model, prompt, role) for prompt in everyone]).mean(0)
    new = after(model, rows, found[role][0])
    torch.testing.assert_close(new, expected.expand_as(new), **EXACT)
    (by_token,) = replacements(model, rows, [first_of_role], "mean", over="position")[first_of_role]
    expected = torch.stack([values(model, prompt, first_of_role) for prompt in everyone]).mean(0)
    assert not torch.allclose(expected[0], expected[1])
    new = after(model, rows, by_token)
    torch.testing.assert_close(new, expected.expand_as(new), **EXACT)


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "mixtral"])
def test_a_mean_by_position_is_each_positions_own(family):
    model = tiny(family)
    rows = prompts(model, LONG)
    sites = [at.z[1, 2], at.pattern[0, 1], at.mlp_out[0]]
    found = replacements(model, rows, sites, "mean", over="position")
    for site in sites:
        expected = torch.stack([values(model, prompt, site) for prompt in rows]).mean(0)
        new = after(model, rows, found[site][0])
        torch.testing.assert_close(new, expected.expand_as(new), **(SOFTMAX if site.name == "pattern" else EXACT))


def test_positions_of_unequal_prompts_correspond_by_role():
    model = tiny("llama")
    spans = [{"name": (2,)}, {"name": (5,)}, {"name": (3,)}]
    everyone = prompts(model, [LONG[0], LONG[1], SHORT[0]], spans)
    site = at.z[1, 2]
    (made,) = replacements(model, served(model, everyone, (0, 1)), [site], "mean", over="position")[site]
    new = after(model, everyone[:2], made)
    alone = [values(model, prompt, site) for prompt in everyone]
    before, at_name, behind = (
        torch.cat(parts).mean(0)
        for parts in zip(*((one[:place], one[[place]], one[place + 1 :]) for one, place in zip(alone, (2, 5, 3))))
    )
    for row, place in ((0, 2), (1, 5)):
        expected = torch.stack([*[before] * place, at_name, *[behind] * (8 - place)])
        torch.testing.assert_close(new[row], expected, **EXACT)


def test_a_mean_by_group_is_of_the_rows_own_kind():
    model = tiny("gpt2")
    everyone = prompts(model, LONG + SHORT)
    groups = ["A", "B", "A", "B", "A", "B", "A"]
    rows = served(model, everyone, (0, 1), groups)
    site = at.mlp_out[1]
    new = after(model, rows, replacements(model, rows, [site], "mean", over="group")[site][0])
    for row, kind in enumerate("AB"):
        own = [values(model, prompt, site) for prompt, group in zip(everyone, groups, strict=True) if group == kind]
        expected = torch.cat(own).mean(0)
        torch.testing.assert_close(new[row], expected.expand_as(new[row]), **EXACT)


def test_resampling_puts_another_rows_values_and_the_same_rows_everywhere():
    model = tiny("llama")
    everyone = prompts(model, LONG + SHORT)
    sites = [at.z[0, 1], at.mlp_out[1], at.pattern[2, 0]]
    seeds = range(12)
    found = replacements(model, served(model, everyone, (0, 1)), sites, "resample", seeds=len(seeds))
    drawn = set()
    for seed in seeds:
        sources = []
        for site in sites:
            new = after(model, everyone[:2], found[site][seed])
            alike = [
                [n for n in range(4) if torch.allclose(new[row], values(model, everyone[n], site), **SOFTMAX)]
                for row in (0, 1)
            ]
            assert all(len(one) == 1 for one in alike)
            sources.append((alike[0][0], alike[1][0]))
        assert len(set(sources)) == 1, "one prompt for all sites"
        assert sources[0][0] != 0 and sources[0][1] != 1, "never the row itself"
        drawn.add(sources[0])
    assert {one[0] for one in drawn} == {1, 2, 3}
    one_by_one = replacements(model, served(model, everyone, (1,)), sites, "resample", seeds=[4])
    together = found[sites[0]][4].value[1]
    torch.testing.assert_close(one_by_one[sites[0]][0].value[0], together, **EXACT)


def test_resampling_from_prompts_of_another_length_goes_by_role():
    model = tiny("llama")
    everyone = prompts(model, [LONG[0], SHORT[0]], [{"name": (2, 3)}, {"name": (1, 2)}])
    site = at.z[1, 2]
    (made,) = replacements(model, served(model, everyone, (0,)), [site], "resample")[site]
    other = values(model, everyone[1], site)
    torch.testing.assert_close(made.value[0], other[[0, 0, 1, 2, 3, 3, 3, 4, 5]], **EXACT)


@pytest.mark.parametrize("how", ["resample", "noise"])
def test_what_is_drawn_for_a_prompt_does_not_depend_on_its_place(how):
    model, site = tiny("gpt2"), at.z[1]
    together = replacements(model, prompts(model, LONG), [site], how, reference=LONG, seeds=3)[site]
    turned = replacements(model, prompts(model, LONG[::-1]), [site], how, reference=LONG[::-1], seeds=3)[site]
    draws = []
    for one, other in zip(together, turned, strict=True):
        found = after(model, prompts(model, LONG), one)
        torch.testing.assert_close(after(model, prompts(model, LONG[::-1]), other), found.flip(0), **EXACT)
        draws.append(found)
    assert not torch.equal(draws[0], draws[1]), "another seed draws otherwise"


def test_noise_has_the_deviation_of_the_site():
    model = tiny("gpt2")
    rows = prompts(model, LONG)
    sites = [at.z[1, 2], at.mlp_out[0] @ -1, at.embed]
    found = replacements(model, rows, sites, "noise", seeds=[3, 8], factor=2.5)
    for site in sites:
        every = torch.stack([values(model, prompt, site) for prompt in rows])
        assert [one.seed for one in found[site]] == [3, 8]
        assert found[site][0].std == pytest.approx(2.5 * float(every.std(unbiased=False)), rel=1e-9)


def test_zero_and_other_references_and_other_coordinates():
    model = tiny("gpt2")
    rows = prompts(model, LONG[:1])
    basis = iw.rotation("turned", torch.linalg.qr(torch.randn(model.d_model, model.d_model, dtype=torch.float64)).Q)
    turned = at.resid_post[0].via(basis, 5)
    assert not after(model, rows, replacements(model, rows, [at.z[0, 1]], "zero")[at.z[0, 1]][0]).any()
    (made,) = replacements(model, rows, [turned], "mean", reference=LONG + SHORT)[turned]
    expected = torch.cat([values(model, model.prompt(row), turned) for row in LONG + SHORT]).mean()
    torch.testing.assert_close(after(model, rows, made), expected.expand(1, 9), **EXACT)


def test_the_reference_runs_once_for_all_groups_of_a_call():
    model = tiny("gpt2")
    everyone = prompts(model, LONG + SHORT)
    first, second = (served(model, everyone, own) for own in ((0, 1, 2, 3), (4, 5, 6)))
    second = Prompts(second.rows, first.everyone.serving((4, 5, 6)))
    with model.metered() as meter:
        for rows in (first, second):
            replacements(model, rows, concrete(model, at.z[:]), "mean")
    assert meter.forwards == 2, "one for each length"


def test_components_are_single_layers_and_units():
    model = tiny("llama")
    assert concrete(model, at.z[:]) == [at.z[n, h] for n in range(model.n_layers) for h in range(model.n_heads)]
    assert concrete(model, [at.mlp_out[1:] @ -1, "k.0"]) == [
        *(at.mlp_out[n] @ -1 for n in range(1, model.n_layers)),
        *(at.k[0, h] for h in range(model.n_kv_heads)),
    ]
    with pytest.raises(SiteError, match="no components"):
        concrete(model, [])


@pytest.mark.parametrize(
    "sites, how, options, message",
    [
        ([at.z[0, 1]], "zero", {"seeds": 3}, "nothing is drawn"),
        ([at.z[0, 1]], "resample", {"seeds": 0}, "at least 1"),
        ([at.z[0, 1]], "noise", {"factor": 0.0}, "factor=0.0"),
        ([at.z[0, 1]], "mean", {"over": "group"}, "groups are known"),
        ([at.z[0, 1]], "mean", {"over": "position"}, "positions do not correspond"),
        ([at.pattern[0, 1]], "mean", {"over": "position"}, "prompts of one length"),
        ([at.pattern[0, 1]], "mean", {}, "attend to later ones"),
        ([at.pattern[0, 1] @ (3, 2)], "resample", {}, "whole patterns only"),
        ([at.scores[0, 1]], "zero", {}, "no component"),
        ([at.module("transformer.h.0.mlp")], "mean", {}, "dimensions a module's values have"),
        ([at.z[0, 1]], "resample", {"reference": [SHORT[0]]}, "has 9 tokens|9 tokens as"),
        ([at.z[0, 1]], "resample", {"reference": [LONG[0]]}, "no other prompt than"),
    ],
)
def test_what_cannot_be_replaced_is_refused(sites, how, options, message):
    model = tiny("gpt2")
    rows = served(model, prompts(model, [LONG[0], *SHORT]), (0,))
    with pytest.raises((EditError, SiteError), match=message):
        replacements(model, rows, sites, how, **options)


@pytest.mark.parametrize("how", ["mean", "resample"])
def test_a_single_prompt_needs_a_reference(how):
    model = tiny("gpt2")
    with pytest.raises(EditError, match="single prompt needs .* give reference="):
        replacements(model, prompts(model, LONG[:1]), [at.z[0, 1]], how)
