"""A model as it is, and the named places inside it."""
