"""Sites: the one way to name a place inside a model, in Python, in files and on the command line."""

from innerworks.model.sites.basis import Basis, Linear, direction, rotation, subspace
from innerworks.model.sites.grammar import Places, at
from innerworks.model.sites.kinds import KINDS, Kind, UnknownSite
from innerworks.model.sites.selectors import ALL, Edge, Position, Role, Selector, Span, each_once, pick
from innerworks.model.sites.site import Extent, Site

__all__ = [
    "ALL",
    "KINDS",
    "Basis",
    "Edge",
    "Extent",
    "Kind",
    "Linear",
    "Places",
    "Position",
    "Role",
    "Selector",
    "Site",
    "Span",
    "UnknownSite",
    "at",
    "direction",
    "each_once",
    "pick",
    "rotation",
    "subspace",
]
