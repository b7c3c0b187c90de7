"""Vectors as words: the tokens that a vector raises, and those whose embeddings are like it."""
