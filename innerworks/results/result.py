"""The result of any technique: one class, whatever was measured."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from innerworks.errors import InnerworksError
from innerworks.results.checks import Check
from innerworks.results.graphs import Graph
from innerworks.results.provenance import Provenance
from innerworks.results.strict_json import check_name
from innerworks.results.tables import Table
from innerworks.results.views import View

__all__ = ["Result"]


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Named labelled arrays, tables and graphs, with their checks, their origin, and how to draw them.

    `data` holds xarray DataArrays (`innerworks.results.labelled` makes them). A failed check is shown first
    everywhere the result is shown. Without `views`, pictures are derived from the data.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    graphs: Mapping[str, Graph] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    provenance: Provenance = field(default_factory=Provenance)
    views: Mapping[str, View] = field(default_factory=dict)
    title: str = ""

    def __post_init__(self) -> None:
        for name, array in self.data.items():
            if not (hasattr(array, "dims") and hasattr(array, "coords")):
                raise InnerworksError(
                    f"data[{name!r}] is a {type(array).__name__}; give a labelled array, as "
                    "innerworks.results.labelled(values, dims) makes"
                )
        for part, kind in (("tables", Table), ("graphs", Graph), ("views", View)):
            for name, item in getattr(self, part).items():
                if not isinstance(item, kind):
                    raise InnerworksError(f"{part}[{name!r}] is a {type(item).__name__}, not a {kind.__name__}")
        for part in ("data", "tables", "graphs", "views"):
            named = getattr(self, part)
            object.__setattr__(self, part, {check_name(name, part): item for name, item in named.items()})
        object.__setattr__(self, "checks", tuple(self.checks))

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if check.verdict == "fail"]

    def to_dataframe(self, name: str | None = None) -> Any:
        """One array, table or graph as a tidy pandas DataFrame: a row per value, labels as columns.

        With a single array, table or graph the name may be left out; a graph gives its edges.
        """
        from innerworks.results.dataframes import dataframe

        return dataframe(self, name)

    def text(self, width: int = 80) -> str:
        """Plain text: title, origin, checks with failed ones first, and what stands out in the data."""
        from innerworks.results.render.summary import summary

        return summary(self, width)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        parts = [f"{part}={list(getattr(self, part))}" for part in ("data", "tables", "graphs", "views")]
        parts = [part for part in parts if not part.endswith("=[]")]
        if self.checks:
            parts.append(f"checks={len(self.checks)} ({len(self.failed)} failed)")
        return f"Result({', '.join([repr(self.heading), *parts])})"

    @property
    def heading(self) -> str:
        """The title, or the technique's name where none was given."""
        return self.title or self.provenance.technique or "result"

    @property
    def pictures(self) -> dict[str, View]:
        """The views, or ones derived from the data where there are none."""
        from innerworks.results.derived_views import derived_views

        return dict(self.views) or derived_views(self)

    def _repr_html_(self) -> str:
        from innerworks.results.render.page import fragment

        return fragment(list(self.pictures.values()), self.heading, self.checks, self.provenance)

    def html(self, path: str | os.PathLike[str], title: str | None = None, *, interactive: bool = True) -> Path:
        """Write one self-contained page of all views, checks and provenance; it needs no network.

        With `interactive=False` there is no script in it; with it, the same is shown wherever scripts do not run.
        """
        from innerworks.results.folders import write_file
        from innerworks.results.render.page import page

        views = list(self.pictures.values())
        return write_file(
            path, page(views, title or self.heading, self.checks, self.provenance, interactive=interactive)
        )

    def show(self) -> None:
        """Show it where you are: as HTML in a notebook, as text and colour in a terminal."""
        from innerworks.results.render.terminal import display

        display(self)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Save to a folder of `result.json` and `arrays.safetensors`, whole or not at all.

        A folder that is not a saved result is never replaced; a saved result only with `overwrite=True`.
        """
        from innerworks.results.result_files import save_result

        return save_result(self, path, overwrite=overwrite)
