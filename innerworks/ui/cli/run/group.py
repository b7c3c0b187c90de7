"""The group of all techniques: known from the index, each made into a command when it is asked for."""

from __future__ import annotations

from typing import Any

import typer.core

from innerworks.registry import techniques
from innerworks.registry.primer import section_title
from innerworks.ui.cli.run.command import technique_command

__all__ = ["TechniqueGroup"]


class TechniqueGroup(typer.core.TyperGroup):
    """`innerworks run`, with a command for every technique."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands behind `innerworks run`."""
        return ["TECHNIQUE", "[OPTIONS]"]

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the techniques that can be used."""
        return [name for name, entry in techniques().items() if not entry.problem]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a technique; an error that names the nearest where there is no such one."""
        known = techniques()
        if cmd_name not in known and ctx.resilient_parsing:
            return None
        return technique_command(known[cmd_name])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The techniques by the sections of the survey, with their questions."""
        for section, entries in techniques().sections().items():
            rows = [(entry.name, entry.question) for entry in entries if not entry.problem]
            if rows:
                with formatter.section(section_title(section)):
                    formatter.write_dl(rows)
