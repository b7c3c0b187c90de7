"""Logit spectroscopy: the stream by how loudly its directions speak to logits."""
