"""Attention knockout is held against masks changed by hand on plain modules, and against what cannot be reached."""

from contextlib import ExitStack

import families
import pytest
import torch
from tiny_models import TARGET, tiny

import innerworks as iw
from innerworks.errors import EditError, MetricError, PromptError, SiteError
from innerworks.lab import handbuilt
from innerworks.localize.components.tracing.attention_knockout import attention_knockout

EXACT = 1e-6
"""Most families' softmax is in float32, also in a float64 model; values here are about 1 to 10."""
IDS = families.ids(1, 7)[0].tolist()
LAST = len(IDS) - 1


def cut(family, prompt=None, **options):
    model = tiny(family) if isinstance(family, str) else family
    options = {"target": TARGET, "metric": "log_prob", "window": 1} | options
    return attention_knockout(model, IDS if prompt is None else prompt, **options)


def by_hand(module, ids, layers, queries, keys, heads=None):
    """Log-probability of the target where the masks of some layers hide some keys from some queries."""
    blocks = module.transformer.h if hasattr(module, "transformer") else module.model.layers
    count = module.config.num_attention_heads

    def hiding(_, args, kwargs):
        name = "attention_mask"
        mask = kwargs[name].expand(-1, count, -1, -1).clone()
        for query in queries:
            for key in keys:
                mask[:, range(count) if heads is None else heads, query, key] = -torch.inf
        return args, {**kwargs, name: mask}

    with ExitStack() as stack, torch.no_grad():
        for layer in layers:
            attention = getattr(blocks[layer], "attn", None) or blocks[layer].self_attn
            stack.callback(attention.register_forward_pre_hook(hiding, with_kwargs=True).remove)
        logits = module(torch.tensor([ids]), use_cache=False).logits[0, -1].double()
    return float(logits.log_softmax(-1)[TARGET])


@pytest.mark.parametrize("heads", [None, [0, 2]])
@pytest.mark.parametrize("window", [1, 2, 9])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_every_number_is_that_of_masks_changed_by_hand(family, window, heads):
    module, layers = families.module_of(family, dtype=torch.float64), tiny(family).n_layers
    query, keys = [4, LAST], {"1+2": (1, 2), "0": 0, "-2": -2}
    result = cut(family, query=query, key=list(keys.values()), window=window, heads=heads)
    clean = by_hand(module, IDS, [], [], [])
    assert float(result.data["clean"]) == pytest.approx(clean, abs=EXACT)
    for layer in range(layers):
        around = [one for one in range(layer - window // 2, layer + (window + 1) // 2) if 0 <= one < layers]
        for label, places in keys.items():
            hidden = [place % len(IDS) for place in (places if isinstance(places, tuple) else (places,))]
            expected = by_hand(module, IDS, around, query, hidden, heads)
            at = {name: float(result.data[name].sel(layer=layer, cut=label)) for name in ("metric", "change", "ratio")}
            assert at["metric"] == pytest.approx(expected, abs=EXACT), (layer, label)
            assert at["change"] == pytest.approx(expected - clean, abs=EXACT)
            assert at["ratio"] == pytest.approx((expected - clean) / clean, abs=EXACT)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "mixtral", "bloom", "gpt_oss"])
def test_what_is_cut_off_in_every_layer_has_no_effect(family):
    """Where the last token cannot look at the one before it in any layer, there is no other way for it."""
    dtype = torch.float64 if family in families.DOUBLE else torch.float32
    model = iw.load(families.module_of(family, dtype=dtype))
    every = 2 * model.n_layers
    options = {"query": -1, "key": -2, "window": every, "metric": "logit", "target": TARGET}
    one, other = ([*IDS[:-2], token, IDS[-1]] for token in (5, 50))
    rows = attention_knockout(model, [one, other], **options)
    assert abs(float(rows.data["clean"][0] - rows.data["clean"][1])) > 1e-2
    cut_off = rows.data["metric"].isel(layer=model.n_layers // 2, cut=0).values
    assert cut_off[0] == pytest.approx(cut_off[1], abs=EXACT if dtype == torch.float64 else 1e-4)


def test_another_way_round_is_left_open_by_one_cut_and_closed_by_all():
    one, other = ([*IDS[:2], token, *IDS[3:]] for token in (5, 50))
    direct = cut("llama", [one, other], query=-1, key=2, window=99).data["metric"].isel(layer=1, cut=0).values
    closed = cut("llama", [one, other], query=slice(3, None), key=2, window=99).data["metric"].isel(layer=1, cut=0)
    assert abs(direct[0] - direct[1]) > 1e-3
    assert closed.values[0] == pytest.approx(closed.values[1], abs=EXACT)


def test_each_position_is_the_list_of_all():
    each = cut("gpt2")
    listed = cut("gpt2", key=list(range(len(IDS))))
    assert each.data["change"].dims == ("layer", "position") and set(each.views) == {"positions"}
    assert each.data["change"].values == pytest.approx(listed.data["change"].values, abs=1e-12)
    early = cut("gpt2", query=3)
    assert early.data["change"][:, 4:].values == pytest.approx(0, abs=EXACT)


def test_roles_stand_where_each_prompt_has_them():
    rows = families.ids(2, 7).tolist()
    prompts = [
        iw.Prompt.from_ids(row).with_span("subject", place).with_span("end", 6)
        for row, place in zip(rows, ([1, 2], [3, 4]), strict=True)
    ]
    together = cut("llama", prompts, query="end", key=["subject", (0,)])
    for number, (row, place) in enumerate(zip(rows, ((1, 2), (3, 4)), strict=True)):
        alone = cut("llama", row, query=-1, key=[place, 0])
        found = together.data["metric"].sel(example=number).values
        assert found == pytest.approx(alone.data["metric"].values, abs=EXACT)
    assert together.data["change_mean"]["cut"].values.tolist() == ["subject", "0"]
    assert {"low", "high"} <= set(together.views["cuts"].arrays)


def test_the_query_is_where_the_answer_is_read():
    assert cut("llama", query=-1, key=2).data["metric"].equals(cut("llama", key=2).data["metric"])
    ids = families.ids(1, 7)[0].tolist()
    whole = {"target": iw.whole([5, 9, 4]), "metric": "log_prob", "key": [2]}
    found = cut("llama", ids, **whole)
    named = cut("llama", ids, **whole, query=[6, 7, 8])
    last = cut("llama", ids, **whole, query=-1)
    assert found.data["metric"].values == pytest.approx(named.data["metric"].values, abs=EXACT)
    assert abs(found.data["metric"].values - last.data["metric"].values).max() > 1e-4
    earlier = cut("llama", ids, metric=iw.logit(5, position=3), key=1)
    assert earlier.data["metric"].values == pytest.approx(
        cut("llama", ids, metric=iw.logit(5, position=3), key=1, query=3).data["metric"].values, abs=EXACT
    )


def test_unequal_numbers_of_keys_in_one_batch():
    """A text may be one token in a prompt and two in another; each loses its own."""
    built = handbuilt.gpt2(dtype=torch.float64)
    model = iw.load(built.model, tokenizer=built.tokenizer())
    texts = ["t3 t7 t5 t3", "t3 t7 t9 t5 t3"]
    spans = [{"subject": "t7"}, {"subject": "t7 t9"}]
    prompts = [model.prompt(text, spans=span) for text, span in zip(texts, spans, strict=True)]
    together = attention_knockout(model, prompts, key="subject", target=7, metric="logit", window=3)
    for number, prompt in enumerate(prompts):
        alone = attention_knockout(model, prompt, key="subject", target=7, metric="logit", window=3)
        assert together.data["metric"][number].values == pytest.approx(alone.data["metric"].values, abs=EXACT)


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma"])
def test_induction_is_cut_where_its_heads_read(name):
    built = getattr(handbuilt, name)(dtype=torch.float64)
    model = iw.load(built.model, tokenizer=built.tokenizer())
    ids = built.sample()[0].tolist()
    prompt, target = ids[:-1], ids[-1]
    before = prompt.index(prompt[-1])
    options = {"window": 1, "target": target}
    read_back = attention_knockout(model, prompt, query=before + 1, key=before, **options).data["ratio"].isel(cut=0)
    assert read_back.sel(layer=0) < -0.99 and abs(read_back.sel(layer=[1, 2])).max() < 1e-3
    copied = attention_knockout(model, prompt, query=-1, key=before + 1, **options).data["ratio"].isel(cut=0)
    assert copied.sel(layer=1) < -0.99 and abs(copied.sel(layer=0)) < 1e-3
    by_head = [
        float(attention_knockout(model, prompt, key=before + 1, heads=head, **options).data["ratio"].sel(layer=1)[0])
        for head in range(2)
    ]
    assert by_head[0] < -0.99 and abs(by_head[1]) < 1e-3


def test_only_layers_with_attention_are_centres():
    model = iw.load(families.module_of("jamba"))
    result = attention_knockout(model, IDS, key=2, target=TARGET)
    assert result.data["change"]["layer"].values.tolist() == model.layers_with("pattern")


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(EditError, match=r"prompt 0: without the keys 0\+1\+2 .* the query at position 2 has nothing"):
        cut("llama", query=2, key=[(0, 1, 2)])
    with pytest.raises(EditError, match="the query at position 0 has nothing left"):
        cut("llama", query=slice(None))
    with pytest.raises(EditError, match="come after the query"):
        cut("llama", query=2, key=[4])
    with pytest.raises(EditError, match=r"key=\[\]"):
        cut("llama", key=[])
    with pytest.raises(EditError, match="names 2 twice"):
        cut("llama", key=[2, 2])
    with pytest.raises(EditError, match=r"heads=\[\]"):
        cut("llama", heads=[])
    with pytest.raises(SiteError, match="head 99 does not exist"):
        cut("llama", heads=[99])
    with pytest.raises(SiteError, match="window=0"):
        cut("llama", window=0)
    with pytest.raises(PromptError, match="key='subject'"):
        cut("llama", key="subject")
    with pytest.raises(PromptError, match="Position 7 is not in the prompt"):
        cut("llama", query=7)
    with pytest.raises(MetricError, match="metric='nll'"):
        cut("llama", metric="nll")
    with pytest.raises(SiteError, match="has no pattern"):
        attention_knockout(iw.load(families.module_of("mamba")), IDS, key=1)
