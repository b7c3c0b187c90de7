"""Readers for data sets that users hold as files; each gives a task."""
