"""`innerworks run TECHNIQUE`: every technique of the registry as a command, made from what the index says of it."""

from innerworks.ui.cli.run.group import TechniqueGroup

__all__ = ["TechniqueGroup"]
