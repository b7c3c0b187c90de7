"""What the pages list is what there is: sites, names of TransformerLens, edits, metrics, views, public names."""

from __future__ import annotations

import re

import pytest
from pages import PAGES, ROOT, text

import innerworks as iw
from innerworks.model.sites import KINDS
from innerworks.model.sites.grammar import _DIFFERENT, _TRANSFORMER_LENS
from innerworks.results.view_kinds import VIEW_KINDS


def row(name: str) -> str:
    kind = KINDS[name]
    spelled = f'norm_scale["{name.removeprefix("norm_scale.")}"' if name.startswith("norm_scale.") else name
    index = {(False, False): "", (True, False): "[layer]", (True, True): f"[layer, {kind.unit}]"}[
        kind.layered, kind.unit is not None
    ]
    if name.startswith("norm_scale."):
        index = ", layer]" if kind.layered else "]"
    if name == "module":
        return f"| `at.module(path)` | as the module gives it | {kind.about} |"
    return f"| `at.{spelled}{index}` | {', '.join(kind.dims)} | {kind.about} |"


def test_the_table_of_sites_is_the_table_in_the_code() -> None:
    expected = "\n".join(row(name) for name in KINDS)
    assert expected in text("docs/sites.md"), f"put this table into docs/sites.md:\n{expected}"


def test_the_transformer_lens_names_are_those_that_parse() -> None:
    told = dict(re.findall(r"^\| `(\S*hook_\S*)` \| `at\.([^`]+)` \|$", text("docs/sites.md"), re.MULTILINE))
    assert {name.removeprefix("blocks.5.") for name in told} == set(_TRANSFORMER_LENS)
    for name, spelled in told.items():
        assert iw.at(name) == eval(f"iw.at.{spelled}"), name


@pytest.mark.parametrize("name", sorted(_DIFFERENT))
def test_names_without_one_meaning_are_explained(name: str) -> None:
    assert f"`blocks.5.{name}`" in text("docs/sites.md") or f"`{name}`" in text("docs/sites.md")


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("docs/edits.md", [f"edit.{name}(" for name in iw.edit.__all__ if name[0].islower() and "_parts" not in name]),
        ("docs/gradients.md", [f"iw.{name}(" for name in iw.metrics.__all__ if name[0].islower()]),
        ("docs/results.md", [f"`{kind}`" for kind in VIEW_KINDS]),
        ("docs/running.md", [f"reduce.{name}" for name in iw.reduce.__all__]),
    ],
    ids=["edits", "metrics", "views", "reducers"],
)
def test_a_page_shows_all_there_is(page: str, names: list[str]) -> None:
    assert [name for name in names if name not in text(page)] == []


def test_every_public_name_is_on_some_page() -> None:
    everything = "\n".join(text(page) for page in PAGES)
    names = [name for name in iw._PUBLIC if name not in ("metrics", "errors", "edit", "reduce", "at")]
    assert [name for name in names if not re.search(rf"\biw\.{name}\b", everything)] == []


def test_every_page_is_in_the_menu_and_every_entry_is_a_page() -> None:
    menu = re.findall(r"^\s+- .*?(\S+\.md)\s*$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(menu) == sorted(page.removeprefix("docs/") for page in PAGES if page.startswith("docs/"))


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+\.(?:md|png|svg|txt))(?:#[^)]*)?\)", text(page)):
            assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"
