"""Translators: maps from one layer's states to another's, fitted on text."""
