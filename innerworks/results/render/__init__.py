"""Renderers: a view in, HTML or plain text out. No network, no dependency; the one script is in interactive pages."""
