"""What the registry keeps of a function, and what it refuses."""

import pytest

from innerworks.errors import InnerworksError
from innerworks.registry import Cost, technique, techniques


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch):
    import sys

    module = sys.modules["innerworks.registry.technique"]
    monkeypatch.setattr(module, "_registered", {})


def register(**changes):
    options = dict(title="Stream norms", section="2.2", question="How long is the stream?") | changes
    return technique(**options)


def test_a_registered_function_is_the_function_itself():
    def stream_norms(model: "Model", prompt: "Prompt", layer: int = 0) -> "Result":  # noqa: F821
        """How long the stream is.

        More.
        """
        return layer

    assert register(cost=Cost(forwards=1))(stream_norms) is stream_norms
    found = techniques()["stream_norms"]
    assert (found.eats, found.meaning, [p.name for p in found.options]) == (
        "Prompt",
        "How long the stream is.",
        ["layer"],
    )


def test_a_technique_without_a_second_input_has_all_its_options():
    def weight_norms(model, top: int = 3):
        """How long the weights are."""

    register()(weight_norms)
    found = techniques()["weight_norms"]
    assert found.eats is None
    assert [p.name for p in found.options] == ["top"]


def test_the_same_name_from_another_module_is_refused():
    def clash(model):
        """One."""

    register()(clash)

    def clash(model):
        """Another."""

    clash.__module__ = "somebody_elses_package"
    with pytest.raises(InnerworksError, match="already registered"):
        register()(clash)


def test_a_technique_that_says_nothing_is_refused():
    def silent(model):
        pass

    with pytest.raises(InnerworksError, match="docstring"):
        register()(silent)


def test_the_list_of_techniques_cannot_be_changed_from_outside():
    with pytest.raises(TypeError):
        techniques()["x"] = None  # type: ignore[index]
