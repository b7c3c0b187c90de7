"""What a patchscope cannot mean is told in a sentence."""

import families
import pytest
import torch
from patched_by_hand import SOURCE, TARGET, tiny

import innerworks as iw
from innerworks import at
from innerworks.decode.vocabulary.patchscopes.patchscope import patchscope
from innerworks.errors import MetricError, OptionError, PromptError, SiteError
from innerworks.results import Artifact


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"site": at.embed}, SiteError, "resid_pre"),
        ({"site": at.pattern[0]}, SiteError, "no state of the stream's width"),
        ({"site": at.resid_post}, SiteError, "every layer"),
        ({"site": at.resid_post[9]}, SiteError, "9"),
        ({"site": at.resid_post[5:5]}, SiteError, "5:5"),
        ({"site": at.resid_post[:] @ 6}, SiteError, "position 6 does not exist"),
        ({"site": at.resid_post[:] @ (1, 1)}, PromptError, "twice"),
        ({"site": at.resid_post[:] @ "subject"}, PromptError, "no span or role 'subject'"),
        ({"site": at.head_out[0]}, SiteError, "name one"),
        ({"target_layer": 9}, SiteError, "9"),
        ({"target_layer": ()}, OptionError, "at least one layer"),
        ({"target_layer": (1, 1)}, SiteError, "once"),
        ({"target_layer": (1, 1 - tiny("llama").n_layers)}, SiteError, "once"),
        ({"site": at.resid_post[[0, 0]]}, SiteError, "layer twice"),
        ({"placeholder": 8}, PromptError, "8 tokens"),
        ({"placeholder": ()}, PromptError, "names no place"),
        ({"placeholder": "x"}, PromptError, "ids without text"),
        ({"placeholder": " "}, OptionError, "one token"),
        ({"preset": "same"}, OptionError, "give one of them"),
        ({"preset": "attributes"}, OptionError, "next_token"),
        ({"target_prompt": None, "preset": "same", "placeholder": None}, OptionError, "needs a place"),
        ({"target_prompt": []}, PromptError, "empty"),
        ({"top": 0}, OptionError, "top=0"),
        ({"max_tokens": 0}, OptionError, "max_tokens=0"),
        ({"max_new_tokens": -1}, OptionError, "max_new_tokens=-1"),
        ({"target": {7: 1.0}}, MetricError, "any of a set"),
        ({"target": set()}, MetricError, "at least one token"),
        ({"target": [7, 8]}, MetricError, "2 targets for 1 prompts"),
        ({"target": 10_000}, iw.errors.InnerworksError, "10000"),
        ({"mapping": "identity"}, OptionError, "give a matrix"),
        ({"mapping": torch.eye(3)}, OptionError, "width"),
        ({"mapping": lambda states, layer: states[:, :3]}, OptionError, "the target's stream takes"),
        ({"mapping": lambda states, layer: states * float("nan")}, OptionError, "NaN"),
        (
            {"mapping": Artifact("lens", {"matrix": torch.eye(64)}, model="other")},
            OptionError,
            "fitted on the model other",
        ),
    ],
)
def test_what_cannot_be_meant_is_told(options, error, message):
    asked = {"site": at.resid_post[:] @ -1, "target_prompt": TARGET, "placeholder": 3} | options
    with pytest.raises(error, match=message):
        patchscope(tiny("llama"), SOURCE, asked.pop("site"), **asked)


def test_a_target_model_of_another_width_or_depth_needs_a_mapping_or_a_layer():
    model = tiny("llama")
    deeper = iw.load(families.build("llama", num_hidden_layers=1))
    wider = iw.load(families.build("llama", hidden_size=2 * model.d_model))
    options = {"target_prompt": TARGET, "placeholder": 3}
    with pytest.raises(OptionError, match="give a mapping"):
        patchscope(model, SOURCE, target_model=wider, **options)
    with pytest.raises(SiteError, match="give target_layer"):
        patchscope(model, SOURCE, target_model=deeper, **options)
    with pytest.raises(OptionError, match="its own prompt"):
        patchscope(model, SOURCE, target_model=deeper, preset="same", placeholder=3)
    other_words = iw.load(families.build("llama", vocab_size=50))
    with pytest.raises(MetricError, match="ids may be other words"):
        patchscope(model, SOURCE, target_model=other_words, target=7, target_prompt=[3, 4, 5, 6], placeholder=2)
    alone = Artifact("state-map", {"matrix": torch.eye(model.d_model)[None]}, {"layers": [1]})
    with pytest.raises(OptionError, match="no map for layer 0; it has 1"):
        patchscope(model, SOURCE, at.resid_post[0], mapping=alone, **options)


def test_a_range_that_is_another_one_in_each_prompt_is_told():
    options = {"target_prompt": TARGET, "placeholder": 3}
    with pytest.raises(PromptError, match="prompts of 6 and of 8 tokens"):
        patchscope(tiny("llama"), [SOURCE, TARGET], at.resid_post[:] @ slice(2, None), **options)
    found = patchscope(tiny("llama"), [SOURCE, TARGET], at.resid_post[:] @ slice(2, 5), **options)
    assert found.data["top_prob"].dims == ("example", "layer", "place", "choice")
    assert found.data["top_prob"]["place"].values.tolist() == [2, 3, 4]
