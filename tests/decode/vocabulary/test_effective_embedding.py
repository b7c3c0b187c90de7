"""Effective embeddings are the stream behind the first block's MLP, and are like themselves."""

import copy

import families
import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.decode.vocabulary.weights.effective_embedding import effective_embedding
from innerworks.decode.vocabulary.words.embeddings import through_first_mlp
from innerworks.errors import EditError, PromptError, SiteError

TOKENS = [3, 7]


@pytest.mark.parametrize("family", KINDS)
def test_tokens_resemble_themselves_before_and_behind(family):
    model = tiny(family)
    data = effective_embedding(model, tokens=TOKENS, top=1).data
    assert (data["token_resembles"].sel(end="most").values[..., 0] == TOKENS).all()
    assert data["score_resembles"].sel(end="most").values == pytest.approx(1)
    behind, before = through_first_mlp(model, TOKENS), model.weights.embed[TOKENS]
    assert data["cosine"].values == pytest.approx(torch.cosine_similarity(behind, before).numpy())
    assert data["growth"].values == pytest.approx((behind.norm(dim=1) / before.norm(dim=1)).numpy())
    dense = torch.stack([before, behind]) @ model.weights.readout().weight
    assert (data["token_promotes"].sel(end="most").values[..., 0] == dense.argmax(-1).numpy()).all()


def test_a_first_mlp_that_writes_nothing_changes_nothing():
    module = copy.deepcopy(families.module_of("llama", dtype=torch.float64))
    with torch.no_grad():
        module.model.layers[0].mlp.down_proj.weight.zero_()
    data = effective_embedding(iw.load(module), tokens=TOKENS).data
    assert data["cosine"].values == pytest.approx(1) and data["growth"].values == pytest.approx(1)
    for side in ("resembles", "promotes"):
        plain, effective = (data[f"token_{side}"].sel(stage=stage).values for stage in ("plain", "effective"))
        assert (plain == effective).all()


def test_what_makes_no_sense_is_refused(tmp_path):
    with pytest.raises(PromptError, match="tokens=None"):
        effective_embedding(tiny("llama"), tokens=None)
    with pytest.raises(SiteError, match="top=0"):
        effective_embedding(tiny("llama"), tokens=TOKENS, top=0)
    with pytest.raises(EditError, match="do not change"):
        effective_embedding(tiny("llama").with_edits(edit.zero(at.z[0, 0])), tokens=TOKENS)
    result = effective_embedding(tiny("llama"), tokens=TOKENS)
    result.html(tmp_path / "page.html")
    result.save(tmp_path / "kept")
    assert iw.open(tmp_path / "kept").data["cosine"].equals(result.data["cosine"])
