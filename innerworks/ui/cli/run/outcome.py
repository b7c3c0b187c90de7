"""What becomes of a result or an artifact: kept in a folder, written as a page, printed as a picture or as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerworks.errors import InnerworksError
from innerworks.ui.cli.consoles import Notes, output

if TYPE_CHECKING:
    from innerworks.results import Artifact, Result

__all__ = ["Outcome", "free_folder"]


@dataclass(frozen=True)
class Outcome:
    """Where an answer is to go."""

    save: Path | None = None
    overwrite: bool = False
    html: Path | None = None
    json: bool = False
    view: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Outcome:
        """What the flags of a command say."""
        view = tuple(given.get("view") or ())
        return cls(given.get("save"), bool(given.get("overwrite")), given.get("html"), bool(given["json"]), view)

    def check(self, *, resumable: bool = False) -> None:
        """Raise at once where what is worked out could not be written in the end.

        `resumable` where a folder that is there already may hold the beginning.
        """
        from innerworks.results.folders import check_writable

        if self.save is not None:
            check_writable(self.save, folder=True, overwrite=self.overwrite or resumable)
        if self.html is not None:
            check_writable(self.html, folder=False, overwrite=True)

    def give(self, found: Result | Artifact, notes: Notes) -> None:
        """Keep it, write its page, print it. What could not be done with it is told last: it is printed in any case."""
        kept, problems = None, []
        try:
            kept = None if self.save is None else self._kept(found, self.save)
        except InnerworksError as problem:
            problems.append(problem)
        if kept is not None:
            notes.say(f"saved: {kept} (innerworks open {self.save})")
        result = _as_result(found)
        try:
            result = _chosen(result, self.view) if self.view else result
        except InnerworksError as problem:
            problems.append(problem)
        try:
            if self.html is not None:
                notes.say(f"page: {result.html(self.html)}")
        except InnerworksError as problem:
            problems.append(problem)
        self._print(found, result, None if kept is None else str(kept))
        if problems:
            raise problems[0]

    def _kept(self, found: Result | Artifact, folder: Path) -> Path:
        """Save it, unless what fitted it has kept it there already."""
        import innerworks as iw

        if isinstance(found, iw.Artifact) and (folder / "artifact.json").is_file():
            there = iw.open(folder)
            if isinstance(there, iw.Artifact) and there.config == found.config and there.model == found.model:
                return folder.resolve()
        return found.save(folder, overwrite=self.overwrite)

    def _print(self, found: Result | Artifact, result: Result, saved: str | None) -> None:
        from innerworks.results.plain_json import plain_json
        from innerworks.results.render.terminal import print_result

        if not self.json:
            print_result(result, output(spread=True))
        elif self.view and list(result.views) == list(self.view):
            print(_views_json(result))
        else:
            print(plain_json(found, saved))


def _as_result(found: Result | Artifact) -> Result:
    from innerworks.results import Artifact
    from innerworks.results.artifact_views import shown

    return shown(found) if isinstance(found, Artifact) else found


def _chosen(result: Result, names: Sequence[str]) -> Result:
    """The result with some of its pictures alone."""
    pictures = result.pictures
    for name in names:
        if name not in pictures:
            near = get_close_matches(name, pictures, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise InnerworksError(f"there is no view {name!r}.{meant} It has: {', '.join(pictures) or 'none'}.")
    return replace(result, views={name: pictures[name] for name in names})


def _views_json(result: Result) -> str:
    from innerworks.results.plain_json import plain_view

    return "[" + ",\n".join(plain_view(view) for view in result.views.values()) + "]"


def free_folder(name: str, model: str) -> Path:
    """A folder in the current one that does not exist yet, named by what is kept in it."""
    plain = re.sub(r"[^\w.-]+", "-", f"{name}-{Path(model).stem if '/' in model else model}").strip("-.")
    numbered = (Path(plain if number == 1 else f"{plain}-{number}") for number in range(1, 10_000))
    return next(path for path in numbered if not path.exists())
