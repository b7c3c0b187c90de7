"""Every error innerworks raises on purpose: what was wrong, with which value, and what to do about it."""

from __future__ import annotations

__all__ = [
    "AnatomyError",
    "BackendError",
    "EditError",
    "FileError",
    "InnerworksError",
    "LoadError",
    "MetricError",
    "NonFiniteError",
    "NotFiredError",
    "OptionError",
    "OutOfMemoryError",
    "PairError",
    "PromptError",
    "SiteError",
    "TaskError",
]


class InnerworksError(Exception):
    """Base of all errors raised on purpose; catching it never hides a bug."""


class LoadError(InnerworksError):
    """A model could not be opened: unknown name, missing or broken file, wrong device."""


class AnatomyError(InnerworksError):
    """An architecture is unknown, or does not look the way its record says."""


class SiteError(InnerworksError):
    """A place was named that the grammar, the architecture or the prompt does not have."""


class NotFiredError(InnerworksError):
    """A place was read or edited but the model never ran through it."""


class BackendError(InnerworksError):
    """The attention backend in use cannot give what was asked for."""


class EditError(InnerworksError):
    """An edit does not fit its site, or two edits contradict each other."""


class PromptError(InnerworksError):
    """A prompt is empty, too long, or holds ids the model does not have."""


class PairError(PromptError):
    """A clean and a corrupt prompt cannot be aligned."""


class OptionError(InnerworksError):
    """An option of a technique was given a value that it does not take."""


class MetricError(InnerworksError):
    """A metric's target is not a single token, or it reads a position that is not there."""


class NonFiniteError(InnerworksError):
    """NaN or infinity, reported where it first appears."""


class OutOfMemoryError(InnerworksError):
    """Not enough memory even for the smallest batch."""


class FileError(InnerworksError):
    """A saved file is missing, truncated, hostile, or of an unknown version."""


class TaskError(InnerworksError):
    """A task cannot give the examples that were asked for."""
