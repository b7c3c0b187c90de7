"""Decoding in the vocabulary: what states, weights and gradients say in words."""
