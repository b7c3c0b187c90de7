"""Sweeps: the same prompt under many edits, batched, started late, and sharing what they have in common."""

from innerworks.model.sweep.result import SweepInterrupted, SweepResult
from innerworks.model.sweep.sweep import Plan, sweep

__all__ = ["Plan", "SweepInterrupted", "SweepResult", "sweep"]
