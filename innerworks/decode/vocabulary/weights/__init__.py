"""Weights in words: what neurons, heads and whole matrices read and write, and what a gradient step would write."""
