"""Techniques on weights are dense matrix products by hand, and what the model does with its blocks silenced."""

import families
import numpy as np
import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.decode.vocabulary.words.embeddings import through_first_mlp
from innerworks.errors import AnatomyError, EditError, OptionError, PromptError, SiteError
from innerworks.lab import handbuilt
from innerworks.localize.components.weights.composition import composition
from innerworks.localize.components.weights.direct_path import direct_path
from innerworks.localize.components.weights.full_ov_circuit import full_ov_circuit
from innerworks.localize.components.weights.virtual_heads import virtual_heads
from innerworks.registry import techniques

EXACT = 1e-9
"""Only products of float64 matrices."""
NORMS = 1e-6
"""Most families' norms divide in float32."""
TOKENS = [3, 7, 11, 40]


def built(name):
    made = getattr(handbuilt, name)(dtype=torch.float64)
    return iw.load(made.model, tokenizer=made.tokenizer())


# -- composition ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["K", "Q", "V"])
@pytest.mark.parametrize("family", KINDS)
def test_scores_are_norms_of_dense_products(family, kind):
    model, offset = tiny(family), 2
    result = composition(model, kind=kind, offset=offset)
    scales = None if model.family.qk_norm is None else (1.0, 1.0)
    for layer, head, later, other in ((0, 1, 1, 2), (0, 3, 2, 0), (1, 0, 2, 3)):
        ov = model.weights.ov(layer, head).dense()
        if kind == "V":
            reads = model.weights.ov(later, other).dense()
        else:
            qk = model.weights.qk(later, other, offset, norm_scales=scales).dense()
            reads = qk if kind == "Q" else qk.T
        place = {"layer": layer, "head": head, "later_layer": later, "later_head": other}
        expected = float((ov @ reads).norm() / (ov.norm() * reads.norm()))
        assert float(result.data["score"].isel(place)) == pytest.approx(expected, abs=EXACT)
        assert result.data["score"].isel(layer=later, later_layer=layer).isnull().all()


@pytest.mark.parametrize("baseline", ["analytic", "sampled"])
def test_pairs_are_ranked_by_z(baseline):
    result = composition(tiny("llama"), kind="V", baseline=baseline, top=7)
    z, rank, table = result.data["z"].values, result.data["rank"].values, result.tables["pairs"]
    pairs = 3 * 4 * 4
    assert np.isfinite(z).sum() == pairs and np.nanmax(rank) == pairs
    assert table["z"].tolist() == sorted(z[np.isfinite(z)], reverse=True)[:7]
    assert z[rank == 1] == table["z"][0]
    assert (np.argsort(rank[np.isfinite(z)]) == np.argsort(-z[np.isfinite(z)], kind="stable")).all()


def test_the_analytic_baseline_is_what_random_rotations_give():
    model = tiny("gpt2")
    result = composition(model, kind="V")
    ov, other = model.weights.ov(0, 1).dense(), model.weights.ov(2, 3).dense()
    generator = torch.Generator().manual_seed(0)
    squares = []
    for _ in range(4000):
        turned, triangle = torch.linalg.qr(torch.randn(*ov.shape, generator=generator, dtype=ov.dtype))
        turned = turned * triangle.diagonal().sign()
        squares.append((ov @ turned @ other).norm().square() / (ov.norm() * other.norm()).square())
    sample = torch.stack(squares)
    place = {"layer": 0, "head": 1, "later_layer": 2, "later_head": 3}
    score, z = (float(result.data[name].isel(place)) for name in ("score", "z"))
    assert z == pytest.approx(float((score**2 - sample.mean()) / sample.std()), abs=0.1)


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma"])
@pytest.mark.parametrize(("kind", "writes", "reads"), [("K", "0.0", "1.0"), ("Q", "1.0", "2.0")])
def test_in_the_handbuilt_models_the_pair_that_composes_comes_first(name, kind, writes, reads):
    table = composition(built(name), kind=kind).tables["pairs"]
    assert (table["writes"][0], table["reads"][0]) == (writes, reads)
    assert table["z"][0] > 3 and table["z"][0] > 3 * table["z"][1]


def test_in_the_handbuilt_gpt2_no_other_pair_composes():
    made, model = handbuilt.gpt2(dtype=torch.float64), built("gpt2")
    for kind, expected in (("K", made.expected.k_composition), ("Q", made.expected.q_composition), ("V", 0.0)):
        result = composition(model, kind=kind)
        scores = result.data["score"].values
        assert np.nanmax(scores) == pytest.approx(expected, abs=1e-12)
        assert np.nansum(scores) == pytest.approx(expected, abs=1e-12), "every other pair is 0"
        [silent] = [one for one in result.checks if "writes or reads nothing" in one.name]
        assert silent.measured == np.isnan(scores).sum() - 2 * 2 * 6 > 0, "heads 0.1 and 1.1 write nothing"


# -- the full OV circuit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", KINDS)
def test_the_circuit_is_the_dense_product(family):
    model = tiny(family)
    weights = model.weights
    result = full_ov_circuit(model, layer=1, head=2, tokens=TOKENS, outputs=[5, 6], normed=False)
    expected = weights.embed[TOKENS] @ weights.ov(1, 2).dense() @ weights.readout([5, 6]).weight
    assert result.data["circuit"].values == pytest.approx(expected.numpy(), abs=EXACT)
    every = weights.embed[TOKENS] @ weights.ov(1, 2).dense() @ weights.readout().weight
    own = every.gather(1, torch.tensor(TOKENS)[:, None])
    assert result.data["own_rank"].values.tolist() == (every > own).sum(1).tolist()
    assert [int(text.split()[0]) for text in result.tables["tokens"]["raises"]] == every.argmax(1).tolist()
    assert [int(text.split()[0]) for text in result.tables["tokens"]["lowers"]] == every.argmin(1).tolist()


@pytest.mark.parametrize("family", KINDS)
def test_the_circuit_is_what_the_head_writes_when_it_attends_to_a_token(family):
    """A prompt of one token attends to itself alone: the head's own output, through the final norm's linear part."""
    model = tiny(family)
    result = full_ov_circuit(model, layer=1, head=2, tokens=TOKENS)
    stream = model.weights.embed_rows(TOKENS)[:, None]
    run = model.run([[one] for one in TOKENS], start=(1, stream), capture=at.z[1, 2], logits=None)
    bias = model.weights.v_bias(1, 2, folded=True)
    mixed = (run[at.z[1, 2]][:, 0] - bias) @ model.weights.o(1, 2, folded=True)
    expected = model.weights.into_readout(mixed) @ model.weights.unembed[:, TOKENS]
    assert result.data["circuit"].values == pytest.approx(expected.numpy(), abs=NORMS)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "gemma2"])
def test_the_effective_embedding_has_gone_through_the_first_mlp(family):
    model = tiny(family)
    weights = model.weights
    embedded = weights.embed_rows(TOKENS)
    with torch.no_grad():
        record = model.anatomy.in_layer(0)
        inner = model.anatomy.part(0, record.mlp)(model.anatomy.part(0, record.mlp_norm)(embedded[:, None]))
        inner = inner if record.mlp_post is None else model.anatomy.part(0, record.mlp_post)(inner)
    expected = embedded + inner[:, 0]
    assert torch.allclose(through_first_mlp(model, TOKENS), expected, atol=NORMS)
    result = full_ov_circuit(model, layer=2, head=0, tokens=TOKENS, effective=True, normed=False)
    dense = expected @ weights.ov(2, 0).dense() @ weights.readout(TOKENS).weight
    assert result.data["circuit"].values == pytest.approx(dense.numpy(), abs=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma"])
def test_handbuilt_heads_copy_and_suppress(name):
    model = built(name)
    for layer, head, sign in ((1, 0, 1), (2, 0, -1), (2, 1, 1)):
        result = full_ov_circuit(model, layer=layer, head=head, tokens=["t3", "t7", "t9"])
        circuit = result.data["circuit"].values
        assert (np.sign(np.diag(circuit)) == sign).all()
        assert np.abs(circuit - np.diag(np.diag(circuit))).max() < 0.1 * np.abs(np.diag(circuit)).min()
        ranks = result.data["own_rank"].values
        assert (ranks == 0).all() if sign > 0 else (ranks > 40).all()
        assert result.checks[0].measured == pytest.approx(sign, abs=1e-3)
    silent = full_ov_circuit(model, layer=1, head=1, tokens=["t3"])
    assert np.isnan(silent.checks[0].measured) and float(abs(silent.data["circuit"]).max()) == 0


# -- virtual heads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", KINDS)
def test_a_virtual_head_is_the_product(family):
    model = tiny(family)
    weights = model.weights
    result = virtual_heads(model, first=(0, 1), second=(2, 3), tokens=TOKENS, outputs=[5, 6])
    ov, other = weights.ov(0, 1).dense(), weights.ov(2, 3).dense()
    product = ov @ other
    singular = torch.linalg.svdvals(product)
    assert float(result.data["norm"]) == pytest.approx(float(product.norm()), rel=EXACT)
    assert float(result.data["score"]) == pytest.approx(float(product.norm() / ov.norm() / other.norm()), rel=EXACT)
    found = result.data["singular"].values
    assert found == pytest.approx(singular[: len(found)].numpy(), abs=1e-8)
    expected = weights.embed[TOKENS] @ product @ weights.readout([5, 6]).weight
    assert result.data["circuit"].values == pytest.approx(expected.numpy(), abs=1e-8)
    place = {"layer": 0, "head": 1, "later_layer": 2, "later_head": 3}
    everywhere = composition(model, kind="V")
    for name in ("score", "z"):
        assert float(result.data[name]) == pytest.approx(float(everywhere.data[name].isel(place)), rel=1e-6)
    left, _, right = torch.linalg.svd(product)
    read, written = weights.embed @ left[:, 0], right[0] @ weights.readout().weight
    sign = read[read.abs().argmax()].sign()
    table = result.tables["directions"]
    assert int(table["reads"][0].split()[0]) == int((read * sign).argmax())
    assert int(table["raises"][0].split()[0]) == int((written * sign).argmax())


def test_a_virtual_head_of_a_head_that_writes_nothing():
    result = virtual_heads(built("gpt2"), first=(0, 1), second=(1, 0))
    assert np.isnan(float(result.data["score"])) and len(result.tables["directions"]) == 0


# -- the direct path ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [*KINDS, "granite", "bloom", "gemma3_text"])
def test_the_direct_path_is_the_model_with_silent_blocks(family):
    model = iw.load(families.module_of(family, dtype=torch.float64))
    result = direct_path(model, tokens=TOKENS)
    stream = model.weights.embed_rows(TOKENS)[:, None]
    silent = [edit.zero(at.attn_out[:]), edit.zero(at.mlp_out[:])]
    logits = model.run([[one] for one in TOKENS], start=(0, stream), edits=silent).logits[:, 0]
    assert result.data["logit"].values == pytest.approx(logits[:, TOKENS].numpy(), abs=NORMS)
    assert result.data["prob"].values == pytest.approx(logits.softmax(-1)[:, TOKENS].numpy(), abs=NORMS)
    assert [int(one.split()[0]) for one in result.tables["tokens"]["most likely"]] == logits.argmax(-1).tolist()


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "options", "error", "match"),
    [
        (composition, {"kind": "O"}, OptionError, "kind='O'"),
        (composition, {"baseline": "none"}, OptionError, "baseline='none'"),
        (composition, {"top": 0}, SiteError, "top=0"),
        (full_ov_circuit, {"layer": 0, "head": 0, "tokens": []}, PromptError, r"tokens=\[\]"),
        (full_ov_circuit, {"layer": 0, "head": 0, "tokens": [3, 3]}, PromptError, "names a token twice"),
        (full_ov_circuit, {"layer": 0, "head": 0, "tokens": [999]}, PromptError, "token id 999"),
        (full_ov_circuit, {"layer": 0, "head": 0, "tokens": ["word"]}, PromptError, "no tokenizer"),
        (full_ov_circuit, {"layer": 0, "head": 0, "tokens": [3], "effective": True}, SiteError, "before the first MLP"),
        (full_ov_circuit, {"layer": 0, "head": 9, "tokens": [3]}, SiteError, "head 9 does not exist"),
        (full_ov_circuit, {"layer": 0, "head": 0, "tokens": [3], "top": 0}, SiteError, "top=0"),
        (virtual_heads, {"first": (1, 0), "second": (1, 1)}, SiteError, "must be in a later layer"),
        (virtual_heads, {"first": 1, "second": (1, 1)}, SiteError, r"first=1: give \(layer, head\)"),
        (virtual_heads, {"first": (0, 9), "second": (1, 1)}, SiteError, "there are 4 heads"),
        (virtual_heads, {"first": (0, 0), "second": (1, 1), "directions": 0}, SiteError, "directions=0"),
        (direct_path, {"tokens": None}, PromptError, "tokens=None"),
        (direct_path, {"tokens": [3], "top": 0}, SiteError, "top=0"),
    ],
)
def test_what_makes_no_sense_is_refused(call, options, error, match):
    with pytest.raises(error, match=match):
        call(tiny("gpt2"), **options)


def test_models_without_matrices_are_refused_by_name():
    model = iw.load(families.module_of("deepseek_v3"))
    with pytest.raises((AnatomyError, SiteError), match="deepseek_v3"):
        composition(model)
    with pytest.raises((AnatomyError, SiteError), match="deepseek_v3"):
        full_ov_circuit(model, layer=0, head=0, tokens=[3])
    with pytest.raises((AnatomyError, SiteError), match="deepseek_v3"):
        virtual_heads(model, first=(0, 0), second=(1, 0))
    with pytest.raises((AnatomyError, SiteError), match="jamba"):
        composition(iw.load(families.module_of("jamba")))


@pytest.mark.parametrize("call", [composition, full_ov_circuit, virtual_heads, direct_path])
def test_standing_edits_do_not_change_weights(call):
    options = {
        full_ov_circuit: {"layer": 0, "head": 0, "tokens": [3]},
        virtual_heads: {"first": (0, 0), "second": (1, 0)},
        direct_path: {"tokens": [3]},
    }.get(call, {})
    with pytest.raises(EditError, match="do not change"):
        call(tiny("gpt2").with_edits(edit.zero(at.z[0, 0])), **options)


def test_results_are_shown_and_registered(tmp_path):
    model = built("gpt2")
    for result in (
        composition(model),
        full_ov_circuit(model, layer=1, head=0, tokens=["t3", "t7"]),
        virtual_heads(model, first=(0, 0), second=(1, 0), tokens=["t3"]),
        direct_path(model, tokens=["t3"]),
    ):
        assert result.provenance.technique in techniques()
        result.html(tmp_path / "page.html")
        assert str(result)
