"""What the registry keeps of a function, how it calls it, and what it refuses."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import pytest
import torch
from families import module_of

import innerworks as iw
from innerworks import at, edit
from innerworks.data.lifting import Pairs, Prompts
from innerworks.errors import InnerworksError, OptionError
from innerworks.registry import Cost, technique
from innerworks.registry.technique import registered
from innerworks.results import Provenance, Result, labelled


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch):
    monkeypatch.setattr(sys.modules["innerworks.registry.technique"], "_registered", {})


@pytest.fixture(scope="module")
def model():
    return iw.load(module_of("llama"))


def register(**changes):
    options = dict(title="Stream norms", section="2.2", question="How long is the stream?") | changes
    return technique(**options)


def test_a_registered_function_is_known_by_what_it_says():
    def stream_norms(
        model: iw.Model, prompt: Prompts, layer: Annotated[int, "which block"] = 0, *, progress: bool = False
    ) -> Result:
        """How long the stream is, e.g. after
        a block. What misleads: nothing.

        More.
        """

    found = register(cost=Cost(forwards=1))(stream_norms).technique
    assert found is registered()["stream_norms"]
    assert (found.eats, found.input) == ("Prompt", Prompts)
    assert found.meaning == "How long the stream is, e.g. after a block."
    assert [(one.name, one.default, one.help) for one in found.options] == [
        ("layer", 0, "which block"),
        ("progress", False, ""),
    ]


def test_a_value_that_an_option_does_not_take_is_refused_before_anything_runs(model):
    def stream_sizes(
        model: iw.Model,
        prompt: Prompts,
        by: Annotated[Literal["norm", "largest"], "what size means"] = "norm",
        over: Literal["layer", 3] | None = None,
        free: Literal["all"] | str = "all",
    ) -> Result:
        """How large the stream is."""
        return Result(data={"by": labelled([float(by == "norm")], ("example",))})

    call = register()(stream_sizes)
    assert float(call(model, [1, 2], by="largest").data["by"]) == 0
    for given in ({"over": None}, {"over": "layer"}, {"over": 3}, {"free": "anything"}):
        call(model, [1, 2], **given)
    with pytest.raises(OptionError, match=r"^by='mean': use 'norm' or 'largest'\.$"):
        call(model, [1, 2], by="mean")
    for wrong in ("3", "row", 4, [3]):
        with pytest.raises(OptionError, match=r"^over=.*: use 'layer', 3 or None\.$"):
            call(model, [1, 2], over=wrong)


def test_a_technique_without_a_second_input_has_all_its_options():
    def weight_norms(model, top: int = 3):
        """How long the weights are."""

    found = register()(weight_norms).technique
    assert found.eats is None
    assert [one.name for one in found.options] == ["top"]


def lengths(model: iw.Model, prompts: Prompts, layer: int = 0, *, factor: float = 1.0) -> Result:
    """How long each prompt is."""
    value = torch.tensor([len(prompt) * factor + layer for prompt in prompts])
    model.run(prompts, logits="last")
    return Result(data={"length": labelled(value, ("example",))}, provenance=Provenance(options={"seen": len(prompts)}))


def test_however_an_option_is_given_it_arrives_and_is_written_down(model):
    called = register()(lengths)
    for result in (
        called(model, [[1, 2, 3]], 10, factor=2.0),
        called(model, prompts=[[1, 2, 3]], layer=10, factor=2.0),
        called(model, [[1, 2, 3]], factor=2.0, layer=10),
    ):
        assert float(result.data["length"]) == 16
        options = result.provenance.options
        assert (options["layer"], options["factor"], options["seen"]) == (10, 2.0, 1)
    assert result.provenance.technique == "lengths" and result.provenance.cost.forwards == 1
    assert result.title == "Stream norms"


def test_edits_that_stand_are_in_the_provenance(model):
    edited = model.with_edits(edit.scale(at.mlp_out[1], 2))
    assert register()(lengths)(edited, [[1, 2]]).provenance.options["edits"] == ["scale(mlp_out.1, 2.0)"]


def test_what_was_interrupted_goes_on_without_the_function_knowing(model):
    calls = []

    def halting(model: iw.Model, prompts: Prompts) -> Result:
        """How long each prompt is."""
        calls.append(len(prompts[0]))
        if calls == [2, 3]:
            raise KeyboardInterrupt
        return Result(data={"length": labelled(torch.tensor([float(len(one)) for one in prompts]), ("example",))})

    called = register(title="Halting", finish=lambda result: Result(result.data, title=result.title.upper()))(halting)
    prompts = [[1, 2], [3, 4, 5], [6, 7]]
    with pytest.raises(iw.Interrupted, match="after 2 of 3") as stopped:
        called(model, prompts)
    # What came out so far is finished like a whole result.
    assert stopped.value.partial.data["length"].values.tolist() == [2, 2]
    assert stopped.value.partial.title == "HALTING"
    result = called(model, prompts, resume=stopped.value)
    assert result.data["length"].values.tolist() == [2, 3, 2] and calls == [2, 3, 3]
    assert called(model, prompts, resume=None).data["length"].equals(result.data["length"])


def test_what_does_not_fit_is_told_with_what_does(model):
    called = iw.path_patching
    with pytest.raises(TypeError, match="path_patching: .*positional.*in order: model, pairs; by name: senders, rec"):
        called(model, ("a", "b"), "z.:")


def test_a_technique_that_eats_nothing_takes_no_resume(model):
    def bare(model: iw.Model, *, top: int = 3) -> Result:
        """Nothing."""
        return Result()

    with pytest.raises(TypeError, match="resume"):
        register()(bare)(model, resume=None)


def test_what_is_no_model_is_refused():
    with pytest.raises(InnerworksError, match=r"lengths takes the model first.*given str"):
        register()(lengths)("gpt2", "The cat")


def test_the_same_name_from_another_module_is_refused():
    def clash(model):
        """One."""

    register()(clash)

    def clash(model):
        """Another."""

    register()(clash)  # a cell that is run again

    def clash(model):
        """A third."""

    clash.__module__ = "somebody_elses_package"
    with pytest.raises(InnerworksError, match="already registered by .*test_technique"):
        register()(clash)


def silent(model):
    pass


def modelless():
    """Nothing."""


def swallowing(model, **options):
    """Everything."""


@pytest.mark.parametrize(
    ("function", "told"), [(silent, "docstring"), (modelless, "no model"), (swallowing, r"\*\*options.*one by one")]
)
def test_what_cannot_be_listed_is_refused(function, told):
    with pytest.raises(InnerworksError, match=told):
        register()(function)
    assert not registered()


def test_a_section_that_the_survey_does_not_have_is_refused():
    with pytest.raises(InnerworksError, match=r"no section '9.9'"):
        register(section="9.9")(lengths)


def test_an_annotation_that_cannot_be_looked_up_is_told():
    def unknown(model: iw.Model, prompt: Nowhere) -> Result:  # noqa: F821
        """Nothing."""

    with pytest.raises(InnerworksError, match="'unknown'.*'Nowhere'.*TYPE_CHECKING"):
        _ = register()(unknown).technique.eats


def test_pairs_and_unions_say_what_they_are():
    def on_pairs(model: Any, pairs: Pairs) -> Result:
        """Nothing."""

    def on_tasks(model: Any, task: iw.Task | iw.Examples) -> Result:
        """Nothing."""

    assert [register()(one).technique.eats for one in (on_pairs, on_tasks)] == ["Pair", "Task"]
