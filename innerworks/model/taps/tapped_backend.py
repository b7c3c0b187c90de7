"""The name of a tapped layer's attention backend: still its own to whoever compares it, ours in the table of functions.

Some models build the mask of their sparse attention only where the backend is called "eager" or "sdpa". A tapped
layer that went by another name would run without that mask.
"""

from __future__ import annotations

__all__ = ["REGISTERED", "TappedBackend"]

REGISTERED = "innerworks"
"""What our attention function is called in transformers' table."""


class TappedBackend(str):
    """Equal to the backend's own name, and to ours; looked up in a table, it finds the function under ours.

    A table finds a key by its hash first, and this has the hash of our name alone.
    """

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(REGISTERED)

    def __eq__(self, other: object) -> bool:
        return other == REGISTERED or str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other
