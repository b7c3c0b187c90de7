"""Taps: reading and editing tensors inside a running model, leaving it as it was found."""

from innerworks.model.taps.action import Action
from innerworks.model.taps.layout import Layout, Window
from innerworks.model.taps.session import Session, Stop

__all__ = ["Action", "Layout", "Session", "Stop", "Window"]
