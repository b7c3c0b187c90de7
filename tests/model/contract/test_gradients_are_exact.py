"""Gradients equal those of hand-written hooks, and finite differences in float64 at every site."""

from __future__ import annotations

import pytest
import torch
from families import DOUBLE, NO_SDPA
from found_again import appearance, differences
from opened_models import (
    INTEGER_SITES,
    at,
    everywhere,
    fresh,
    model_of,
    names,
    place,
    plain,
    prompt,
    random_like,
    spread,
)
from writing_by_hand import writable, written

from innerworks.errors import MetricError
from innerworks.model import edits as edit
from innerworks.model import metrics
from innerworks.model.sites import direction, subspace

WEIGHTS = random_like(torch.zeros(83), seed=2)


def score(logits: torch.Tensor) -> torch.Tensor:
    return (logits * WEIGHTS.to(logits)).sum(-1)


def everywhere_score(logits: torch.Tensor) -> torch.Tensor:
    return score(logits)[:, 2:].sum(-1)


METRIC = metrics.custom(everywhere_score, every=True)


def differentiable(model):
    return [site for site in everywhere(model) if site.name not in INTEGER_SITES]


def near(a, b, factor):
    return (a - b).abs().max() <= factor * max(spread(a), spread(b))


@pytest.mark.each_family
def test_gradients_equal_those_of_hand_written_hooks(model, request):
    family = request.node.callspec.params["model"][0]
    batch = model.batch(prompt())
    arguments = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
    if model.family.takes_positions:
        arguments["position_ids"] = batch.positions
    sites = [place(name, layer) for name in writable(family) for layer in (0, 2)]
    found = model.gradients(prompt(), METRIC, sites)
    wrong = []
    for site in sites:
        changes = []

        def shifted(x, changes=changes):
            changes.append(torch.zeros_like(x, requires_grad=True))
            return x.detach() + changes[0] if not x.requires_grad else x + changes[0]

        with written(family, model.module, site.layer, site.name, shifted):
            value = everywhere_score(model.module(**arguments).logits).sum()
        expected = torch.autograd.grad(value, changes[0])[0].reshape(found[site].shape)
        if not near(found[site], expected, 1e-5):
            wrong.append(f"{site}: {(found[site] - expected).abs().max()} of {spread(expected)}")
    assert wrong == []


def test_the_pass_that_gives_gradients_has_the_logits_of_the_plain_model(model):
    for name in names(model):
        if name in INTEGER_SITES:
            continue
        found = model.gradients(prompt(), METRIC, [place(name)])
        assert torch.equal(found.run.logits, plain(model, prompt())), name
        assert torch.equal(found.metric, everywhere_score(plain(model, prompt())))


def test_gradients_of_all_sites_at_once_are_those_of_each(model):
    sites = differentiable(model)
    together = model.gradients(prompt(), METRIC, sites, capture=sites)
    values = model.run(prompt(), capture=sites)
    for site in sites:
        assert torch.equal(together.run[site], values[site]), site
        assert near(model.gradients(prompt(), METRIC, [site])[site], together[site], 1e-5), site


def test_gradients_under_sdpa_are_those_under_eager(eager, request):
    family = request.node.callspec.params["eager"][0]
    if family in NO_SDPA:
        pytest.skip(f"{family} has no SDPA attention")
    sites = differentiable(eager)
    a, b = (m.gradients(prompt(), METRIC, sites) for m in (eager, model_of(family, "sdpa")))
    for site in sites:
        assert near(a[site], b[site], 2e-5), site


def doubled(family: str):
    """A float64 model; experts are run one batch at a time there, since grouped matrices have no float64."""
    model = model_of(family, dtype=torch.float64)
    if model.family.experts:
        model.module.config._experts_implementation = "batched_mm"
    return model


def step_along(values: torch.Tensor, name: str, seed: int) -> torch.Tensor:
    """A direction to move a site in: unit size, and nothing where attention is masked."""
    step = random_like(values, seed)
    if name in ("scores", "pattern"):
        step = step.masked_fill(torch.ones(values.shape[-2:], dtype=torch.bool).triu(1), 0.0)
        if name == "scores":
            step = step.masked_fill(values < -1e30, 0.0)
    return step / step.norm()


def slopes(model, site, step, edits=()):
    """Differences of fourth order at three step sizes: large ones see curvature, small ones see rounding."""

    def value(factor):
        moved = [*edits, edit.add(site, step, factor=factor)]
        return float(model.measure(prompt(), METRIC, edits=moved).sum())

    for size in (3e-2, 3e-3, 3e-4):
        near_by, far = value(size) - value(-size), value(2 * size) - value(-2 * size)
        yield (8 * near_by - far) / (12 * size)


def is_slope(gradient, model, site, step, edits=()):
    """Softmax and norms that run in float32 whatever the weights are leave 3e-4 of the slope uncertain."""
    along, size = float((gradient * step).sum()), float(gradient.norm() * step.norm())
    return any(abs(one - along) <= 3e-4 * size + 1e-6 for one in slopes(model, site, step, edits))


@pytest.mark.parametrize("family", DOUBLE)
def test_gradients_are_the_slopes_of_the_metric(family):
    model = doubled(family)
    sites = [place(name) for name in names(model) if name not in INTEGER_SITES]
    edits = [edit.scale(at.mlp_out[0], 1.2), edit.zero(at.z[2, 1]), edit.scale(at.resid_post[1] @ -1, 0.9)]
    for standing in ([], edits):
        run = model.run(prompt(), capture=sites, edits=standing)
        found = model.gradients(prompt(), METRIC, sites, edits=standing)
        steps = {site: step_along(run[site], site.name, seed=5) for site in sites}
        wrong = [str(s) for s in sites if not is_slope(found[s], model, s, steps[s], standing)]
        assert wrong == [], f"with {len(standing)} edits"


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "opt"])  # all of it in float64
def test_gradients_in_a_basis_are_the_slopes_along_its_coordinates(family):
    model = doubled(family)
    for basis in (
        direction("v", random_like(torch.zeros(32, dtype=torch.float64))),
        subspace("s", random_like(torch.zeros(3, 32, dtype=torch.float64))),
    ):
        for feature in (None, 0):
            site = (at.resid_post[1] @ -2).via(basis, feature)
            found = model.gradients(prompt(), METRIC, [site])
            assert found[site].shape == model.run(prompt(), capture=[site])[site].shape
            step = random_like(found[site])
            assert is_slope(found[site], model, site, step / step.norm())


def test_tensors_inside_edits_get_the_gradient_of_their_place(model):
    missing = model.anatomy.missing
    wanted = ("resid_pre", "resid_mid", "z", "k_rot", "scores", "pattern", "mlp_out", "norm_scale.mlp")
    flags = {name: p.requires_grad for name, p in model.module.named_parameters()}
    for name in wanted:
        if name in missing:
            continue
        site = place(name)
        expected = model.gradients(prompt(), METRIC, [site])[site]
        value = torch.zeros_like(expected, requires_grad=True)
        run = model.run(prompt(), edits=[edit.add(site, value)], grad=True)
        everywhere_score(run.logits).sum().backward()
        assert near(value.grad, expected, 2e-5), site
        part = place(name) @ -1
        vector = torch.zeros_like(model.run(prompt(), capture=[part])[part], requires_grad=True)
        run = model.run(prompt(), edits=[edit.add(part, vector)], grad=True)
        everywhere_score(run.logits).sum().backward()
        gradient = expected[:, :, -1] if "query" in site.kind.dims else expected[:, -1]
        assert near(vector.grad, gradient, 2e-5), part
    assert {name: p.requires_grad for name, p in model.module.named_parameters()} == flags
    assert all(p.grad is None for p in model.module.parameters())


def test_a_rotation_inside_an_edit_can_be_learned():
    model = doubled("gpt2")
    rows = random_like(torch.zeros(2, 32, dtype=torch.float64)).requires_grad_()
    source = model.run(prompt(2, 9, seed=8), capture=[at.resid_post[1]])

    def value(directions):
        swapped = edit.swap(at.resid_post[1] @ -1, directions, source[at.resid_post[1] @ -1])
        return everywhere_score(model.run(prompt(), edits=[swapped], grad=True).logits).sum()

    found = torch.autograd.grad(value(rows), rows)[0]
    step = random_like(rows.detach(), seed=9)
    with torch.no_grad():
        expected = (value(rows + 1e-5 * step) - value(rows - 1e-5 * step)) / 2e-5
    assert abs(float((found * step).sum() - expected)) <= 1e-4 * float(found.norm() * step.norm())


def test_weights_are_frozen_for_gradients_and_found_as_they_were():
    model = fresh("llama")
    model.module.model.layers[0].mlp.up_proj.weight.requires_grad_(False)
    before = appearance(model.module)
    model.gradients(prompt(), METRIC, [at.resid_post[0]])
    model.run(prompt(), grad=True, logits=None, capture=[at.z[1]])
    with pytest.raises(ZeroDivisionError):
        model.gradients(prompt(), lambda logits: 1 / 0, [at.resid_post[0]])
    assert differences(before, appearance(model.module)) == []


def test_what_has_no_gradient_says_so():
    model = model_of("mixtral")
    with pytest.raises(MetricError, match="router_index"):
        model.gradients(prompt(), METRIC, [at.router_index[1]])
    with pytest.raises(MetricError, match="not differentiable"):
        model.gradients(prompt(), metrics.rank(5), [at.resid_post[1]])
    with pytest.raises(MetricError, match="none of the sites"):
        frozen = metrics.custom(lambda logits: torch.zeros(len(logits)))
        model.gradients(prompt(), frozen, [at.resid_post[1]])


def test_gradients_are_taken_also_under_no_grad():
    with torch.no_grad():
        found = model_of("llama").gradients(prompt(), METRIC, [at.resid_post[0]])
    assert found[at.resid_post[0]].abs().max() > 0
