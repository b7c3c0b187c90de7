"""The grammar of sites: every form is read as it was written, compares, hashes, and says what is wrong."""

from __future__ import annotations

import itertools
import pickle

import pytest
import torch

from innerworks.errors import SiteError
from innerworks.model.sites import KINDS, Edge, Role, Site, Span, UnknownSite, at, direction, subspace

LAYERS = [None, 0, -1, [3], [1, 4], slice(None), slice(2, 5), slice(None, None, 2), slice(-3, None)]
UNITS = [None, 0, -2, [7], [0, 3], slice(1, 3)]
POSITIONS = [
    None,
    0,
    -1,
    [2],
    [0, -1],
    slice(2, 5),
    slice(None, -1),
    slice(1, 8, 3),
    "subject",
    "two words",
    "a,b",
    "5",
    "x|y",
]
ENDS = [None, -1, [3], [1, 4], slice(2, None), "subject", "a,b", ")("]
BASES = {"probe": direction("probe", torch.tensor([1.0, 2.0])), "plane": subspace("plane", torch.eye(2))}


def written():
    """Every combination of kinds, layers, units, positions and coordinates."""
    for name, kind in KINDS.items():
        if name == "module":
            continue
        for layer, unit in itertools.product(LAYERS if kind.layered else [None], UNITS if kind.unit else [None]):
            site = Site(name)
            if layer is not None:
                site = site[layer] if unit is None else site[layer, unit]
            yield site
            if "query" in kind.dims:
                yield from (site @ edge for edge in itertools.product(ENDS, ENDS))
            else:
                yield from (site @ position for position in POSITIONS)


def test_every_site_is_read_back_from_its_text():
    seen = set()
    for site in written():
        assert at(str(site)) == site, str(site)
        seen.add(site)
    assert len(seen) == len({str(site) for site in seen}) > 5000


def test_coordinates_and_modules_are_read_back():
    for site in (
        at.resid_post[3],
        at.z[2, 1] @ -1,
        at.resid_mid[:] @ "x|y",
        at.module("model.layers.0.mlp").output @ [2],
    ):
        for basis, feature in itertools.product(BASES.values(), [None, 0, [1], [0, 1], slice(0, 1)]):
            through = site.via(basis, feature)
            assert at(str(through), BASES) == through, str(through)
    for module in (at.module("lm_head"), at.module("model.layers.1.mlp").input @ -1):
        assert at(str(module)) == module


def test_sites_are_values():
    assert at.z[5, 3] @ -1 == at("z.5.3@-1")
    assert {at.z[5, 3]: 1}[at("z.5.3")] == 1
    assert at.z[5] != at.z[5, 0] != at.z[5, [0]]
    for site in (at.z[5, [1, 2]] @ "subject", at.pattern[3, 1] @ (-1, slice(2, None)), at.norm_scale["mlp", 2]):
        assert pickle.loads(pickle.dumps(site)) == site
    with pytest.raises(AttributeError):
        at.z[5].layer = 3
    assert at.resid_post[torch.tensor(2)] == at.resid_post[2]
    assert at.z[range(3)] == at.z[[0, 1, 2]]
    assert (at.z[1] @ slice(None)).pos is None
    assert at.pattern[1] @ -1 == at.pattern[1] @ (-1, None) == Site("pattern", 1, pos=Edge(-1, None))
    assert (at.z[1] @ "subject").pos == Role("subject")
    assert at.z[1:3].layer == Span(1, 3)


@pytest.mark.parametrize(
    "text",
    [
        "at.z[5, 3] @ -1",
        "at.z[5,3]@-1",
        "at.resid_post[:] @ -1",
        'at.resid_post[:] @ "subject"',
        "at.resid_post[-1] @ 'after IO'",
        "at.resid_post[2] @ (3, 5)",
        "at.resid_post[2] @ [3, 5]",
        "at.z[[1, 2], 3]",
        "at.z[(1, 2), 3]",
        "at.z[1:5]",
        "at.z[::2, 1:3] @ [4]",
        "at.pattern[5, 3] @ (4, 2)",
        "at.pattern[5] @ (-1, 2)",
        "at.pattern[5, 3] @ (None, 2)",
        "at.resid_post[9] @ slice(3, None)",
        "at.resid_post[9] @ slice(None, 4)",
        'at.norm_scale["attn", 5]',
        'at.norm_scale["final"]',
    ],
)
def test_what_is_written_in_python_is_read_as_text(text):
    meant = eval(text)
    assert at(text) == meant
    assert at(text.removeprefix("at.")) == meant
    assert Site.parse_several(f"{text}, embed") == [meant, at.embed]


NAMES = {
    "hook_embed": at.token_embed,
    "hook_pos_embed": at.pos_embed,
    "ln_final.hook_scale": at.norm_scale["final"],
    "blocks.3.hook_resid_pre": at.resid_pre[3],
    "blocks.3.hook_resid_mid": at.resid_mid[3],
    "blocks.3.hook_resid_post": at.resid_post[3],
    "blocks.3.hook_attn_out": at.attn_out[3],
    "blocks.3.hook_mlp_out": at.mlp_out[3],
    "blocks.3.ln1.hook_scale": at.norm_scale["attn", 3],
    "blocks.3.ln2.hook_scale": at.norm_scale["mlp", 3],
    "blocks.9.attn.hook_q": at.q[9],
    "blocks.9.attn.hook_k": at.k[9],
    "blocks.9.attn.hook_v": at.v[9],
    "blocks.9.attn.hook_rot_q": at.q_rot[9],
    "blocks.9.attn.hook_rot_k": at.k_rot[9],
    "blocks.9.attn.hook_attn_scores": at.scores[9],
    "blocks.9.attn.hook_pattern": at.pattern[9],
    "blocks.9.attn.hook_z": at.z[9],
    "blocks.9.attn.hook_result": at.head_out[9],
    "blocks.9.mlp.hook_post": at.neurons[9],
}


def test_names_of_transformer_lens_are_read():
    assert {name: at(name) for name in NAMES} == NAMES


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("blocks.3.mlp.hook_pre", "at.neuron_pre on a plain MLP, at.gate on a gated one"),
        ("blocks.3.ln1.hook_normalized", "at.attn_in"),
        ("hook_resid_pre", "not a TransformerLens name"),
        ("blocks.3.hook_embed", "not a TransformerLens name"),
        ("blocks.3.attn.hook_w", "Known: .*attn.hook_z"),
        ("attention.3", "there is no site called 'attention'. .*The sites are: token_embed"),
        ("z.x", "cannot read 'z.x' as a site. Examples: z.5.3@-1"),
        ("z.1--2", "cannot read '1--2' as an index"),
        ("resid_post.3|probe", "needs the basis 'probe': pass it as at"),
        ("pattern.1@(1,2,3)", "write .query,key."),
        ("", "cannot read ''"),
    ],
)
def test_texts_that_are_not_sites(text, told):
    with pytest.raises(SiteError, match=told):
        at(text)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: at.resid_pots, "there is no site called 'resid_pots'. Did you mean resid_post. The sites are"),
        (lambda: at.embed[2], "embed is not in a layer: write at.embed without"),
        (lambda: at.resid_post[1, 2], "takes a layer, got"),
        (lambda: at.z[1, 2, 3], "takes a layer and a head, got"),
        (lambda: at.z["five"], "'five' is not a layer: give a number, a list of numbers, or a slice"),
        (lambda: at.z[True], "True is not a layer"),
        (lambda: at.z[[]], "an empty list selects no layer"),
        (lambda: at.z[1.5], "1.5 is not a layer"),
        (lambda: at.z[1] @ "", "an empty role names no positions"),
        (lambda: at.z[1] @ 'a"b', "a role cannot be called"),
        (lambda: at.pattern[1] @ (1, 2, 3), "take @ .query, key."),
        (lambda: at.z[1].output, "only at.module.path. has one"),
        (lambda: at.module("lm_head")[3], "takes no"),
        (lambda: at.norm_scale["middle", 3], "norm_scale takes which norm first"),
        (lambda: direction("zero", torch.zeros(3)), "'zero' has length zero"),
        (lambda: direction("matrix", torch.eye(3)), "takes one vector"),
        (
            lambda: direction("short", torch.ones(3)).encode(torch.ones(4)),
            "'short' is for vectors of 3 numbers, .* have 4",
        ),
        (lambda: subspace("flat", torch.ones(2, 3)), "linearly dependent: drop the redundant ones"),
        (lambda: at.z[1].via(direction("a|b", torch.ones(2))), "a basis cannot be called 'a|b'"),
    ],
)
def test_sites_that_cannot_be_named(wrong, told):
    with pytest.raises(SiteError, match=told):
        wrong()


def test_unknown_names_are_attribute_errors_too():
    assert not hasattr(at, "resid_pots")
    with pytest.raises(UnknownSite):
        at.resid_pots.anything


def test_dimensions_that_remain():
    assert (at.z[1, 3] @ -1).remaining_dims == ("batch", "d_head")
    assert (at.z[1, [3]] @ [1]).remaining_dims == ("batch", "pos", "head", "d_head")
    assert (at.pattern[1, 3] @ (-1, None)).remaining_dims == ("batch", "key")
    assert at.resid_post[1].via(BASES["probe"], 0).remaining_dims == ("batch", "pos")


def test_a_second_pair_of_brackets_is_not_another_layer():
    for wrong in (lambda: at.z[5][3], lambda: at.pattern[5, 1][0]):
        with pytest.raises(SiteError, match="in one pair of brackets"):
            wrong()
    with pytest.raises(SiteError, match="sites take brackets"):
        at.resid_post(5)
    with pytest.raises(SiteError, match=r"wrap it, as in iw\.direction"):
        at.resid_post[5].via([1.0, 2.0])
    with pytest.raises(SiteError, match="pass a Run of the prompt"):
        list(at.z[:].each_head("text"))


def test_completion_knows_the_places():
    assert {"z", "resid_post", "pattern", "norm_scale", "module"} <= set(dir(at))
