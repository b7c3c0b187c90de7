"""Models whose inside is known: hand-built here, compiled and trained small elsewhere."""
