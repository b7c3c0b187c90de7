"""Patchscopes: a state of one prompt, put into another prompt that asks the model what it means."""
