"""Static renderers: a view in, HTML or plain text out. No script, no network, no dependency."""
