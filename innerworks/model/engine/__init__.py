"""The engine: one pass, its gradients, and generation."""
